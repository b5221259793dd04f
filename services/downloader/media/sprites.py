"""Seek previews: small pictures of a film in sheets, and a WebVTT document that says which shows when.

Runs in the media process. A sheet has 10 x 10 pictures and is made of strips of one row, each a pure
function of the film: a sheet can be made row by row, as the film comes in, and go on after a stop.
Sheet 0 is coarse (at most 100 pictures of the whole film); the fine ones (one for every 10 s) follow it.
"""

from collections.abc import Collection, Iterator, Sequence
from contextlib import closing
from fractions import Fraction
from math import ceil
from typing import BinaryIO, Final, cast

import msgspec
from av.buffer import Buffer
from av.container import InputContainer
from av.error import FFmpegError
from av.stream import Discard
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange, ColorTrc, Interpolation
from av.video.stream import VideoStream

from libs.common.subtitles.cues import Cue
from libs.common.subtitles.webvtt import document

from . import tones
from .opening import codec_name, opened, picture_stream

COLUMNS: Final = 10
ROWS: Final = 10
WIDTH: Final = 320
HEIGHT_MIN, HEIGHT_MAX = 90, 640
COARSE_S: Final = 30.0
FINE_S: Final = 10.0
SHEETS_MAX: Final = 60
"""Fine ones; 16 h at 10 s. A longer film has its pictures further apart."""
PIXELS_MAX: Final = 8192 * 4352
"""Of a film's picture: nothing larger is decoded. Its frames take 4 bytes a pixel at most, some at a time."""
_PACKETS_MAX: Final = 400
"""Read for one picture: a film without keyframes has no previews."""
_QUANTIZER: Final = 5
"""Of 2 (large) to 31: some 5 KB a picture."""
_GRAY: Final = 128


class NoPreviews(ValueError):
    """The film's pictures can't be shown small; the text is a sentence for a person."""


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """Which pictures there are. `height` is even, and `width` is WIDTH."""

    duration_s: float
    height: int
    coarse_s: float
    fine_s: float

    @property
    def sheets(self) -> int:
        """With the coarse one, number 0."""
        return 1 + ceil(ceil(self.duration_s / self.fine_s) / (COLUMNS * ROWS))

    def times(self, sheet: int) -> list[float]:
        """When the sheet's pictures begin to show, in s."""
        every_s, first = (self.coarse_s, 0) if sheet == 0 else (self.fine_s, (sheet - 1) * COLUMNS * ROWS)
        count = ceil(self.duration_s / every_s)
        return [place * every_s for place in range(first, min(count, first + COLUMNS * ROWS))]

    def beside_fine(self, start_s: float, end_s: float, sheets: Collection[int]) -> tuple[float, float]:
        """What of a stretch is not in the fine ones of these sheets; a sheet is longer than any stretch."""
        covers_s = self.fine_s * COLUMNS * ROWS
        first, last = 1 + int(start_s / covers_s), 1 + int(end_s / covers_s)
        if first in sheets:
            start_s = first * covers_s
        if last != first and last in sheets:
            end_s = (last - 1) * covers_s
        return start_s, end_s

    def rows(self, sheet: int) -> int:
        return ceil(len(self.times(sheet)) / COLUMNS)


def plan(duration_s: float, width: int, height: int) -> Plan:
    """For a film whose picture has this shape (as shown). Raises NoPreviews for an absurd one."""
    if not (0 < duration_s < 100 * 3600 and width > 0 and height > 0) or width * height > PIXELS_MAX:
        raise NoPreviews(
            f"No previews are made of a picture of {width}x{height} that lasts {duration_s:.0f} s."
        )
    tall = round(WIDTH * height / width / 2) * 2
    return Plan(
        duration_s=duration_s,
        height=min(max(tall, HEIGHT_MIN), HEIGHT_MAX),
        coarse_s=max(COARSE_S, ceil(duration_s / (COLUMNS * ROWS))),
        fine_s=max(FINE_S, ceil(duration_s / (SHEETS_MAX * COLUMNS * ROWS))),
    )


def sheet(film: BinaryIO, how: Plan, number: int) -> bytes:
    """`sprites-{number}.jpg`, in one go. Raises NoPreviews; Unreadable for a film that can't be read."""
    return joined(how, [strip(film, how, number, row) for row in range(how.rows(number))])


def strip(film: BinaryIO, how: Plan, number: int, row: int) -> bytes:
    """A row of a sheet, for `joined`; a picture that can't be had is as the one before. Raises as `sheet`."""
    times = how.times(number)[row * COLUMNS : (row + 1) * COLUMNS]
    if not times:
        raise NoPreviews(f"The previews have no row {row} of sheet {number}.")
    canvas = _Canvas(how.height)
    with closing(opened(film)) as container:
        stream = _picture(container)
        for column, picture in enumerate(_pictures(container, stream, times, how.height)):
            canvas.put(column, picture)
    return canvas.whole()


