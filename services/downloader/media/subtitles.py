"""The subtitle tracks inside a film: WebVTT of any stretch of it, and whole tracks in their own forms.

Runs in the media process. A film is any seekable binary file. Tracks are numbered as `Text.number` is. Times
count from the first picture, as those of the presentation do. What comes out is bounded and harmless whatever
is inside (`libs.common.subtitles`).
"""

import math
from collections.abc import Collection, Iterator, Sequence
from contextlib import closing
from typing import BinaryIO, Final

import av
import msgspec
from av.container import InputContainer
from av.packet import Packet
from av.stream import Discard, Stream
from av.subtitles.stream import SubtitleStream
from av.video.stream import VideoStream

from libs.common.subtitles import ass
from libs.common.subtitles.cues import CUES_MAX, Cue, NoSubtitles, tidied, window
from libs.common.subtitles.decoding import FILE_BYTES_MAX, lenient
from libs.common.subtitles.markup import Marked, Style, from_subrip, from_webvtt
from libs.common.subtitles.webvtt import document as written
from services.downloader.errors import Unreadable

from . import pgs, timed_text
from .opening import codec_name, opened, picture_stream, translated

LOOK_BACK_S: Final = 5.0
"""A cue that began so long before a stretch is still found; one that shows for longer is missed by a seek."""
_INTERLEAVED_S: Final = 0.5
"""Muxers put a cue at most so far behind the pictures of its time."""
_PACKET_BYTES_MAX: Final = 64 << 10
"""Of one cue of text."""
_SUBRIP: Final = frozenset({"subrip", "srt", "text"})
_ASS: Final = frozenset({"ass", "ssa"})
_PGS: Final = frozenset({"hdmv_pgs_subtitle", "pgssub"})


class _Piece(msgspec.Struct, frozen=True):
    """One packet of one track."""

    number: int
    start_ms: int
    end_ms: int
    data: bytes


class _Track:
    """What is known of a track before its packets come."""

    def __init__(self, number: int, stream: SubtitleStream) -> None:
        self.number = number
        self.codec = codec_name(stream) or "unknown"
        self.language = stream.language
        self.header = lenient((stream.codec_context.extradata or b"")[:FILE_BYTES_MAX]) if self.is_ass else ""
        self._styles: dict[str, Style] = ass.styles(self.header) if self.is_ass else {}

    @property
    def is_ass(self) -> bool:
        return self.codec in _ASS

    @property
    def is_pictures(self) -> bool:
        return self.codec in _PGS

    def cue(self, piece: _Piece) -> Cue | None:
        if len(piece.data) > _PACKET_BYTES_MAX:
            return None
        if self.is_ass:
            text = lenient(piece.data, self.language)
            return ass.packet(text, piece.start_ms, piece.end_ms, self._styles)
        marked = self._marked(piece.data)
        if not marked.text:
            return None
        return Cue(start_ms=piece.start_ms, end_ms=piece.end_ms, text=marked.text, place=marked.place)

    def _marked(self, data: bytes) -> Marked:
        if self.codec == "mov_text":
            return timed_text.marked(data)
        text = lenient(data, self.language)
        return from_webvtt(text) if self.codec == "webvtt" else from_subrip(text)


def cues(film: BinaryIO, number: int, start_s: float = 0.0, end_s: float = math.inf) -> list[Cue]:
    """The cues of a text track that show in [start_s, end_s), tidied; reads only that stretch of the film.

    Raises NoSubtitles if there is no such track or it consists of pictures; Unreadable for a film that
    can't be read.
    """
    with closing(opened(film)) as container:
        track = _text_track(container, number)
        found = _cues(track, _pieces(container, [number], start_s, end_s))
    return tidied(found) if math.isinf(end_s) else window(found, round(start_s * 1000), round(end_s * 1000))


def segment(film: BinaryIO, number: int, start_s: float, duration_s: float) -> str:
    """`text-{number}-{n}.vtt`: a piece of the HLS rendition. The same text every time. Raises as `cues`."""
    return written(cues(film, number, start_s, start_s + duration_s), is_segment=True)


