"""One attempt at one film: open → describe → fetch (and publish on the way) → repair if needed → done.

Knows neither the bus nor Usenet: it is given a source, a store, and someone to tell.
"""

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import aclosing
from pathlib import Path
from typing import Protocol, cast

import msgspec
import structlog

from libs.common.events import Film
from libs.common.objects import ObjectStore, StoreError
from services.downloader.archives.locks import Keyring
from services.downloader.choose import Wanted
from services.downloader.describe import Description, NeedsRepairFirst, describe
from services.downloader.errors import BytesLost, DownloaderError, ReleaseError, StorageFailed
from services.downloader.progress import Reporter
from services.downloader.publish import Publication, publication
from services.downloader.repair.blocks import NotEnoughBlocks, RecoveryFile, choose_volumes, needed_blocks
from services.downloader.repair.packets import Par2File, Par2Set
from services.downloader.repair.program import Job, repair
from services.downloader.room import reserve
from services.downloader.source import Census, Landed, Source, Span
from services.downloader.verdict import condemned

log = structlog.get_logger(__name__)


class Listener(Protocol):
    """Who is told, and who may stop it by raising."""

    async def described(self, description: Description) -> None: ...

    async def preparing(self) -> None:
        """Every byte of the film is verified."""
        ...

    async def check_fence(self) -> None:
        """Asked before anything in the store is deleted or replaced: raise if this attempt is over."""
        ...


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """Where the film goes, and what is written beside it."""

    prefix: str
    sidecar: dict[str, object]
    wanted: Wanted | None = None
    """Which film of several it is."""
    keyring: Keyring = msgspec.field(default_factory=Keyring)
    """What its archives may be encrypted with."""
    max_film_bytes: int


