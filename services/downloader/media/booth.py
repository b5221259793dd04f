"""Where one hand answers: a reader, and what libav has made of the film so far."""

import math
from collections.abc import Sequence
from typing import BinaryIO, Final, cast

from libs.common.subtitles.cues import NoSubtitles
from libs.common.subtitles.decoding import decoded
from libs.common.subtitles.reading import as_webvtt, format_of
from services.downloader.errors import Unreadable
from services.downloader.media import subtitles
from services.downloader.media.messages import (
    Convert,
    Describe,
    Head,
    Init,
    Master,
    Outline,
    Playlist,
    Previews,
    Probe,
    Questions,
    Segment,
    Sheet,
    SheetIndex,
    TextPiece,
    TextPlaylist,
    Texts,
    encode,
)
from services.downloader.media.playlists import text_playlist
from services.downloader.media.presentation import NeedsReading, Presentation, open_presentation, probe
from services.downloader.media.reader import FilmReader, ReadTooMuch
from services.downloader.media.sheet import FilmSheet
from services.downloader.media.sprites import NoPreviews
from services.downloader.media.text_files import TextStretch

LOOK_BYTES_MAX: Final = 64 << 20
"""What a first look may read: the tables of a long film have some 20 MB. Of noise all would be read."""


class NotToBeHad(Exception):
    """`str(error)` says why: the film is so, or has no such part."""


class Booth:
    """Used by one thread; only `drop` may be called by others."""

    def __init__(self, reader: FilmReader) -> None:
        self._reader = reader
        self._made: Presentation | None = None
        self._has_index = True
        self._sheet: FilmSheet | None = None

    def answer(self, question: Questions) -> bytes:
        """Raises `NotToBeHad`, `ReadFailed`, and whatever a foreign film makes libav raise."""
        is_look = isinstance(question, Probe) or (
            isinstance(question, Describe) and not question.may_read_all
        )
        self._reader.may_read_bytes = LOOK_BYTES_MAX if is_look else None
        try:
            return self._answer(question)
        except (Unreadable, NoSubtitles, NoPreviews) as error:
            raise NotToBeHad(str(error)) from error
        except ReadTooMuch as error:
            raise NotToBeHad("the film doesn't say in its tables what is inside") from error

    def _answer(self, question: Questions) -> bytes:
        match question:
            case Probe():
                return encode(probe(self._film))
            case Describe(may_read_all=may_read_all):
                return encode(self._outline(may_read_all))
            case Master(texts=texts, beside=beside):
                return self._presentation.master(texts, beside).encode()
            case Head():
                return self._presentation.head()
            case Playlist():
                return self._playlist(self._known(question.rendition), question.ranges).encode()
            case Init():
                return self._presentation.init(self._known(question.rendition))
            case Segment():
                self._span_s(question.number)
                return self._presentation.segment(self._known(question.rendition), question.number)
            case TextPlaylist():
                return text_playlist(self._text(question.number), self._presentation.durations_s).encode()
            case TextPiece():
                start_s, end_s = self._span_s(question.segment)
                number = self._text(question.number)
                return subtitles.segment(self._film, number, start_s, end_s - start_s).encode()
            case Texts():
                return encode(self._stretches(question.segment))
            case Convert():
                return _converted(question).encode()
            case Previews():
                self._preview.grow(self._film, self._span_s(question.segment)[1])
                return b""
            case Sheet():
                return self._preview.whole(self._film)
            case SheetIndex():
                return self._preview.index().encode()

    @property
    def _film(self) -> BinaryIO:
        # It reads and seeks; nobody writes to it.
        return cast("BinaryIO", self._reader)

    @property
    def _presentation(self) -> Presentation:
        """Reads no more of the film for its sake than its index, unless `Describe` has been allowed to."""
        if self._made is None:
            self._made = open_presentation(self._film, may_read_all=False)
        return self._made

    def _playlist(self, rendition: str, ranges: Sequence[tuple[int, int]] | None) -> str:
        if ranges is None:
            return self._presentation.playlist(rendition)
        return self._presentation.published_playlist(rendition, ranges)

    def _known(self, rendition: str) -> str:
        if all(one.name != rendition for one in self._presentation.renditions):
            raise NotToBeHad(f"the film has no {rendition}")
        return rendition

    def _span_s(self, segment: int) -> tuple[float, float]:
        """When it begins and ends."""
        durations_s = self._presentation.durations_s
        if segment >= len(durations_s):
            raise NotToBeHad(f"the film has {len(durations_s)} segments")
        start_s = sum(durations_s[:segment])
        return start_s, start_s + durations_s[segment]

    def _text(self, number: int) -> int:
        if number not in self._presentation.texts:
            raise NotToBeHad(f"the film has no text {number}")
        return number

    def _stretches(self, segment: int | None) -> list[TextStretch]:
        if segment is None:
            return subtitles.stretches(self._film, self._presentation.texts)
        start_s, end_s = self._span_s(segment)
        is_last = segment + 1 == self._presentation.segments
        return subtitles.stretches(
            self._film, self._presentation.texts, start_s, math.inf if is_last else end_s
        )

    @property
    def _preview(self) -> FilmSheet:
        if self._sheet is None:
            self._sheet = FilmSheet(self._presentation.media)
        return self._sheet

    def _outline(self, may_read_all: bool) -> Outline:
        try:
            presentation = self._presentation
        except NeedsReading:
            if not may_read_all:
                return Outline(needs_reading=True)
            presentation = self._made = open_presentation(self._film, may_read_all=True)
            self._has_index = False
        converted_bits_per_s = sum(one.bits_per_s for one in presentation.renditions if one.is_converted)
        converted_bytes = int(converted_bits_per_s * presentation.media.duration_s / 8)
        return Outline(
            renditions=tuple(one.name for one in presentation.renditions),
            segments=presentation.segments,
            stored_bytes=self._reader.size_bytes + converted_bytes,
            duration_s=presentation.duration_s,
            has_index=self._has_index,
        )

    def drop(self) -> None:
        """Has what is being answered fail at its next read."""
        self._reader.drop()

    def close(self) -> None:
        if self._made:
            self._made.close()
        self._reader.close()


def _converted(file: Convert) -> str:
    """Raises NoSubtitles."""
    if not file.is_script:
        return as_webvtt(file.data, language=file.language, frames_per_s=file.frames_per_s)
    script = decoded(file.data, file.language)
    if format_of(script) != "ass":
        raise NoSubtitles("The file is no script, whatever its name says.")
    return script
