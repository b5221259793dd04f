"""`python -m libs.sandbox.club DIR [NAME…]`: makes the club's reels, all or those, in a folder."""

import argparse
import sys
import time
from pathlib import Path

from libs.sandbox.club.making import ReelError, made
from libs.sandbox.club.reels import REELS, reel


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m libs.sandbox.club")
    parser.add_argument("directory", type=Path)
    parser.add_argument("names", nargs="*", choices=[[], *(known.name for known in REELS)], metavar="NAME")
    arguments = parser.parse_args()
    is_whole = True
    for wanted in [reel(name) for name in arguments.names] or REELS:
        started = time.monotonic()
        try:
            path = made(wanted, arguments.directory)
        except ReelError as error:
            is_whole = False
            print(f"{wanted.name}: {error}", file=sys.stderr)
        else:
            print(f"{path} {path.stat().st_size:,} bytes, {time.monotonic() - started:.1f} s", flush=True)
    return 0 if is_whole else 1


if __name__ == "__main__":
    sys.exit(main())
