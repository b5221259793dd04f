"""A film into the store while it comes down: as browsers want it, or as it is where that is as good."""

from collections import defaultdict
from collections.abc import Awaitable, Callable

import structlog

from libs.common.events import Film
from libs.common.objects import ObjectStore
from libs.common.settings import Publish
from services.downloader.errors import ScratchFull
from services.downloader.extents import Coverage, Ranges, VirtualFile
from services.downloader.media.browser_form import BrowserForm
from services.downloader.media.companions import Companion, companions_of_a_file
from services.downloader.media.messages import Outline
from services.downloader.media.process import MediaFailed
from services.downloader.media.theatre import Theatre
from services.downloader.publish import Progressive
from services.downloader.source import Landed

log = structlog.get_logger(__name__)


class Premiere:
    """A `Progressive` that decides once the film has been looked into.

    A film that every browser plays is published as it came, with its texts; and so is one that can't be
    prepared, even if that shows half-way, or that nobody wants prepared.
    """

    def __init__(
        self,
        film: VirtualFile,
        theatre: Theatre,
        store: ObjectStore,
        prefix: str,
        *,
        as_it_is: Callable[[str], Awaitable[Progressive]],
        publish: Publish,
        find_room: Callable[[int], None],
    ) -> None:
        """`as_it_is`: begins to publish the film as it came, under a name that gets its extension.
        `find_room`: raises `ScratchFull` if so many bytes more can't be stored.
        """
        self._film = film
        self._theatre = theatre
        self._store = store
        self._prefix = prefix
        self._as_it_is = as_it_is
        self._publish = publish
        self._find_room = find_room
        self._coverage = Coverage(film)
        self._landed: defaultdict[int, Ranges] = defaultdict(Ranges)
        self._original: Progressive | None = None
        self._prepared: BrowserForm | None = None
        self._beside: list[Companion] = []

    @property
    def landed_bytes(self) -> int:
        return self._coverage.landed_bytes

    @property
    def stored_bytes(self) -> int:
        if self._prepared:
            return int(self._film.size_bytes * self._prepared.share)
        return self._original.stored_bytes if self._original else 0

    def land(self, landed: Landed) -> None:
        self._coverage.land(landed)
        self._landed[landed.file].add(landed.span.start, landed.span.end)
        if self._original:
            self._original.land(landed)

    async def run(self) -> None:
        """Raises what `publish` raises; never for what the film is like."""
        outline = await self._outline() if self._publish != "original" else None
        if outline and self._has_room(outline):
            await self._prepare(outline)
        if self._prepared is None:
            await self._run_original("movie")
            self._beside = await companions_of_a_file(self._theatre)
        elif self._publish == "both":
            await self._run_original("original")

    async def _outline(self) -> Outline | None:
        outline = (await self._theatre.look()).outline
        if outline and outline.needs_reading:
            try:
                return await self._theatre.outline()
            except MediaFailed as error:
                log.warning("published_as_it_is", why=str(error))
                return None
        return outline

    def _has_room(self, outline: Outline) -> bool:
        try:
            self._find_room(outline.stored_bytes)
        except ScratchFull as error:
            log.warning("published_as_it_is", why=str(error))
            return False
        return True

    async def _prepare(self, outline: Outline) -> None:
        form = self._prepared = await BrowserForm.start(self._theatre, outline, self._store, self._prefix)
        try:
            await form.run()
        except MediaFailed as error:
            log.warning("published_as_it_is", why=str(error), share=round(form.share, 3))
            self._prepared = None
            await form.abort()

    async def _run_original(self, name: str) -> None:
        original = self._original = await self._as_it_is(name)
        for file, ranges in self._landed.items():
            for span in ranges:
                original.land(Landed(file=file, span=span))
        await original.run()

    async def complete(self) -> Film:
        """What is beside the film first, as of the prepared form."""
        for one in self._beside:
            await self._store.put(self._prefix + one.name, one.content, content_type=one.content_type)
        original = await self._original.complete() if self._original else None
        prepared = await self._prepared.complete() if self._prepared else None
        if film := prepared or original:
            return film
        raise RuntimeError("completed before it was run")

    async def abort(self) -> None:
        for publication in (self._original, self._prepared):
            if publication:
                await publication.abort()
