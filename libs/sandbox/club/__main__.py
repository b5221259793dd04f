"""`python -m libs.sandbox.club DIR [NAME…]`: makes the club's reels, all or those, in a folder."""

import argparse
import os
import sys
import time
from pathlib import Path

from libs.sandbox.club.making import ReelError, made
from libs.sandbox.club.reels import REELS, reel


def main() -> int:
    # SVT-AV1 tells much otherwise.
    os.environ["SVT_LOG"] = "1"
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
            sys.stderr.write(f"{wanted.name}: {error}\n")
        else:
            took_s = time.monotonic() - started
            sys.stdout.write(f"{path}: {path.stat().st_size:,} bytes in {took_s:.1f} s\n")
    return 0 if is_whole else 1


if __name__ == "__main__":
    sys.exit(main())