def joined(how: Plan, strips: Sequence[bytes]) -> bytes:
    """The sheet of these rows, as JPEG."""
    width, height = WIDTH * COLUMNS, how.height * len(strips)
    frame = VideoFrame(width, height, "yuvj420p")
    edges = _edges(how.height)
    for plane, (start, end) in zip(frame.planes, edges, strict=True):
        plane.update(_padded(b"".join(row[start:end] for row in strips), plane.width, plane.line_size))
    frame.pts = 0
    encoder = VideoCodecContext.create("mjpeg", "w")
    encoder.width, encoder.height, encoder.pix_fmt = width, height, "yuvj420p"
    encoder.time_base = Fraction(1, 1)
    encoder.qmin = encoder.qmax = _QUANTIZER
    packets = cast("list[Buffer]", [*encoder.encode(frame), *encoder.encode(None)])
    return b"".join(bytes(packet) for packet in packets)


def vtt(how: Plan, sheets: Collection[int]) -> str:
    """`sprites.vtt` while only these sheets are there: where no fine one is yet, the coarse one stands in."""
    slots = sorted(slot for number in sheets for slot in _slots(how, number, sheets))
    return document(
        Cue(start_ms=round(start_s * 1000), end_ms=round(end_s * 1000), text=text)
        for start_s, end_s, text in slots
    )


def _slots(how: Plan, number: int, sheets: Collection[int]) -> Iterator[tuple[float, float, str]]:
    """From when to when each picture of a sheet is shown, and where it is; the fine ones go first."""
    times = how.times(number)
    every_s = how.fine_s if number else how.coarse_s
    for cell, at_s in enumerate(times):
        start_s, end_s = at_s, min(at_s + every_s, how.duration_s)
        if number == 0:
            start_s, end_s = how.beside_fine(start_s, end_s, sheets)
        if start_s < end_s:
            x, y = cell % COLUMNS * WIDTH, cell // COLUMNS * how.height
            yield start_s, end_s, f"sprites-{number}.jpg#xywh={x},{y},{WIDTH},{how.height}"


def _picture(container: InputContainer) -> VideoStream:
    stream = picture_stream(container)
    if codec_name(stream) is None or stream.width * stream.height > PIXELS_MAX:
        raise NoPreviews("No previews: the film's picture can't be decoded, or is absurdly large.")
    stream.codec_context.skip_frame = "NONKEY"
    stream.codec_context.thread_count = 1
    for other in container.streams:
        if other.index != stream.index:
            other.discard = Discard.all
    return stream


_Small = tuple[bytes, ...]
"""The planes of a small picture, without padding."""


def _pictures(
    container: InputContainer, stream: VideoStream, times: Sequence[float], height: int
) -> Iterator[_Small | None]:
    """The keyframe at or before each time, small; None where there is none before either."""
    last: _Small | None = None
    for at_s in times:
        ticks = int(Fraction(at_s) / (stream.time_base or 1)) + (stream.start_time or 0)
        try:
            container.seek(ticks, stream=stream)
            frame = _keyframe(container, stream)
        except FFmpegError:
            # Damage in one place is no reason to have no previews of the others.
            frame = None
        last = last if frame is None else _small(frame, height)
        yield last


def _keyframe(container: InputContainer, stream: VideoStream) -> VideoFrame | None:
    decoder = stream.codec_context
    for count, packet in enumerate(container.demux(stream)):
        if count == _PACKETS_MAX or not packet.size:
            break
        if packet.is_keyframe:
            # A decoder that reorders gives its picture only when it is told that no more will come.
            for frame in [*decoder.decode(packet), *decoder.decode(None)]:
                return frame if frame.width * frame.height <= PIXELS_MAX else None
            decoder.flush_buffers()
    return None


def _small(frame: VideoFrame, height: int) -> _Small:
    is_bright = frame.color_trc == ColorTrc.SMPTE2084
    small = frame.reformat(
        width=WIDTH,
        height=height,
        format="yuvj420p",
        interpolation=Interpolation.AREA,
        dst_color_range=ColorRange.JPEG,
        threads=1,
    )
    planes = [_unpadded(memoryview(plane), plane.width, plane.line_size) for plane in small.planes]
    if is_bright:
        tables = (tones.BRIGHTNESS, tones.COLOUR, tones.COLOUR)
        planes = [plane.translate(table) for plane, table in zip(planes, tables, strict=True)]
    return tuple(planes)


class _Canvas:
    """The planes of one row; gray where nothing was put."""

    def __init__(self, height: int) -> None:
        self._planes = [bytearray([_GRAY]) * (WIDTH * COLUMNS // part * height // part) for part in (1, 2, 2)]

    def put(self, column: int, picture: _Small | None) -> None:
        for part, data, target in zip((1, 2, 2), picture or (), self._planes, strict=False):
            width = WIDTH // part
            for line in range(len(data) // width):
                at = (line * COLUMNS + column) * width
                target[at : at + width] = data[line * width : (line + 1) * width]

    def whole(self) -> bytes:
        return b"".join(self._planes)


def _edges(height: int) -> list[tuple[int, int]]:
    """Where each plane lies in a row."""
    luma = WIDTH * COLUMNS * height
    return [(0, luma), (luma, luma * 5 // 4), (luma * 5 // 4, luma * 3 // 2)]


def _padded(data: bytes, width: int, line_bytes: int) -> bytes:
    if width == line_bytes:
        return data
    lines = (data[at : at + width] for at in range(0, len(data), width))
    return b"".join(line.ljust(line_bytes, b"\0") for line in lines)


def _unpadded(data: memoryview, width: int, line_bytes: int) -> bytes:
    return b"".join(data[at : at + width] for at in range(0, len(data), line_bytes))
