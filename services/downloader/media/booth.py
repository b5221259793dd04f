"""Where one hand answers: a reader, and what libav has made of the film so far."""

from services.downloader.errors import Unreadable
from services.downloader.media.messages import (
    Describe,
    Head,
    Init,
    Master,
    Outline,
    Playlist,
    Probe,
    Questions,
    Segment,
    encode,
)
from services.downloader.media.presentation import Presentation
from services.downloader.media.probe import probe
from services.downloader.media.reader import FilmReader


class NotToBeHad(Exception):
    """`str(error)` says why: the film is so, or has no such part."""


class Booth:
    """Used by one thread; only `drop` may be called by others."""

    def __init__(self, reader: FilmReader) -> None:
        self._reader = reader
        self._made: Presentation | None = None

    def answer(self, question: Questions) -> bytes:
        """Raises `NotToBeHad`, `ReadFailed`, and whatever a foreign film makes libav raise."""
        try:
            return self._answer(question)
        except Unreadable as error:
            raise NotToBeHad(str(error)) from error

    def _answer(self, question: Questions) -> bytes:
        match question:
            case Probe():
                return encode(probe(self._reader))
            case Describe():
                return encode(self._outline())
            case Master():
                return self._presentation.master().encode()
            case Head():
                return self._presentation.head()
            case Playlist(ranges=None):
                return self._presentation.playlist(self._known(question.rendition)).encode()
            case Playlist(ranges=ranges):
                return self._presentation.published_playlist(self._known(question.rendition), ranges).encode()
            case Init():
                return self._presentation.init(self._known(question.rendition))
            case Segment():
                if question.number >= self._presentation.segments:
                    raise NotToBeHad(f"the film has {self._presentation.segments} segments")
                return self._presentation.segment(self._known(question.rendition), question.number)

    @property
    def _presentation(self) -> Presentation:
        if self._made is None:
            self._reader.seek(0)
            self._made = Presentation(self._reader)
        return self._made

    def _known(self, rendition: str) -> str:
        if all(one.name != rendition for one in self._presentation.renditions):
            raise NotToBeHad(f"the film has no {rendition}")
        return rendition

    def _outline(self) -> Outline:
        presentation = self._presentation
        converted_bits_per_s = sum(one.bits_per_s for one in presentation.renditions if one.is_converted)
        converted_bytes = int(converted_bits_per_s * presentation.media.duration_s / 8)
        return Outline(
            renditions=tuple(one.name for one in presentation.renditions),
            segments=presentation.segments,
            stored_bytes=self._reader.size_bytes + converted_bytes,
        )

    def drop(self) -> None:
        """Has what is being answered fail at its next read."""
        self._reader.drop()

    def close(self) -> None:
        self._reader.close()