class Pipeline:
    def __init__(
        self,
        source: Source,
        store: ObjectStore,
        target: Target,
        *,
        scratch: Path,
        reporter: Reporter,
        listener: Listener,
    ) -> None:
        self._source = source
        self._store = store
        self._target = target
        self._scratch = scratch
        self._reporter = reporter
        self._listener = listener

    async def run(self) -> Film:
        """The published film. Raises a `DownloaderError`; then nothing of it is left in the store."""
        try:
            return await self._run()
        except StoreError as error:
            raise StorageFailed(str(error)) from error

    async def _run(self) -> Film:
        # What an earlier attempt left would be found under the same key.
        await self._listener.check_fence()
        await self._store.delete_prefix(self._target.prefix)
        await self._source.open()
        census = asyncio.create_task(self._source.census(), name="census")
        try:
            return await self._make(census)
        finally:
            await _end(census)

    async def _make(self, census: asyncio.Task[Census]) -> Film:
        description = await self._describe(census)
        self._check(description)
        await self._listener.described(description)
        key = f"{self._target.prefix}movie.{description.container}"
        publishing = await publication(
            description.film, self._source, self._store, key, description.content_type
        )
        try:
            await self._fetch_and_publish(description, publishing, census)
            await self._listener.check_fence()
            published = await publishing.complete()
        except BaseException:
            await publishing.abort()
            raise
        await self._write_sidecar(description)
        return Film(key=key, size_bytes=published.size_bytes, content_type=description.content_type)

    async def _describe(self, census: asyncio.Task[Census]) -> Description:
        try:
            return await describe(self._source, self._target.wanted, self._target.keyring)
        except NeedsRepairFirst as needed:
            protection = needed.protection
            why = condemned(
                await census, None, protection.par2, protection.protected, protection.recovery_files
            )
            if why is not None:
                raise why from needed
            await self._mend(protection.par2, protection.protected, protection.recovery_files)
            return await describe(self._source, self._target.wanted, self._target.keyring)

    def _check(self, description: Description) -> None:
        film, limit = description.film, self._target.max_film_bytes
        if film.size_bytes > limit:
            raise ReleaseError(
                f"“{film.name}” has {film.size_bytes / 1e9:.1f} GB; allowed are {limit / 1e9:.1f} GB."
            )
        needed = sum(self._source.files[i].size_bytes for i in description.needed_files)
        if not film.as_posted and self._store.adopter(self._scratch):
            # The store takes its room from the same disk.
            needed += film.size_bytes
        reserve(self._scratch, needed)

    async def _fetch_and_publish(
        self, description: Description, publishing: Publication, census: asyncio.Task[Census]
    ) -> None:
        self._reporter.stage = "downloading"
        self._reporter.total_bytes = description.film.size_bytes
        self._reporter.done_bytes = lambda: publishing.landed_bytes
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(publishing.run(), name="publish")
                judge = tasks.create_task(_judge(description, census), name="judge")
                await self._fetch(description, publishing.land)
                judge.cancel()
                self._reporter.stage = "publishing"
                await self._listener.preparing()
        except ExceptionGroup as errors:
            raise _cause(errors) from errors

    async def _fetch(self, description: Description, land: Callable[[Landed], None]) -> None:
        lost = await self._fill(description.needed_files, land)
        if not lost:
            return
        log.info("film_has_holes", lost_bytes=lost)
        if description.par2 is None or not description.recovery_files:
            raise BytesLost(
                f"{lost / 1e6:.1f} MB of the release are gone from the news servers, "
                "and it brings nothing to mend them with."
            )
        self._reporter.stage = "repairing"
        await self._mend(description.par2, description.protected, description.recovery_files)
        for index in description.needed_files:
            if holes := self._source.holes(index):
                raise BytesLost(f"{sum(h.length for h in holes)} bytes could not be mended.")
            land(Landed(file=index, span=Span(0, self._source.files[index].size_bytes)))

    async def _fill(self, files: Sequence[int], land: Callable[[Landed], None] | None = None) -> int:
        """Bring these files; how many bytes of them are lost."""
        lost = 0
        async with aclosing(self._source.fill(files)) as outcomes:
            async for outcome in outcomes:
                if not isinstance(outcome, Landed):
                    lost += outcome.span.length
                elif land:
                    land(outcome)
        return lost

    async def _mend(
        self, par2: Par2Set, protected: Mapping[int, Par2File], volumes: Sequence[RecoveryFile]
    ) -> None:
        """Fetch the fewest recovery volumes that suffice, and repair. Raises what `repair` raises."""
        await self._fill(sorted(protected))
        needed = needed_blocks(par2, protected, self._source.holes)
        chosen = [volume.file for volume in choose_volumes(volumes, needed)]
        everything = [volume.file for volume in volumes]
        while True:
            await self._fill(chosen)
            try:
                mended = await repair(
                    self._source, Job(par2=par2, protected=protected, recovery=chosen), self._scratch
                )
            except NotEnoughBlocks:
                # A chosen volume may have holes itself: then the others must do.
                if len(chosen) == len(everything):
                    raise
                chosen = everything
            else:
                log.info("mended", blocks=needed, volumes=len(chosen), files=len(mended))
                return

    async def _write_sidecar(self, description: Description) -> None:
        film = description.film
        facts = self._target.sidecar | {
            "file_name": film.name,
            "size_bytes": film.size_bytes,
            "container": description.container,
            "content_type": description.content_type,
        }
        data = msgspec.json.format(msgspec.json.encode(facts), indent=2)
        await self._store.put(f"{self._target.prefix}movie.json", data, content_type="application/json")


async def _judge(description: Description, census: asyncio.Task[Census]) -> None:
    """Raises `BytesLost` as soon as it is certain that the film can't be had."""
    why = condemned(
        await asyncio.shield(census),
        description.film,
        description.par2,
        description.protected,
        description.recovery_files,
    )
    if why is not None:
        raise why


async def _end(census: asyncio.Task[Census]) -> None:
    census.cancel()
    await asyncio.wait([census])
    if not census.cancelled() and (error := census.exception()) is not None:
        # Only a stopped engine fails a census, and that the fill has told as well.
        log.info("census_failed", error=str(error))


def _cause(group: ExceptionGroup[Exception]) -> Exception:
    """What to tell of several errors: one that has a sentence for people if there is one, else the first."""
    leaves = list(_leaves(group))
    return next((leaf for leaf in leaves if isinstance(leaf, DownloaderError)), leaves[0])


def _leaves(group: ExceptionGroup[Exception]) -> Iterator[Exception]:
    for error in group.exceptions:
        if isinstance(error, ExceptionGroup):
            yield from _leaves(cast("ExceptionGroup[Exception]", error))
        else:
            yield error
