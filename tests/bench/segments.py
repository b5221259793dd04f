"""How fast the prepared form is made of a film that lies in memory; as a program, one film's figures as JSON.

A process of its own for each film, so that its memory can be told.
"""

import json
import random
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import quantiles

import msgspec

from services.downloader.media.presentation import Presentation, open_presentation

from .feature import make_feature
from .figures import Row
from .runs import Bench

MINUTES = 3
SEGMENTS = 40
MIB = 1 << 20


class Speed(msgspec.Struct, frozen=True, kw_only=True):
    """`segments_s`: one at a time, at random. `sound_ratio`: seconds of sound made in a second."""

    open_s: float
    segments_s: list[float]
    sound_ratio: float
    packaged_bytes_per_s: float
    peak_bytes: int


def segments(bench: Bench) -> Iterator[Row]:
    """From a film's bytes to what a player asks for."""
    converted, copied = _measured(bench, "ac3"), _measured(bench, "aac")
    yield Row("a film's tables read, 3 minutes of 1080p", [converted.open_s, copied.open_s], " s")
    yield Row(
        "a segment of the picture, 6 MB, any of it",
        [s * 1000 for s in converted.segments_s],
        " ms",
        at_most=60,
    )
    yield Row("the same, 95 of 100", [quantiles(converted.segments_s, n=20)[-1] * 1000], " ms")
    yield Row("AC-3 5.1 → AAC, times as fast as it plays", [converted.sound_ratio])
    yield Row(
        "packaging, picture and sound copied", [copied.packaged_bytes_per_s / 1e6], " MB/s", at_least=300
    )
    yield Row("peak memory while packaging", [copied.peak_bytes / MIB, converted.peak_bytes / MIB], " MiB")


def _measured(bench: Bench, sound: str) -> Speed:
    film = bench.work / f"feature-{sound}.mkv"
    make_feature(film, MINUTES, "ac3" if sound == "ac3" else "aac")
    done = subprocess.run(
        [sys.executable, "-m", __name__, film], capture_output=True, check=True, text=True, timeout=300
    )
    film.unlink()
    return msgspec.json.decode(done.stdout, type=Speed)


def main(path: Path) -> None:
    path.read_bytes()
    with path.open("rb") as film:
        started = time.perf_counter()
        presentation = open_presentation(film)
        open_s = time.perf_counter() - started
        order = random.Random(1).sample(range(presentation.segments), min(SEGMENTS, presentation.segments))
        segments_s = [_timed(presentation, "video", [number]) for number in order]
        renditions = [rendition.name for rendition in presentation.renditions]
        presentation.close()
    with path.open("rb") as film:
        presentation = open_presentation(film)
        sound_s = _timed(presentation, renditions[1], range(min(SEGMENTS, presentation.segments)))
        heard_s = sum(presentation.durations_s[:SEGMENTS])
        presentation.close()
    with path.open("rb") as film:
        presentation = open_presentation(film)
        started = time.perf_counter()
        for number in range(presentation.segments):
            for name in renditions:
                presentation.segment(name, number)
        packaged_s = time.perf_counter() - started
    speed = {
        "open_s": open_s,
        "segments_s": segments_s,
        "sound_ratio": heard_s / sound_s,
        "packaged_bytes_per_s": path.stat().st_size / packaged_s,
        "peak_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
    }
    sys.stdout.write(json.dumps(speed))


def _timed(presentation: Presentation, name: str, numbers: "list[int] | range") -> float:
    started = time.perf_counter()
    for number in numbers:
        presentation.segment(name, number)
    return time.perf_counter() - started


if __name__ == "__main__":
    main(Path(sys.argv[1]))
