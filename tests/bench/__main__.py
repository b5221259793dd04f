"""`make bench`: figures as ratios to the floor of this machine, in one run, into docs/benchmarks.md."""

import argparse
import json
import os
import platform
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.support.box import RunningBox, synthetic_film
from tests.support.internet import Internet

PAGE = Path(__file__).parents[2] / "docs" / "benchmarks.md"
MIB = 1 << 20
CONNECTIONS = 8
DEPTH = 8
MOVIE = 910000
IMDB = "tt9100000"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--mib", type=int, default=256)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="matinee-bench-") as name:
        rows = measure(Path(name), arguments.runs, arguments.mib)
    PAGE.write_text(page(rows, arguments.runs, arguments.mib))
    print(PAGE.read_text())
    return 0


def measure(directory: Path, runs: int, mib: int) -> dict[str, list[float]]:
    """Every figure of every run; the floor and Matinee take turns: what disturbs one disturbs both."""
    internet = Internet(directory / "internet", "--films", "few")
    # Deleted seconds after it is ready: the next click starts from nothing.
    environment = internet.environment(connections=CONNECTIONS) | {"MATINEE_RETENTION_AFTER_READY_H": "0.001"}
    box = RunningBox(directory / "data", environment)
    try:
        film = directory / "film.mkv"
        synthetic_film(film, mib * MIB)
        internet.add_title(MOVIE, "Bench", IMDB)
        posted = internet.post(film, "Bench.2024.1080p.WEB-DL.x264-FLOOR", imdb_id=IMDB)
        box.start()
        box.sign_in()
        rows: dict[str, list[float]] = {"floor": [], "click": [], "ratio": []}
        for run in range(runs + 1):
            floor_s = floor(internet, posted["message_ids"])
            click_s = click_to_ready(box)
            print(f"run {run}: floor {floor_s:.2f} s, click to ready {click_s:.2f} s", file=sys.stderr)
            # The first run warms up both ends.
            if run:
                rows["floor"].append(floor_s)
                rows["click"].append(click_s)
                rows["ratio"].append(floor_s / click_s)
        return rows
    finally:
        box.close()
        internet.close()


def floor(internet: Internet, message_ids: Sequence[str]) -> float:
    a = internet.addresses
    arguments = [a["nntp_host"], a["nntp_port"], a["ca_file"], a["nntp_username"], CONNECTIONS, DEPTH]
    done = subprocess.run(
        [sys.executable, "-m", "tests.bench.sink", *map(str, arguments)],
        input="\n".join(message_ids),
        env={**os.environ, "SINK_PASSWORD": a["nntp_password"]},
        capture_output=True,
        text=True,
        check=True,
    )
    result: dict[str, Any] = json.loads(done.stdout)
    return result["seconds"]


def click_to_ready(box: RunningBox) -> float:
    """From the request that Watch sends to the moment the page would hear "ready"; then it is deleted."""
    started = time.perf_counter()
    job_id = box.fetch(MOVIE)
    while box.job(job_id)["status"] != "ready":
        time.sleep(0.02)
    took_s = time.perf_counter() - started
    forget(box, job_id)
    return took_s


def forget(box: RunningBox, job_id: str) -> None:
    """Wait until the janitor has deleted it."""
    deadline = time.monotonic() + 60
    while box.job(job_id)["status"] != "deleted":
        if time.monotonic() > deadline:
            raise TimeoutError(f"{job_id} was not deleted")
        time.sleep(0.1)


INTRODUCTION = """# Benchmarks

Made by `make bench`; medians (and spread) of {runs} runs, after one that warms up. Everything, the news
server included, runs on one machine over loopback: read the ratios, not the seconds.

Machine: {machine}. {day}.
"""


def page(rows: dict[str, list[float]], runs: int, mib: int) -> str:
    figures = [
        (
            f"click → ready: a plain post of {mib} MiB over {CONNECTIONS} TLS connections, "
            "from no instance to the film in the files store",
            rows["click"],
            " s",
        ),
        (
            "the floor: a client that only receives and discards the same articles, as many connections",
            rows["floor"],
            " s",
        ),
        ("the floor ÷ click → ready (search and process start included)", rows["ratio"], ""),
    ]
    lines = ["| figure | value |", "|---|---|"]
    for name, values, unit in figures:
        spread = f"({min(values):.2f}–{max(values):.2f})"
        lines.append(f"| {name} | {statistics.median(values):.2f}{unit} {spread} |")
    day = f"{datetime.now(UTC):%d %B %Y}"
    return "\n".join([INTRODUCTION.format(runs=runs, machine=machine(), day=day), *lines, ""])


def machine() -> str:
    info = Path("/proc/cpuinfo")
    found = re.search(r"model name\s*:\s*(.+)", info.read_text()) if info.exists() else None
    processor = found[1] if found else platform.processor()
    return f"{os.cpu_count()} × {processor}, {platform.system()}, Python {platform.python_version()}"


if __name__ == "__main__":
    sys.exit(main())
