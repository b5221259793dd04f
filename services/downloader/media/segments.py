"""Packets of one segment made a fragment's samples: of the picture, and of sound that is copied."""

from collections.abc import Callable, Sequence
from fractions import Fraction
from itertools import pairwise

import msgspec

from .boxes import Sample
from .cuts import shown_at
from .opening import AnyPacket
from .reading import Window
from .sound import Grid

LEAD_MAX_SAMPLES = 4096
"""Sound that lies before the first picture is kept for this long: a codec's priming. The rest is dropped."""


class Piece(msgspec.Struct, frozen=True):
    """`begin` in the track's timescale, since the film's zero; negative for a codec's priming."""

    begin: int
    samples: list[Sample]


def picture_timescale(time_base: Fraction) -> int:
    """A timescale in which every tick is whole. Players like it finer than Matroska's milliseconds."""
    scale = time_base.denominator
    return scale * max(1, -(-10_000 // scale))


def picture_piece(
    window: Window, base: int, time_base: Fraction, payload: Callable[[AnyPacket], bytes]
) -> Piece:
    """Each picture is decoded at the time at which the one in its place, in order of showing, is shown: so
    a segment needs no times of decoding (Matroska has none), and segments follow each other without a gap."""
    scale = picture_timescale(time_base) * time_base
    times = [shown_at(packet) or 0 for packet in window.pictures]
    decoded = sorted(times)
    following = [shown_at(packet) or 0 for packet in window.following]
    durations = [after - before for before, after in pairwise(decoded)]
    usual = durations[-1] if durations else max(window.pictures[0].duration or 0, 1)
    durations.append(max(0, min(following) - decoded[-1]) if following else usual)
    samples = [
        Sample(int(duration * scale), payload(packet), packet.is_keyframe, int((time - decoded_at) * scale))
        for packet, time, decoded_at, duration in zip(window.pictures, times, decoded, durations, strict=True)
    ]
    return Piece(int((decoded[0] - base) * scale), samples)


def sound_piece(
    packets: Sequence[AnyPacket], grid: Grid, begin: int | None, end: int | None, lead: int
) -> Piece:
    """The packets whose times are in `begin` … `end` (in their time base; None: no bound there), but for what
    lies more than `lead` samples before the film's zero.

    Each lasts until the next one; one that is followed by nothing lasts as long as the one before it.
    """
    timed = [(shown_at(packet) or 0, packet) for packet in packets]
    placed = [(grid.place(time), time, packet) for time, packet in timed if begin is None or time >= begin]
    placed = [item for item in placed if item[0] >= -lead]
    ours = [item for item in placed if end is None or item[1] < end]
    if not ours:
        return Piece(0, [])
    places = [item[0] for item in placed[: len(ours) + 1]]
    durations = [max(0, after - before) for before, after in pairwise(places)]
    if len(durations) < len(ours):
        durations.append(grid.frame or (durations[-1] if durations else FALLBACK_FRAME))
    samples = [
        Sample(duration, bytes(packet)) for duration, (_, _, packet) in zip(durations, ours, strict=True)
    ]
    return Piece(places[0], samples)


FALLBACK_FRAME = 1024


def length_prefixed(stream: bytes) -> bytes:
    """NAL units after start codes (ITU-T H.264 annex B) as MP4 has them: each after its length."""
    units: list[bytes] = []
    at = stream.find(b"\0\0\1")
    while at >= 0:
        begin = at + 3
        at = stream.find(b"\0\0\1", begin)
        unit = stream[begin : at if at >= 0 else len(stream)].rstrip(b"\0")
        if unit:
            units.append(len(unit).to_bytes(4) + unit)
    return b"".join(units)
