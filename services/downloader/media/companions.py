"""What is published beside a prepared film: its texts, and small pictures of it for the seek bar.

Both are made along with the segments, out of bytes that have just been read for them. Neither ever fails a
film: what can't be made is left out, and the log says why.
"""

from typing import Final

import msgspec
import structlog

from services.downloader.media.messages import Outline
from services.downloader.media.parts import PLAYLIST_TYPE, SCRIPT_TYPE, TEXT_TYPE, playlist_name
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
        beside, numbers = await side_companions(self._theatre, self._outline.duration_s)
        embedded = text_companions(self._files, self._outline.duration_s)
        return [*embedded, *beside, *await self._previews()], [*texts, *numbers]

    async def _read_texts(self, segment: int | None) -> None:
        if not self._has_texts:
            return
        try:
            self._files.add(await self._theatre.texts(segment))
        except (MediaFailed, msgspec.DecodeError) as error:
            _do_without_texts(error, segment)
            self._has_texts, self._files = False, TextFiles()

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


async def companions_of_a_file(theatre: Theatre) -> list[Companion]:
    """The texts of a film that is published as it came.

    Its own too if it is an MP4 whose tables tell where they lie: of others all would have to be read again.
    """
    media = (await theatre.look()).media
    if media is None:
        return []
    beside, _ = await side_companions(theatre, media.duration_s)
    if not media.is_faststart or len(media.texts) == len(theatre.side_texts):
        return beside
    files = TextFiles()
    try:
        files.add(await theatre.texts(None))
    except (MediaFailed, msgspec.DecodeError) as error:
        _do_without_texts(error, None)
        return beside
    return [*text_companions(files, media.duration_s), *beside]


async def side_companions(theatre: Theatre, duration_s: float) -> tuple[list[Companion], list[int]]:
    """Of the texts from files beside the film, those that can be read; and their numbers."""
    made: list[Companion] = []
    numbers: list[int] = []
    for text in theatre.side_texts:
        try:
            made += _of_text(text.number, await theatre.side_text(text.number, "vtt"), duration_s)
            numbers.append(text.number)
            if text.kind == "ass":
                made.append(_of_script(text.number, await theatre.side_text(text.number, "ass")))
        except MediaFailed as error:
            log.warning("published_without_text", why=str(error), number=text.number)
    return made, numbers


def text_companions(files: TextFiles, duration_s: float) -> list[Companion]:
    found = [one for number, vtt in files.vtts().items() for one in _of_text(number, vtt, duration_s)]
    return found + [_of_script(number, script) for number, script in files.scripts().items()]


def _of_text(number: int, document: bytes, duration_s: float) -> list[Companion]:
    playlist = stored_text_playlist(number, duration_s).encode()
    return [
        Companion(f"text-{number}.vtt", document, TEXT_TYPE),
        Companion(playlist_name(f"text-{number}"), playlist, PLAYLIST_TYPE),
    ]


def _of_script(number: int, script: bytes) -> Companion:
    return Companion(f"text-{number}.ass", script, SCRIPT_TYPE)


def _do_without_texts(error: Exception, segment: int | None) -> None:
    log.warning("published_without_texts", why=str(error), segment=segment)
