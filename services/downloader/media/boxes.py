"""MP4 boxes (ISO/IEC 14496-12): read those that a muxer wrote, write those of a fragmented film."""

import struct
from collections.abc import Iterator, Sequence
from os import SEEK_END
from typing import BinaryIO, Literal

import msgspec

MOVIE_TIMESCALE = 1000
TOP_LEVEL_MAX = 64
"""A film has some five boxes at its top; one in fragments is known as such by its first moof."""
LATE_MAX_S = 0.1
"""Encoders let a sound begin some hundredths of a second late; nobody sees or hears that."""
_UNITY_MATRIX = struct.pack(">9i", 0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000)
_SYNC, _NOT_SYNC = 0x02000000, 0x01010000
"""Sample flags, §8.8.3.1: depends on no other; depends on others and is no place to begin."""


class TrackHeader(msgspec.Struct, frozen=True, kw_only=True):
    """What `moov` says about one track. `entry` is a whole `stsd` box; `lead` the time, in `timescale`, that
    its first sample lies before the film's beginning: an edit list hides it."""

    track_id: int
    handler: Literal["vide", "soun"]
    timescale: int
    entry: bytes
    matrix: bytes = _UNITY_MATRIX
    width_16_16: int = 0
    height_16_16: int = 0
    language: str | None = None
    lead: int = 0


class Sample(msgspec.Struct, frozen=True):
    """One picture or frame of sound. `offset` is its time of showing less its time of decoding."""

    duration: int
    payload: bytes
    is_key: bool = True
    offset: int = 0


def box(kind: bytes, *parts: bytes) -> bytes:
    return b"".join((struct.pack(">I", 8 + sum(map(len, parts))), kind, *parts))


def full_box(kind: bytes, version: int, flags: int, *parts: bytes) -> bytes:
    return box(kind, struct.pack(">I", version << 24 | flags), *parts)


