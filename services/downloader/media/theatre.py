"""One film as browsers get it: looked into once, and its parts by name; and the texts that come with it."""

import asyncio
from collections.abc import Collection, Sequence
from typing import Final

import msgspec
import structlog
from msgspec.structs import replace

from libs.common.media import BESIDE_FIRST, Media, Text
from libs.common.plan import PROBES, Device, is_for_every_browser, plan
from libs.common.play import FILM_PATH
from services.downloader.beside import TextBeside
from services.downloader.media.messages import (
    Describe,
    Head,
    Master,
    Outline,
    Playlist,
    Previews,
    Probe,
    Questions,
    Segment,
    Sheet,
    SheetIndex,
    Show,
    TextPlaylist,
    Texts,
    decode_media,
    decode_outline,
    decode_stretches,
)
from services.downloader.media.parts import Ending, Part, SideText
from services.downloader.media.playlists import stored_text_playlist
from services.downloader.media.process import MediaFailed, MediaProcess, NotToBeHad, ProcessDied
from services.downloader.media.shelf import Shelf
from services.downloader.media.side_texts import SideTexts
from services.downloader.media.text_files import TextStretch
from services.downloader.source import Reads

log = structlog.get_logger(__name__)

LOOK_S: Final = 60.0
"""How long its first look may take: the bytes that tell what a film is may be slow to come, or be a hole."""


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """What a look at a film has told.

    `media`: what is inside, if players can be given it prepared, or are better told why they can't.
    `outline`: how it is prepared for the store; None if it isn't.
    """

    media: Media | None = None
    outline: Outline | None = None
    why_not: str | None = None


class Theatre:
    """Prepares one film, through its media process, for players and for the store."""

    def __init__(self, process: MediaProcess, source: Reads) -> None:
        """`source`: where the files beside the film are read from."""
        self._process = process
        self._shelf = Shelf[Questions](process.ask)
        self._side_texts = SideTexts(source, process.ask)
        self._film: Show | None = None
        self._looking: asyncio.Task[Seen] | None = None

    def show(self, address: str, token: str, size_bytes: int) -> None:
        """Where the film is served, before anything is asked."""
        host, _, port = address.rpartition(":")
        self._film = Show(host=host, port=int(port), path=FILM_PATH, token=token, size_bytes=size_bytes)
        self._process.show(self._film)
        self._looking = asyncio.create_task(self._look(), name="look")

    def put_beside(self, files: Sequence[TextBeside]) -> bool:
        """These are the texts that come with the film. Whether there are others among them than before."""
        return self._side_texts.put(files)

    def show_again(self) -> None:
        """The film isn't what was read of it: nothing that was made of it is given to anyone any more."""
        if self._film:
            self._shelf = Shelf[Questions](self._process.ask)
            self._process.show(self._film)
            # Who is still looking reads what is right by now.
            if self._looking and self._looking.done():
                self._looking = asyncio.create_task(self._look(), name="look")

    async def look(self) -> Seen:
        """What is inside the film, and beside it; after `show`. Never raises for what a film is like."""
        if self._looking is None:
            raise RuntimeError("looked before the film was shown")
        seen = await asyncio.shield(self._looking)
        if seen.media is None:
            return seen
        texts = (*seen.media.texts, *self._side_texts.texts)
        return replace(seen, media=replace(seen.media, texts=texts))

    async def _look(self) -> Seen:
        try:
            async with asyncio.timeout(LOOK_S):
                media = decode_media(await self._process.ask(Probe()))
                self._side_texts.frames_per_s = media.video.frames_per_s if media.video else None
                return Seen(media=media) if is_for_every_browser(media) else await self._outlined(media)
        except TimeoutError:
            return Seen(why_not="what is inside the film could not be read in time")
        except (MediaFailed, msgspec.DecodeError) as error:
            return Seen(why_not=str(error))

    async def _outlined(self, media: Media) -> Seen:
        try:
            outline = decode_outline(await self._shelf.get(Describe()))
        except NotToBeHad as error:
            is_hopeless = plan(media, Device.of(PROBES)).way == "cannot"
            return Seen(media=media if is_hopeless else None, why_not=str(error))
        if outline.needs_reading:
            return Seen(
                outline=outline, why_not="the film has no index, and is prepared when all of it is there"
            )
        return Seen(media=media, outline=outline)

    async def part(self, part: Part) -> bytes:
        """For a player. Raises `NotToBeHad`, and `MediaFailed` for what may work later."""
        match part.question:
            case SideText(number=number, ending=ending):
                return await self._side_texts.get(number, ending)
            case TextPlaylist(number=number) if number >= BESIDE_FIRST:
                return await self._side_playlist(number)
            case Master():
                return await self._shelf.get(Master(beside=self._side_texts.texts))
            case question:
                return await self._shelf.get(question)

    async def _side_playlist(self, number: int) -> bytes:
        media = (await self.look()).media
        if media is None or all(text.number != number for text in media.texts):
            raise NotToBeHad(f"the film has no text {number}")
        return stored_text_playlist(number, media.duration_s).encode()

    async def close(self) -> None:
        if self._looking:
            self._looking.cancel()
            await asyncio.wait([self._looking])

    # For the store: in order, and once ---------------------------------------------------------------------

    async def outline(self) -> Outline:
        """Of a film that `needs_reading`: reads it along as it comes."""
        return decode_outline(await self._for_store(Describe(may_read_all=True)))

    async def head(self) -> bytes:
        return await self._for_store(Head())

    async def segment(self, rendition: str, number: int) -> bytes:
        """Waits for the film's bytes as the fetching brings them."""
        return await self._for_store(Segment(rendition=rendition, number=number))

    async def master(self, texts: Collection[int]) -> bytes:
        """That names these texts."""
        beside = tuple(text for text in self._side_texts.texts if text.number in texts)
        return await self._for_store(Master(texts=tuple(texts), beside=beside))

    async def stored_playlist(self, rendition: str, ranges: tuple[tuple[int, int], ...]) -> bytes:
        """`ranges`: offset and length of each of its segments in movie.mp4."""
        return await self._for_store(Playlist(rendition=rendition, ranges=ranges))

    async def texts(self, segment: int | None) -> list[TextStretch]:
        """What of all texts begins in a segment; or all of it, of a film without an index."""
        return decode_stretches(await self._process.ask(Texts(segment=segment), is_for_store=True))

    @property
    def side_texts(self) -> tuple[Text, ...]:
        """Those that come with the film in files of their own."""
        return self._side_texts.texts

    async def side_text(self, number: int, ending: Ending) -> bytes:
        """One of them, as it is published."""
        return await self._side_texts.get(number, ending)

    async def previews(self, segment: int) -> None:
        """Has them made as far as this; what is left is made for `sheet`."""
        await self._process.ask(Previews(segment=segment), is_for_store=True)

    async def sheet(self) -> tuple[bytes, bytes]:
        """The small pictures of the film, and which of them shows when."""
        index = await self._process.ask(SheetIndex(), is_for_store=True)
        return await self._process.ask(Sheet(), is_for_store=True), index

    async def _for_store(self, question: Questions) -> bytes:
        try:
            return await self._process.ask(question, is_for_store=True)
        except ProcessDied as error:
            # Over what a player asked for, perhaps: it is started again.
            log.info("asked_again", question=str(question), why=str(error))
            return await self._process.ask(question, is_for_store=True)
