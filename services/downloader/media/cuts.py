"""Where a film is cut: its key pictures' times, from its own index or by reading it through once."""

from collections.abc import Iterator
from fractions import Fraction
from itertools import pairwise
from typing import Final, cast

import msgspec
from av.container import InputContainer
from av.error import FFmpegError
from av.video.stream import VideoStream

from services.downloader.errors import Unreadable

from .opening import AnyPacket, translated

SEGMENT_S = 6
"""A segment ends at the first key picture that lies this far from its beginning."""
INDEX_GAP_MAX_S = 20
"""An index with wider holes than this is taken for one that was never finished."""
SEGMENT_MAX_S = 60
"""What one segment may last: it is held in memory, and nobody waits longer for a seek."""
KEYS_MAX = 500_000
HEAD_PICTURES, HEAD_PICTURES_MAX = 16, 64
"""How many pictures are read to know where the film begins; how many to meet every sound's first packet."""
_INDEXED: Final = ("matroska", "mov", "avi", "flv")
_BY_DECODING: Final = ("mov", "avi")
_BY_BYTES: Final = ("mpegts", "mpeg")


class Cuts(msgspec.Struct, frozen=True, kw_only=True):
    """All times in ticks of the picture's time base.

    `keys` are every key picture's times as the index says them, rising; `begins` are those where segments
    begin, as places in `keys`; `offset` is what must be added to a key's time for its time of showing.
    """

    keys: tuple[int, ...]
    positions: tuple[int, ...]
    """Byte places of `keys`; empty where a seek goes by time."""
    begins: tuple[int, ...]
    is_by_decoding: bool
    offset: int
    base: int
    """The first picture's time of showing: the film's zero."""
    end: int

    def key(self, number: int) -> int:
        return self.keys[self.begins[number]]

    def shown(self, number: int) -> int:
        """When segment `number` begins; for the one after the last, when the film ends."""
        return self.end if number == len(self.begins) else self.key(number) + self.offset

    def time_of(self, packet: AnyPacket) -> int | None:
        """The packet's time, to be compared with `keys`."""
        return packet.dts if self.is_by_decoding else shown_at(packet)


def shown_at(packet: AnyPacket) -> int | None:
    return packet.dts if packet.pts is None else packet.pts


class Head(msgspec.Struct, frozen=True):
    """What the first packets say: the film's zero, and how far a key picture is shown after it is decoded."""

    base: int
    offset: int
    sounds: dict[int, list[int]]
    """By the stream's index: the times of its first packets, in its own time base."""


def read_head(container: InputContainer, picture: VideoStream) -> Head:
    """Reads the first pictures; the container is at its beginning. Raises Unreadable if there are none."""
    shown: list[int] = []
    offset = 0
    sounds: dict[int, list[int]] = {}
    streams = container.streams.audio
    for packet in cast(Iterator[AnyPacket], container.demux(picture, *streams)):
        time = shown_at(packet)
        if time is None or not packet.size:
            continue
        if packet.stream_index != picture.index:
            sounds.setdefault(packet.stream_index, []).append(time)
        elif shown or packet.is_keyframe:
            if not shown and packet.dts is not None:
                offset = time - packet.dts
            shown.append(time)
        if len(shown) >= (HEAD_PICTURES if len(sounds) == len(streams) else HEAD_PICTURES_MAX):
            break
    if not shown:
        raise Unreadable("The film's picture has no beginning. Another release may be whole.")
    return Head(min(shown[:HEAD_PICTURES]), offset, sounds)


class NeedsReading(Unreadable):
    """The film's index is missing: it can be cut only once all of it has been read."""


def cuts_of(container: InputContainer, picture: VideoStream, head: Head, *, may_read_all: bool) -> Cuts:
    """The film's cuts; the container stands anywhere afterwards. Raises Unreadable, NeedsReading."""
    time_base = picture.time_base or Fraction(1, 1000)
    end = _end(container, time_base)
    is_by_decoding = container.format.name.startswith(_BY_DECODING)
    keys = _index(container, picture)
    if not keys or end <= keys[0] or _widest(keys, max(end, keys[-1])) > INDEX_GAP_MAX_S / time_base:
        return _read_through(container, picture, head, may_read_all)
    offset = head.offset if is_by_decoding else 0
    last = keys[-1] + offset
    end = min(max(end, last + 1), last + int(SEGMENT_MAX_S / time_base))
    return Cuts(
        keys=tuple(keys),
        positions=(),
        begins=_begins(keys, time_base),
        is_by_decoding=is_by_decoding,
        offset=offset,
        base=head.base,
        end=end,
    )


def _end(container: InputContainer, time_base: Fraction) -> int:
    """When the film ends by its container's clock; 0 if it doesn't say."""
    begin_us, duration_us = container.start_time or 0, container.duration or 0
    # Matroska's duration counts from the clock's zero, others' from the first packet.
    is_clock = not duration_us or container.format.name.startswith("matroska")
    return int(Fraction(duration_us if is_clock else begin_us + duration_us, 1_000_000) / time_base)


def _index(container: InputContainer, picture: VideoStream) -> list[int]:
    if not container.format.name.startswith(_INDEXED):
        return []
    try:
        # Matroska's Cues are read at the first seek.
        container.seek(1_000_000)
    except FFmpegError:
        return []
    entries = picture.index_entries
    if len(entries) > 8 * KEYS_MAX:
        raise Unreadable("The film's index is too long. Another release may be whole.")
    keys = sorted({entry.timestamp for entry in entries if entry.is_keyframe and not entry.is_discard})
    return keys[:KEYS_MAX]


def _widest(keys: list[int], end: int) -> int:
    return max(after - before for before, after in pairwise([*keys, end]))


def _begins(keys: list[int], time_base: Fraction) -> tuple[int, ...]:
    begins, least = [0], int(SEGMENT_S / time_base)
    for place, key in enumerate(keys):
        if key >= keys[begins[-1]] + least:
            begins.append(place)
    return tuple(begins)


def _read_through(container: InputContainer, picture: VideoStream, head: Head, may_read_all: bool) -> Cuts:
    if not may_read_all:
        raise NeedsReading("The film has no index: it can be prepared once all of it is here.")
    time_base = picture.time_base or Fraction(1, 1000)
    found: dict[int, int] = {}
    end = head.base + 1
    with translated("Reading the film through"):
        container.seek(0)
        for packet in container.demux(picture):
            time = shown_at(packet)
            if time is None or not packet.size:
                continue
            end = max(end, time + max(packet.duration or 0, 1))
            if packet.is_keyframe and len(found) < KEYS_MAX:
                found.setdefault(time, packet.pos if packet.pos is not None else -1)
    keys = sorted(time for time in found if time >= head.base)
    if not keys or _widest(keys, end) > SEGMENT_MAX_S / time_base:
        raise Unreadable("The film's key pictures lie too far apart for it to be cut.")
    by_bytes = container.format.name.startswith(_BY_BYTES) and min(found.values()) >= 0
    return Cuts(
        keys=tuple(keys),
        positions=tuple(found[key] for key in keys) if by_bytes else (),
        begins=_begins(keys, time_base),
        is_by_decoding=False,
        offset=0,
        base=head.base,
        end=end,
    )
