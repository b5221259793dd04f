"""The subtitle tracks inside a film: WebVTT of any stretch, and what all of them say stretch by stretch.

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

from . import timed_text
from .opening import codec_name, opened, picture_stream, translated
from .text_files import TextStretch

LOOK_BACK_S: Final = 5.0
"""A cue that began so long before a stretch is still found; one that shows for longer is missed by a seek."""
_INTERLEAVED_S: Final = 0.5
"""Muxers put a cue at most so far behind the pictures of its time."""
_PACKET_BYTES_MAX: Final = 64 << 10
"""Of one cue of text."""
_SUBRIP: Final = frozenset({"subrip", "srt", "text"})
_ASS: Final = frozenset({"ass", "ssa"})


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
    def is_text(self) -> bool:
        return self.is_ass or self.codec in _SUBRIP or self.codec in ("webvtt", "mov_text")

    def stretch(self, pieces: "Sequence[_Piece]", *, is_first: bool) -> TextStretch:
        events = (self.event(piece) for piece in pieces if self.is_ass)
        return TextStretch(
            number=self.number,
            cues=tuple(cue for piece in pieces if (cue := self.cue(piece))),
            head=self.header if is_first else "",
            events=tuple(event for event in events if event),
        )

    def event(self, piece: _Piece) -> tuple[int, str] | None:
        """As a line of a script, with its place in it."""
        return ass.dialogue(lenient(piece.data, self.language), piece.start_ms, piece.end_ms)

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


def stretches(
    film: BinaryIO, numbers: Collection[int], start_s: float = 0.0, end_s: float = math.inf
) -> list[TextStretch]:
    """What begins in [start_s, end_s) of these tracks; those that are no text are passed over.

    All stretches of a film together are the whole of each text, once. Raises Unreadable.
    """
    with closing(opened(film)) as container:
        tracks = {n: _Track(n, s) for n, s in enumerate(_streams(container)) if n in numbers}
        tracks = {n: track for n, track in tracks.items() if track.is_text}
        if not tracks:
            return []
        found: dict[int, list[_Piece]] = {n: [] for n in tracks}
        start_ms = round(start_s * 1000) if start_s else -math.inf
        end_ms = end_s if math.isinf(end_s) else round(end_s * 1000)
        for piece in _pieces(container, tracks, start_s, end_s, look_back_s=_INTERLEAVED_S):
            if start_ms <= piece.start_ms < end_ms:
                found[piece.number].append(piece)
    return [tracks[n].stretch(_bounded(pieces), is_first=start_s == 0.0) for n, pieces in found.items()]


def _streams(container: InputContainer) -> Sequence[SubtitleStream]:
    return container.streams.subtitles


def _track(container: InputContainer, number: int) -> _Track:
    streams = _streams(container)
    if not 0 <= number < len(streams):
        raise NoSubtitles(f"The film has no subtitles {number + 1}.")
    return _Track(number, streams[number])


def _text_track(container: InputContainer, number: int) -> _Track:
    track = _track(container, number)
    if not track.is_text:
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


def _pieces(
    container: InputContainer,
    numbers: Collection[int],
    start_s: float,
    end_s: float,
    look_back_s: float = LOOK_BACK_S,
) -> Iterator[_Piece]:
    """The packets of these tracks from `look_back_s` before the stretch to its end, in the film's order."""
    by_index = {stream.index: n for n, stream in enumerate(_streams(container)) if n in numbers}
    clock = _clock(container, end_s)
    for stream in container.streams:
        if stream.index not in by_index and stream is not clock:
            stream.discard = Discard.all
    origin_s = _origin_s(container)
    if start_s > look_back_s:
        with translated("Seeking in the film"):
            container.seek(int((start_s - look_back_s + origin_s) * av.time_base))
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