def children(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Kind and body of each box in `data`; ends at the first that can't be one."""
    at = 0
    while at + 8 <= len(data):
        size, kind = struct.unpack_from(">I4s", data, at)
        if size < 8 or at + size > len(data):
            return
        yield kind, data[at + 8 : at + size]
        at += size


def descend(data: bytes, *path: bytes) -> bytes | None:
    """The body of the first box at `path`."""
    for kind in path:
        found = next((body for name, body in children(data) if name == kind), None)
        if found is None:
            return None
        data = found
    return data


def is_faststart(film: BinaryIO) -> bool:
    """Whether an MP4 plays from its beginning: its index lies before its pictures, the film is not one in
    fragments, and all of its tracks begin at once (of one that begins late Firefox shows a wrong length)."""
    size_bytes = film.seek(0, SEEK_END)
    for kind, start, end in _boxes_in(film, 0, size_bytes):
        if kind == b"moov":
            inside = list(_boxes_in(film, start, end))
            return all(kind != b"mvex" for kind, *_ in inside) and _latest_s(film, inside) <= LATE_MAX_S
        if kind in (b"mdat", b"moof"):
            return False
    return False


_Place = tuple[bytes, int, int]
"""A box's kind, and where in the film its body begins and ends."""


def _boxes_in(film: BinaryIO, at: int, end: int) -> Iterator[_Place]:
    """The first TOP_LEVEL_MAX boxes there; ends at the first that can't be one."""
    for _ in range(TOP_LEVEL_MAX):
        film.seek(at)
        head = film.read(16)
        if at + 8 > end or len(head) < 8:
            return
        size, kind = struct.unpack_from(">I4s", head)
        is_wide = size == 1 and len(head) == 16
        if is_wide:
            size = struct.unpack_from(">Q", head, 8)[0]
        if size < 8:
            return
        yield kind, at + (16 if is_wide else 8), at + size
        at += size


def _latest_s(film: BinaryIO, movie: Sequence[_Place]) -> float:
    """How late a track of this `moov` begins, by the empty beginnings of edit lists (§8.6.6)."""
    header = next((_body(film, place) for place in movie if place[0] == b"mvhd"), b"")
    timescale_at = 20 if header[:1] == b"\1" else 12
    if len(header) < timescale_at + 4:
        return 0.0
    timescale = struct.unpack_from(">I", header, timescale_at)[0]
    edits = [
        _body(film, edit)
        for _, start, end in (place for place in movie if place[0] == b"trak")
        for _, first, last in (place for place in _boxes_in(film, start, end) if place[0] == b"edts")
        for edit in _boxes_in(film, first, last)
    ]
    return max(map(_empty_ticks, edits), default=0) / (timescale or 1)


def _body(film: BinaryIO, place: _Place) -> bytes:
    """Its beginning: enough for a header, and the first edits of a list."""
    _, start, end = place
    film.seek(start)
    return film.read(min(end - start, 128))


def _empty_ticks(edits: bytes) -> int:
    """How long an `elst` says that nothing is shown at the beginning."""
    entry = struct.Struct(">Qq4x" if edits[:1] == b"\1" else ">Ii4x")
    total = 0
    for at in range(8, len(edits) - entry.size + 1, entry.size):
        duration, media_time = entry.unpack_from(edits, at)
        if media_time != -1:
            break
        total += duration
    return total


FILE_TYPE = box(b"ftyp", b"iso6", struct.pack(">I", 0), b"iso6", b"cmfc", b"mp41")


def movie(tracks: Sequence[TrackHeader], duration_s: float) -> bytes:
    """`moov` of a film in fragments: every track, and how long the film will be."""
    duration = round(duration_s * MOVIE_TIMESCALE)
    header = struct.pack(">IIIIIH10x", 0, 0, MOVIE_TIMESCALE, 0, 0x10000, 0x100)
    following = struct.pack(">24xI", max(track.track_id for track in tracks) + 1)
    extends = [full_box(b"trex", 0, 0, struct.pack(">5I", track.track_id, 1, 0, 0, 0)) for track in tracks]
    return box(
        b"moov",
        full_box(b"mvhd", 0, 0, header, _UNITY_MATRIX, following),
        *map(_track, tracks),
        box(b"mvex", full_box(b"mehd", 1, 0, struct.pack(">Q", duration)), *extends),
    )


def _track(track: TrackHeader) -> bytes:
    volume = 0x100 if track.handler == "soun" else 0
    place = struct.pack(">IIIII8xHHHH", 0, 0, track.track_id, 0, 0, 0, 0, volume, 0)
    size = struct.pack(">II", track.width_16_16, track.height_16_16)
    parts = [full_box(b"tkhd", 0, 3, place, track.matrix, size)]
    if track.lead:
        edit = struct.pack(">IIiHH", 1, 0, track.lead, 1, 0)
        parts.append(box(b"edts", full_box(b"elst", 0, 0, edit)))
    return box(b"trak", *parts, _track_media(track))


def _track_media(track: TrackHeader) -> bytes:
    if track.handler == "vide":
        name, kind_header = b"Picture\0", full_box(b"vmhd", 0, 1, bytes(8))
    else:
        name, kind_header = b"Sound\0", full_box(b"smhd", 0, 0, bytes(4))
    reference = full_box(b"dref", 0, 0, struct.pack(">I", 1), full_box(b"url ", 0, 1))
    tables = [full_box(kind, 0, 0, bytes(size)) for kind, size in _EMPTY_TABLES]
    times = struct.pack(">IIIIHH", 0, 0, track.timescale, 0, _packed_language(track.language), 0)
    handler = struct.pack(">4x4s12x", track.handler.encode())
    return box(
        b"mdia",
        full_box(b"mdhd", 0, 0, times),
        full_box(b"hdlr", 0, 0, handler, name),
        box(b"minf", kind_header, box(b"dinf", reference), box(b"stbl", track.entry, *tables)),
    )


_EMPTY_TABLES = ((b"stts", 4), (b"stsc", 4), (b"stsz", 8), (b"stco", 4))


def _packed_language(language: str | None) -> int:
    letters = language if language and len(language) == 3 and language.isascii() else "und"
    first, second, third = (ord(letter) & 0x1F for letter in letters.lower())
    return first << 10 | second << 5 | third


def fragment(track_id: int, sequence: int, begin: int, samples: Sequence[Sample]) -> bytes:
    """`moof` and `mdat` of one track; `begin` is when its first sample is decoded, in the track's timescale.

    Without samples it is a valid fragment of nothing.
    """
    table = struct.Struct(">IIIi")
    rows = [
        table.pack(item.duration, len(item.payload), _SYNC if item.is_key else _NOT_SYNC, item.offset)
        for item in samples
    ]
    header = full_box(b"mfhd", 0, 0, struct.pack(">I", sequence))
    place = full_box(b"tfhd", 0, 0x020000, struct.pack(">I", track_id))
    time = full_box(b"tfdt", 1, 0, struct.pack(">Q", begin))
    # moof, mfhd, traf, tfhd and tfdt have 8 + 16 + 8 + 16 + 20 bytes, trun 20 before its rows, mdat's head 8.
    data_offset = 68 + 20 + table.size * len(rows) + 8
    run = full_box(b"trun", 1, 0x000F01, struct.pack(">Ii", len(rows), data_offset), *rows)
    payloads = [item.payload for item in samples]
    data_head = struct.pack(">I4s", 8 + sum(map(len, payloads)), b"mdat")
    return b"".join((box(b"moof", header, box(b"traf", place, time, run)), data_head, *payloads))
