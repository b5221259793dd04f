"""When a reel's claps are seen and heard, in seconds: decoded and looked for, by nothing of ours."""

from array import array
from collections.abc import Iterable, Iterator
from pathlib import Path

import av
from av.audio.resampler import AudioResampler
from av.container import InputContainer

from libs.sandbox.club import content

WHITE = 200
LOUD = 0.4
"""A beep is at 0.8 of what there is, a tone at 0.1."""


def claps_seen(film: Path) -> list[float]:
    with av.open(str(film), "r") as container:
        marked = (
            (frame.time or 0.0, _is_white(bytes(frame.reformat(width=16, height=9, format="gray").planes[0])))
            for frame in container.decode(video=0)
        )
        return list(_begins(marked))


def claps_heard(film: Path, number: int) -> list[float]:
    """Of its sound track of that number, counted from 0."""
    with av.open(str(film), "r") as container:
        return list(_begins(_loudness(container, number)))


def _loudness(container: InputContainer, number: int) -> Iterator[tuple[float, bool]]:
    """For each millisecond whether it is loud."""
    resampler = AudioResampler(format="flt", layout="mono", rate=content.SAMPLE_RATE_HZ)
    step = content.SAMPLE_RATE_HZ // 1000
    for frame in container.decode(audio=number):
        began_s = frame.time or 0.0
        samples = array("f")
        for piece in resampler.resample(frame):
            samples.frombytes(bytes(piece.planes[0])[: piece.samples * samples.itemsize])
        for at in range(0, len(samples), step):
            yield began_s + at / content.SAMPLE_RATE_HZ, max(map(abs, samples[at : at + step])) > LOUD


def _is_white(picture: bytes, width: int = 16) -> bool:
    """In the middle of its lower half, where a clap is."""
    line = len(picture) // 9
    middle = picture[4 * line + width // 2 : 4 * line + width // 2 + 4]
    return min(middle) > WHITE


def _begins(marked: Iterable[tuple[float, bool]]) -> Iterator[float]:
    """When something begins that lasts; the same clap is over after a second."""
    last_s = -content.CLAP_EVERY_S
    for time_s, is_marked in marked:
        if is_marked and time_s - last_s > content.CLAP_EVERY_S / 2:
            last_s = time_s
            yield time_s
