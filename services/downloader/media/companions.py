"""What is published beside a prepared film: its texts, and small pictures of it for the seek bar.

Both are made along with the segments, out of bytes that have just been read for them. Neither ever fails a
film: what can't be made is left out, and the log says why.
"""

from collections.abc import Iterator, Mapping
from typing import Final

import msgspec
import structlog

from services.downloader.media.messages import Outline
from services.downloader.media.parts import PLAYLIST_TYPE, TEXT_TYPE, playlist_name
from services.downloader.media.playlists import stored_text_playlist
from services.downloader.media.process import MediaFailed
from services.downloader.media.text_files import TextFiles
from services.downloader.media.theatre import Theatre

log = structlog.get_logger(__name__)

SHEET: Final = "sprites-0.jpg"
SHEET_INDEX: Final = "sprites.vtt"


class Companion(msgspec.Struct, frozen=True):
    name: str
    content: bytes
    content_type: str


class Companions:
    """Memory: `text_files.CHARS_MAX` characters, and one sheet of some 1 MB."""

    def __init__(self, theatre: Theatre, outline: Outline) -> None:
        self._theatre = theatre
        self._outline = outline
        self._files = TextFiles()
        self._has_texts = True
        # A film without an index is looked for its every picture from the beginning on.
        self._has_previews = outline.has_index

    async def follow(self, segment: int) -> bytes:
        """What belongs to a segment that has just been made; nothing is left to say."""
        if self._outline.has_index:
            await self._read_texts(segment)
        elif segment + 1 == self._outline.segments:
            await self._read_texts(None)
        if self._has_previews:
            try:
                await self._theatre.previews(segment)
            except MediaFailed as error:
                self._do_without_previews(error)
        return b""

    async def finish(self) -> tuple[list[Companion], list[int]]:
        """All of them, and the numbers of the texts among them."""
        texts = self._files.vtts()
        return [*self._texts(texts), *await self._previews()], list(texts)

    async def _read_texts(self, segment: int | None) -> None:
        if not self._has_texts:
            return
        try:
            self._files.add(await self._theatre.texts(segment))
        except (MediaFailed, msgspec.DecodeError) as error:
            log.warning("published_without_texts", why=str(error), segment=segment)
            self._has_texts, self._files = False, TextFiles()

    def _texts(self, documents: Mapping[int, bytes]) -> Iterator[Companion]:
        for number, document in documents.items():
            playlist = stored_text_playlist(number, self._outline.duration_s).encode()
            yield Companion(f"text-{number}.vtt", document, TEXT_TYPE)
            yield Companion(playlist_name(f"text-{number}"), playlist, PLAYLIST_TYPE)
        for number, script in self._files.scripts().items():
            yield Companion(f"text-{number}.ass", script, "text/x-ssa")

    async def _previews(self) -> list[Companion]:
        if not self._has_previews:
            return []
        try:
            sheet, index = await self._theatre.sheet()
        except MediaFailed as error:
            self._do_without_previews(error)
            return []
        return [Companion(SHEET, sheet, "image/jpeg"), Companion(SHEET_INDEX, index, TEXT_TYPE)]

    def _do_without_previews(self, error: MediaFailed) -> None:
        log.warning("published_without_previews", why=str(error))
        self._has_previews = False
