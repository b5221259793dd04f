"""One film as browsers get it: looked into once, and its parts by name."""

import asyncio
from collections.abc import Collection
from typing import Final

import msgspec
import structlog

from libs.common.media import Media
from libs.common.plan import PROBES, Device, is_for_every_browser, plan
from libs.common.play import FILM_PATH
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
    Texts,
    decode_media,
    decode_outline,
    decode_stretches,
)
from services.downloader.media.parts import Part
from services.downloader.media.process import MediaFailed, MediaProcess, NotToBeHad, ProcessDied
from services.downloader.media.shelf import Shelf
from services.downloader.media.text_files import TextStretch

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

    def __init__(self, process: MediaProcess) -> None:
        self._process = process
        self._shelf = Shelf[Questions](process.ask)
        self._film: Show | None = None
        self._looking: asyncio.Task[Seen] | None = None

    def show(self, address: str, token: str, size_bytes: int) -> None:
        """Where the film is served, before anything is asked."""
        host, _, port = address.rpartition(":")
        self._film = Show(host=host, port=int(port), path=FILM_PATH, token=token, size_bytes=size_bytes)
        self._process.show(self._film)
        self._looking = asyncio.create_task(self._look(), name="look")

    def show_again(self) -> None:
        """The film isn't what was read of it: nothing that was made of it is given to anyone any more."""
        if self._film:
            self._shelf = Shelf[Questions](self._process.ask)
            self._process.show(self._film)

    async def look(self) -> Seen:
        """What is inside the film; after `show`. Never raises for what a film is like."""
        if self._looking is None:
            raise RuntimeError("looked before the film was shown")
        return await asyncio.shield(self._looking)

    async def _look(self) -> Seen:
        try:
            async with asyncio.timeout(LOOK_S):
                media = decode_media(await self._process.ask(Probe()))
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
        return await self._shelf.get(part.question)

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
        return await self._for_store(Master(texts=tuple(texts)))

    async def stored_playlist(self, rendition: str, ranges: tuple[tuple[int, int], ...]) -> bytes:
        """`ranges`: offset and length of each of its segments in movie.mp4."""
        return await self._for_store(Playlist(rendition=rendition, ranges=ranges))

    async def texts(self, segment: int | None) -> list[TextStretch]:
        """What of all texts begins in a segment; or all of it, of a film without an index."""
        return decode_stretches(await self._process.ask(Texts(segment=segment), is_for_store=True))

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
