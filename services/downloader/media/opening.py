"""A film opened by libav, within bounds: what it is allowed to be, and how much of it is read to know it."""

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any, BinaryIO, Final, TypeAlias, cast

import av
from av.codec import CodecContext
from av.container import InputContainer
from av.error import FFmpegError
from av.packet import Packet
from av.stream import Disposition, Stream
from av.video.stream import VideoStream

from services.downloader.errors import Unreadable

AnyPacket: TypeAlias = "Packet[Any]"

STREAMS_MAX = 128
SIDE_MAX_PIXELS = 16_384
_READ_BYTES = 256 << 10
_OPTIONS: Final = {
    # A playlist or a concatenation would make libav open what it names: only what holds a film itself.
    "format_whitelist": "matroska,webm,mov,mp4,m4a,3gp,3g2,mj2,mpegts,avi,asf,flv,mpeg,mpegvideo,ogg",
    "probesize": str(4 << 20),
    "analyzeduration": "5000000",
    "max_streams": str(STREAMS_MAX),
    # Edit lists move the times and hide nothing: what is hidden would be missing where a segment begins.
    "advanced_editlist": "0",
    "max_pixels": str(SIDE_MAX_PIXELS * SIDE_MAX_PIXELS // 4),
    "threads": "1",
}


class Cursor:
    """A place of its own in a file that several containers read."""

    def __init__(self, film: BinaryIO) -> None:
        self._film, self._at = film, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def read(self, size: int) -> bytes:
        self._film.seek(self._at)
        data = self._film.read(size)
        self._at += len(data)
        return data

    def seek(self, offset: int, whence: int = 0) -> int:
        # A film that says to begin before its first byte shall find no bytes, not raise within libav.
        self._at = max(0, offset + self._at if whence == 1 else offset)
        if whence == 2:
            self._at = self._film.seek(offset, 2)
        return self._at

    def tell(self) -> int:
        return self._at


@contextmanager
def translated(doing: str) -> Generator[None]:
    """libav's complaints as ours; what the file itself raises passes through."""
    try:
        yield
    except FFmpegError as error:
        reason = error.strerror or "no reason given"
        raise Unreadable(f"{doing} failed: {reason}. Another release may be whole.") from error


def opened(film: BinaryIO) -> InputContainer:
    """libav's view of the film; reads at most some 4 MiB beyond its tables. Raises Unreadable."""
    with translated("Opening the film"):
        return av.open(
            Cursor(film), "r", options=dict(_OPTIONS), metadata_errors="replace", buffer_size=_READ_BYTES
        )


def picture_stream(container: InputContainer) -> VideoStream:
    """The film's picture: the first that is no cover image. Raises Unreadable if there is none."""
    for stream in container.streams.video:
        if stream.disposition & Disposition.attached_pic or stream.time_base is None:
            continue
        if 0 < stream.width <= SIDE_MAX_PIXELS and 0 < stream.height <= SIDE_MAX_PIXELS:
            return stream
    raise Unreadable("The film has no picture that can be read. Another release may be whole.")


def codec_name(stream: Stream) -> str | None:
    """FFmpeg's name of the codec (not of its decoder), None if libav has no decoder for it."""
    # None without a decoder, whatever the stubs say.
    context = cast(CodecContext | None, stream.codec_context)
    return context.codec.canonical_name if context is not None else None
