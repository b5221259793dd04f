"""Films that are broken, or made to break whoever reads them: each a function of a good one."""

import random
import struct
from collections.abc import Callable, Mapping
from fractions import Fraction
from io import BytesIO

import av
from av import AudioFrame

MANY_STREAMS = 100
ABSURD_PX = 0x7FFF_FFFF
HEADER_BYTES = 4096
NESTED_BOXES = 5000

Spoiling = Callable[[bytes], bytes]


def _cut(share: float) -> Spoiling:
    return lambda film: film[: int(len(film) * share)]


def _fuzzed(seed: int, first: int, last: int, places: int) -> Spoiling:
    """So many bytes between two places become others."""

    def spoil(film: bytes) -> bytes:
        chance, broken = random.Random(seed), bytearray(film)
        for _ in range(places):
            broken[chance.randrange(first, min(last, len(broken)))] = chance.randrange(256)
        return bytes(broken)

    return spoil


def _resized(film: bytes) -> bytes:
    """The picture's width and height in a Matroska track are as large as a number can be."""
    for name, old in ((b"\xb0", 640), (b"\xba", 360)):
        element = name + b"\x82" + struct.pack(">H", old)
        assert element in film, "the film is no MKV of 640 × 360"
        wide = name + b"\x84" + struct.pack(">I", ABSURD_PX)
        # What grows by two bytes is taken from a Void behind it; without one the track is just broken.
        film = film.replace(element, wide, 1)
    return film


def _resized_mp4(film: bytes) -> bytes:
    """The same of an MP4's sample entry and track header."""
    broken = film.replace(struct.pack(">HH", 640, 360), b"\xff\xff\xff\xff")
    assert broken != film, "the film is no MP4 of 640 × 360"
    return broken.replace(struct.pack(">II", 640 << 16, 360 << 16), b"\x7f\xff\xff\xff" * 2)


def _counting(name: bytes) -> Spoiling:
    """A table of an MP4 claims four thousand million entries."""

    def spoil(film: bytes) -> bytes:
        at = film.index(name) + 8
        return film[:at] + b"\xff\xff\xff\xff" + film[at + 4 :]

    return spoil


def _nested(film: bytes) -> bytes:
    """Boxes in boxes in boxes, in front of the film's own index."""
    boxes = b""
    for _ in range(NESTED_BOXES):
        boxes = struct.pack(">I4s", len(boxes) + 8, b"moov") + boxes
    return film[:32] + boxes + film[32:]


def _endless(film: bytes) -> bytes:
    """A cluster that claims to have 2^56 bytes, in front of the others."""
    at = film.index(b"\x1f\x43\xb6\x75")
    return film[:at] + b"\x1f\x43\xb6\x75\x01" + b"\xff" * 6 + b"\xfe" + film[at:]


def _crowd(_: bytes) -> bytes:
    """A hundred tracks of sound and no picture."""
    target = BytesIO()
    with av.open(target, "w", format="matroska") as container:
        streams = [container.add_stream("pcm_s16le", rate=8000, layout="mono") for _ in range(MANY_STREAMS)]
        for at in range(0, 8000, 800):
            for stream in streams:
                frame = AudioFrame(format="s16", layout="mono", samples=800)
                frame.planes[0].update(bytes(frame.planes[0].buffer_size))
                frame.sample_rate, frame.pts, frame.time_base = 8000, at, Fraction(1, 8000)
                container.mux(stream.encode(frame))
    return target.getvalue()


MKVS: Mapping[str, Spoiling] = {
    "only its first bytes": lambda film: film[:64],
    "half of its header": lambda film: film[:300],
    "cut at a third": _cut(1 / 3),
    "cut near its end": _cut(0.98),
    **{f"header fuzzed, {seed}": _fuzzed(seed, 40, HEADER_BYTES, 60) for seed in range(4)},
    **{f"fuzzed all over, {seed}": _fuzzed(seed, 40, 1 << 30, 3000) for seed in range(2)},
    "absurd dimensions": _resized,
    "a cluster without end": _endless,
    "a hundred streams": _crowd,
    "zeros": lambda film: film[:64] + bytes(len(film)),
}
"""Made of an MKV of 640 × 360."""

MP4S: Mapping[str, Spoiling] = {
    "cut in its index": lambda film: film[:3000],
    "cut at a third": _cut(1 / 3),
    **{f"header fuzzed, {seed}": _fuzzed(seed, 32, HEADER_BYTES, 60) for seed in range(4)},
    "absurd dimensions": _resized_mp4,
    "endless table of sizes": _counting(b"stsz"),
    "endless table of times": _counting(b"stts"),
    "endless table of places": _counting(b"stco"),
    "boxes in boxes": _nested,
}
"""Made of a faststart MP4 of 640 × 360."""
