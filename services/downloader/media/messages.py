"""What an instance and its media process say to each other: frames over two pipes.

A frame is the length of its envelope (4 bytes, big-endian), the length of its payload (8 bytes), the envelope
(MessagePack) and the payload (bytes as they are, so that a segment is copied as seldom as possible).
"""

import struct
from typing import Final

import msgspec

from libs.common.media import Media, Text
from services.downloader.media.text_files import TextStretch

PREFIX: Final = struct.Struct(">IQ")
ENVELOPE_BYTES_MAX: Final = 1 << 20
PAYLOAD_BYTES_MAX: Final = 256 << 20
"""A segment of 6 s at 300 Mbit/s. Beyond it the media process has lost its way and is ended."""

TOO_LONG: Final = 64
"""Exit code of a media process: a question took more CPU time than it may."""
TOO_LARGE: Final = 65
"""Exit code: the memory wasn't enough."""


class Question(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Base of what the media process can be asked; each is answered by bytes, or by why not."""


class Probe(Question, frozen=True, kw_only=True):
    """Answered by a `Media`."""


class Describe(Question, frozen=True, kw_only=True):
    """How the film is presented to browsers. Answered by an `Outline`."""

    may_read_all: bool = False
    """If it has no index that tells."""


class Master(Question, frozen=True, kw_only=True):
    texts: tuple[int, ...] | None = None
    """Those that there are; without, all of the film's."""
    beside: tuple[Text, ...] = ()
    """From files beside the film; each of them is named."""


class Playlist(Question, frozen=True, kw_only=True):
    """`ranges`: where each segment lies in movie.mp4; without them the segments are objects of their own."""

    rendition: str
    ranges: tuple[tuple[int, int], ...] | None = None


class Init(Question, frozen=True, kw_only=True):
    rendition: str


class Segment(Question, frozen=True, kw_only=True):
    rendition: str
    number: int


class TextPlaylist(Question, frozen=True, kw_only=True):
    """Of a text (`Text.number`), with a piece for each segment."""

    number: int


class TextPiece(Question, frozen=True, kw_only=True):
    """What of a text shows while the film is in this segment, as WebVTT."""

    number: int
    segment: int


class Texts(Question, frozen=True, kw_only=True):
    """What of all texts begins in this segment; without one, in the film. Answered by `TextStretch`es."""

    segment: int | None = None


class Convert(Question, frozen=True, kw_only=True):
    """A subtitle file's bytes, to be had as WebVTT; or in UTF-8 as the script that it is (`is_script`)."""

    data: bytes
    language: str | None = None
    frames_per_s: float | None = None
    is_script: bool = False

    def __repr__(self) -> str:
        # What is asked is logged.
        return f"Convert({len(self.data)} bytes)"


class Previews(Question, frozen=True, kw_only=True):
    """Answered by nothing: makes what it can of the sheet, of what lies before this segment's end."""

    segment: int


class Sheet(Question, frozen=True, kw_only=True):
    """The small pictures of the whole film, as JPEG."""


class SheetIndex(Question, frozen=True, kw_only=True):
    """Which of the sheet's pictures shows when, as WebVTT."""


class Head(Question, frozen=True, kw_only=True):
    """What movie.mp4 begins with."""


Questions = (
    Probe
    | Describe
    | Master
    | Playlist
    | Init
    | Segment
    | Head
    | TextPlaylist
    | TextPiece
    | Texts
    | Convert
    | Previews
    | Sheet
    | SheetIndex
)


class Outline(msgspec.Struct, frozen=True, kw_only=True):
    """What a presentation consists of. `needs_reading`: all of the film must be read to tell."""

    needs_reading: bool = False
    renditions: tuple[str, ...] = ()
    segments: int = 0
    """Of each rendition."""
    stored_bytes: int = 0
    """About how large movie.mp4 becomes."""
    duration_s: float = 0.0
    has_index: bool = True
    """Any place of it can be read without what is before."""


class Show(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Which film all that follows is about. Said once, before the first question."""

    host: str
    port: int
    path: str
    token: str
    size_bytes: int


class Ask(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """`is_for_store`: nobody waits for it in front of a screen; the film's bytes are read as they come."""

    number: int
    question: Questions
    is_for_store: bool = False


class Drop(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Nobody waits for the answer any more; it may still come."""

    number: int


Said = Show | Ask | Drop


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """An answer's envelope; its payload is what was asked for, unless `why_not` says why there is none."""

    number: int
    why_not: str | None = None
    is_final: bool = False
    """Asking again is in vain: the film is so, or there is no such part of it."""


_encoder = msgspec.msgpack.Encoder()
_said = msgspec.msgpack.Decoder(Said)
_answers = msgspec.msgpack.Decoder(Answer)
_medias = msgspec.msgpack.Decoder(Media)
_outlines = msgspec.msgpack.Decoder(Outline)
_stretches = msgspec.msgpack.Decoder(list[TextStretch])


def encode(message: Said | Answer | Media | Outline | list[TextStretch]) -> bytes:
    return _encoder.encode(message)


def decode_said(data: bytes) -> Said:
    """Raises msgspec.DecodeError, as all of these do."""
    return _said.decode(data)


def decode_answer(data: bytes) -> Answer:
    return _answers.decode(data)


def decode_media(data: bytes) -> Media:
    return _medias.decode(data)


def decode_outline(data: bytes) -> Outline:
    return _outlines.decode(data)


def decode_stretches(data: bytes) -> list[TextStretch]:
    return _stretches.decode(data)