def document(film: BinaryIO, number: int) -> str:
    """`text-{number}.vtt`: the whole track, in one pass through the film. Raises as `cues`."""
    return written(cues(film, number))


def playlist(number: int, durations_s: Sequence[float]) -> str:
    """`text-{number}.m3u8`: the pieces, one for each segment of the presentation (RFC 8216 §4.3)."""
    longest_s = max(durations_s, default=1.0)
    lines = [
        "#EXTM3U",
        "#EXT-X-VERSION:7",
        f"#EXT-X-TARGETDURATION:{max(1, round(longest_s))}",
        "#EXT-X-PLAYLIST-TYPE:VOD",
    ]
    for place, duration_s in enumerate(durations_s):
        lines += [f"#EXTINF:{duration_s:.6f},", f"text-{number}-{place}.vtt"]
    return "\n".join([*lines, "#EXT-X-ENDLIST", ""])


def whole_playlist(number: int, duration_s: float) -> str:
    """`text-{number}.m3u8` of a text that is one document: a side file, or a ready film's track."""
    return playlist(number, [duration_s]).replace(f"text-{number}-0.vtt", f"text-{number}.vtt")


def files(film: BinaryIO, numbers: Collection[int]) -> Iterator[tuple[str, bytes]]:
    """All that is published of these tracks, in one pass: names, and bytes to append to what has the name.

    `text-k.vtt` for text, and `text-k.ass` beside it for ASS; `text-k.sup` for PGS, piece by piece as it is
    read. Tracks of other kinds, and those without a cue, have nothing. Raises Unreadable.
    """
    with closing(opened(film)) as container:
        tracks = {n: _Track(n, s) for n, s in enumerate(_streams(container)) if n in numbers}
        found: dict[int, list[_Piece]] = {}
        room = dict.fromkeys(tracks, FILE_BYTES_MAX) | {
            n: pgs.BYTES_MAX for n, track in tracks.items() if track.is_pictures
        }
        for piece in _pieces(container, tracks, 0.0, math.inf):
            room[piece.number] -= len(piece.data)
            if room[piece.number] < 0:
                continue
            if tracks[piece.number].is_pictures:
                yield f"text-{piece.number}.sup", pgs.framed(piece.data, piece.start_ms)
            else:
                found.setdefault(piece.number, []).append(piece)
    for number, pieces in found.items():
        track = tracks[number]
        if tidy := tidied(_cues(track, pieces)):
            yield f"text-{number}.vtt", written(tidy).encode()
        if track.is_ass:
            yield f"text-{number}.ass", _script(track, pieces).encode()


def script(film: BinaryIO, number: int, start_s: float = 0.0, end_s: float = math.inf) -> str:
    """An ASS track as a script, with the events of that stretch. Raises as `cues`, also if it isn't ASS."""
    with closing(opened(film)) as container:
        track = _text_track(container, number)
        if not track.is_ass:
            raise NoSubtitles(f"The film's subtitles {number + 1} are not ASS.")
        return _script(track, _bounded(_pieces(container, [number], start_s, end_s)))


def sup(film: BinaryIO, number: int, start_s: float = 0.0, end_s: float = math.inf) -> bytes:
    """The pictures of a PGS track in that stretch, as a `.sup` file. Raises NoSubtitles if it isn't PGS."""
    with closing(opened(film)) as container:
        if not _track(container, number).is_pictures:
            raise NoSubtitles(f"The film's subtitles {number + 1} are not PGS.")
        found = bytearray()
        for piece in _pieces(container, [number], start_s, end_s):
            if len(found) + len(piece.data) > pgs.BYTES_MAX:
                break
            found += pgs.framed(piece.data, piece.start_ms)
        return bytes(found)


def _streams(container: InputContainer) -> Sequence[SubtitleStream]:
    return container.streams.subtitles


def _track(container: InputContainer, number: int) -> _Track:
    streams = _streams(container)
    if not 0 <= number < len(streams):
        raise NoSubtitles(f"The film has no subtitles {number + 1}.")
    return _Track(number, streams[number])


