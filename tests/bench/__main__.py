"""`make bench`: Matinee's figures beside their goals, the floor of this machine, and its peers.

    python -m tests.bench [--only NAME…] [--size-mib N] [--runs N]

A whole run writes docs/benchmarks.md; one of some figures only shows them. Linux only; needs gcc and the
headers of OpenSSL. SABnzbd and NZBGet are measured beside it if they are there: peers.py says how.
"""

import argparse
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

import httpx

from . import figures
from .figures import Row
from .frames import frames
from .programs import Needed
from .runs import Bench
from .segments import segments
from .timing import machine
from .titles import titles

FIGURES = {**figures.FIGURES, "frames": frames, "segments": segments, "titles": titles}
PAGE = Path(__file__).parents[2] / "docs" / "benchmarks.md"
MEMORY_DISK = Path("/dev/shm")
MIB = 1 << 20
COPIES = 6
"""Room for so many films where Matinee works: a peer unpacks beside what it has fetched, and par2 copies."""

INTRODUCTION = """# Benchmarks

Made by `make bench` in one run of {minutes:.0f} minutes: medians (least–most). Everything runs on one machine
over loopback, the news server included, and shares its processors: read the ratios, not the seconds. The news
server speaks TLS and answers each command one round trip after it came (at once where none is named), on 20
connections where no number is named. The film has {mib:,} MiB, is deleted after each run, and every one was
compared with what was posted, byte for byte. Matinee and its peers work on {disk}.

Machine: {machine}. {day}.

| figure | goal | measured | holds |
|---|---|---|---|
"""


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench")
    parser.add_argument(
        "--only", nargs="+", choices=FIGURES, default=[], metavar="NAME", help=", ".join(FIGURES)
    )
    parser.add_argument("--size-mib", type=int, default=2048, help="of the film")
    parser.add_argument("--runs", type=int, default=5, help="of a click on a RAR5; of all else at most 3")
    arguments = parser.parse_args()
    # Where it is set, every process compiles our modules anew: nobody's installation does.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    # Told to stop, it still takes its services and its files with it.
    signal.signal(signal.SIGTERM, _stop)
    started = time.monotonic()
    try:
        rows, disk = measure(arguments.only or list(FIGURES), arguments.size_mib, arguments.runs)
    except Needed as needed:
        print(needed, file=sys.stderr)
        return 1
    lines = [line(row) for row in rows]
    introduction = INTRODUCTION.format(
        minutes=(time.monotonic() - started) / 60,
        mib=arguments.size_mib,
        disk=disk,
        machine=machine(),
        day=f"{datetime.now(UTC):%d %B %Y}",
    )
    page = introduction + "\n".join([*lines, ""])
    if not arguments.only:
        PAGE.write_text(page)
    print(page)
    return 0


def _stop(_signal: int, _frame: object) -> None:
    sys.exit(1)


def measure(names: Sequence[str], size_mib: int, runs: int) -> tuple[list[Row], str]:
    """The rows, and what Matinee worked on. What fails is told in a row of its own; the rest goes on."""
    memory, disk = _work_disk(size_mib)
    with (
        tempfile.TemporaryDirectory(prefix="matinee-bench-") as directory,
        tempfile.TemporaryDirectory(prefix="matinee-bench-", dir=memory) as work,
    ):
        bench = Bench(Path(directory), Path(work), size_mib, runs)
        rows: list[Row] = []
        try:
            for name in names:
                try:
                    rows.extend(FIGURES[name](bench))
                except (AssertionError, OSError, httpx.HTTPError, subprocess.SubprocessError) as failure:
                    rows.append(Row(name, [], note=f"failed: {failure}".splitlines()[0]))
        finally:
            bench.close()
    return rows, disk


def _work_disk(size_mib: int) -> tuple[Path | None, str]:
    if MEMORY_DISK.is_dir() and shutil.disk_usage(MEMORY_DISK).free > COPIES * size_mib * MIB:
        return MEMORY_DISK, "a disk in memory"
    return None, "this machine's own disk"


def line(row: Row) -> str:
    if not row.measured:
        return f"| {row.figure} | {row.goal} | {row.note} | |"
    digits = 2 if max(row.measured) < 100 else 0
    least, most = min(row.measured), max(row.measured)
    shown = f"{median(row.measured):,.{digits}f}{row.unit} ({least:,.{digits}f}–{most:,.{digits}f})"
    holds = {True: "yes", False: "**no**", None: ""}[row.holds]
    return f"| {row.figure} | {row.goal} | {shown} | {holds} |"


if __name__ == "__main__":
    sys.exit(main())