def _text_track(container: InputContainer, number: int) -> _Track:
    track = _track(container, number)
    if not (track.is_ass or track.codec in _SUBRIP or track.codec in ("webvtt", "mov_text")):
        raise NoSubtitles(f"The film's subtitles {number + 1} are no text ({track.codec}).")
    return track


def _cues(track: _Track, pieces: "Iterator[_Piece] | Sequence[_Piece]") -> list[Cue]:
    return [cue for piece in _bounded(pieces) if (cue := track.cue(piece))]


def _bounded(pieces: "Iterator[_Piece] | Sequence[_Piece]") -> list[_Piece]:
    """What one track may be: so many bytes, and so many events before they are joined."""
    found: list[_Piece] = []
    room = FILE_BYTES_MAX
    for piece in pieces:
        room -= len(piece.data)
        if room < 0 or len(found) == 3 * CUES_MAX:
            break
        found.append(piece)
    return found


def _script(track: _Track, pieces: Sequence[_Piece]) -> str:
    lines = (
        ass.dialogue(lenient(piece.data, track.language), piece.start_ms, piece.end_ms) for piece in pieces
    )
    events = [line for _, line in sorted(line for line in lines if line)]
    header = track.header.replace("\0", "").rstrip()
    if "[events]" not in header.lower():
        header += f"\n\n[Events]\n{ass.EVENTS_FORMAT}"
    return "\n".join([header, *events, ""])


def _pieces(
    container: InputContainer, numbers: Collection[int], start_s: float, end_s: float
) -> Iterator[_Piece]:
    """The packets of these tracks from LOOK_BACK_S before the stretch to its end, in the film's order."""
    by_index = {stream.index: n for n, stream in enumerate(_streams(container)) if n in numbers}
    clock = _clock(container, end_s)
    for stream in container.streams:
        if stream.index not in by_index and stream is not clock:
            stream.discard = Discard.all
    origin_s = _origin_s(container)
    if start_s > LOOK_BACK_S:
        with translated("Seeking in the film"):
            container.seek(int((start_s - LOOK_BACK_S + origin_s) * av.time_base))
    for packet in _packets(container):
        at_s = _at_s(packet)
        if at_s is None:
            continue
        at_s -= origin_s
        if packet.stream_index in by_index:
            if at_s < end_s and packet.size:
                yield _piece(by_index[packet.stream_index], packet, at_s)
        elif at_s > end_s + _INTERLEAVED_S:
            break
        if at_s > end_s and clock is None:
            break


def _packets(container: InputContainer) -> Iterator["Packet[Stream]"]:
    with translated("Reading the film's subtitles"):
        yield from container.demux()


def _piece(number: int, packet: "Packet[Stream]", at_s: float) -> _Piece:
    start_ms = round(at_s * 1000)
    lasts_ms = round(float((packet.duration or 0) * packet.time_base) * 1000)
    return _Piece(number, start_ms, start_ms + max(lasts_ms, 0), bytes(packet))


def _clock(container: InputContainer, end_s: float) -> Stream | None:
    """The track that tells how far a stretch was read, if it has an end: cues come seldom.

    MP4 knows where each sample lies, so that the cues are read without the pictures between them.
    """
    if math.isinf(end_s) or "mp4" in container.format.name:
        return None
    return _picture(container) or next(iter(container.streams.audio), None)


def _origin_s(container: InputContainer) -> float:
    """When the first picture is shown, or whatever comes first in a film without pictures."""
    stream = _picture(container)
    if stream is not None and stream.start_time is not None and stream.time_base is not None:
        return float(stream.start_time * stream.time_base)
    # libav types it as a number, and gives None for a container that doesn't say.
    return (container.start_time or 0) / av.time_base


def _picture(container: InputContainer) -> VideoStream | None:
    try:
        return picture_stream(container)
    except Unreadable:
        return None


def _at_s(packet: "Packet[Stream]") -> float | None:
    at = packet.pts if packet.dts is None else packet.dts
    return None if at is None else float(at * packet.time_base)
