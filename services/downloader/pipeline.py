"""One attempt at one film: open → describe → fetch (and publish on the way) → repair if needed → done.

What extents can't express takes the slow road: fetch → repair → unpack → publish.

Knows neither the bus nor Usenet: it is given a source, a store, and someone to tell.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import aclosing
from functools import partial
from pathlib import Path
from typing import Protocol, cast

import msgspec
import structlog

from libs.common.events import Film
from libs.common.media import Media
from libs.common.objects import ObjectStore, StoreError
from libs.common.settings import Publish
from services.downloader.archives.locks import Keyring
from services.downloader.choose import Wanted
from services.downloader.describe import Description, Needs, NeedsRepairFirst, NeedsUnpacking, describe
from services.downloader.errors import BytesLost, DownloaderError, ReleaseError, ScratchFull, StorageFailed
from services.downloader.extents import Coverage, Extent, VirtualFile
from services.downloader.foresight import first_files, foresee
from services.downloader.kinds import CONTENT_TYPES, container_of
from services.downloader.media.publication import Premiere
from services.downloader.media.theatre import Theatre
from services.downloader.progress import Reporter
from services.downloader.publish import Progressive, Publication, Streaming, progressive
from services.downloader.repair.blocks import NotEnoughBlocks, RecoveryFile, choose_volumes, needed_blocks
from services.downloader.repair.checking import contradicted
from services.downloader.repair.hearing import Hearing
from services.downloader.repair.packets import Par2File, Par2Set
from services.downloader.repair.program import Job, Mended, repair
from services.downloader.room import SPARE_BYTES, reserve
from services.downloader.source import Census, Landed, Source, Span
from services.downloader.unpack.film import Terms, film_in, prove_allowed, working_bytes
from services.downloader.unpack.tool import unpacker
from services.downloader.verdict import condemned

log = structlog.get_logger(__name__)


class Listener(Protocol):
    """Who is told, and who may stop it by raising."""

    async def foreseen(self, description: Description) -> None:
        """What `described` will tell, most likely; its film can be read, and is proven as it is."""
        ...

    async def described(self, description: Description) -> Theatre | None:
        """Gives who can prepare the film for browsers, if anybody can."""
        ...

    async def packed(self, name: str, size_bytes: int, container: str) -> None:
        """The film is known, and can't be played before it is unpacked."""
        ...

    async def preparing(self) -> None:
        """Every byte of the film is verified, packed or not."""
        ...

    async def check_fence(self) -> None:
        """Asked before anything in the store is deleted or replaced: raise if this attempt is over."""
        ...


class _Remade(Exception):
    """What has been published or shown of the film wasn't right; now all of it is: it is published anew."""


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """Where the film goes, and what is written beside it."""

    prefix: str
    sidecar: dict[str, object]
    wanted: Wanted | None = None
    """Which film of several it is."""
    keyring: Keyring = msgspec.field(default_factory=Keyring)
    """What its archives may be encrypted with."""
    max_film_bytes: int
    publish: Publish = "browser"


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
        self._mended_first = False

    async def run(self) -> Film:
        """The published film. Raises a `DownloaderError`; then nothing of it is left in the store."""
        try:
            return await self._run()
        except StoreError as error:
            raise StorageFailed(str(error)) from error

    async def _run(self) -> Film:
        await self._listener.check_fence()
        try:
            async with asyncio.TaskGroup() as tasks:
                # What an earlier attempt left would be found under the same key.
                tasks.create_task(self._store.delete_prefix(self._target.prefix), name="tidy")
                await self._open()
        except ExceptionGroup as errors:
            raise _cause(errors) from errors
        census = asyncio.create_task(self._source.census(), name="census")
        try:
            return await self._make(census)
        finally:
            await _end(census)

    async def _open(self) -> None:
        """With the film on the screen as soon as it can be foreseen."""
        if first := first_files(self._source.files):
            await self._source.open_first(first)
            foreseen = await foresee(self._source)
            if foreseen and foreseen.film.size_bytes <= self._target.max_film_bytes:
                await self._listener.foreseen(foreseen)
        await self._source.open()

    async def _make(self, census: asyncio.Task[Census]) -> Film:
        try:
            description = await self._describe(census)
        except NeedsUnpacking as needed:
            return await self._make_unpacked(needed, census)
        self._check(description)
        theatre = await self._listener.described(description)
        publishing = await self._publication(description, theatre)
        try:
            film = await self._stored(publishing, self._fetch_and_publish(description, publishing, census))
        except _Remade:
            if theatre:
                theatre.show_again()
            publishing = await self._publication(description, theatre)
            film = await self._stored(publishing, self._fetch_and_publish(description, publishing, census))
        media = (await theatre.look()).media if theatre else None
        await self._write_sidecar(description.film.name, film, media)
        return film

    async def _publication(self, description: Description, theatre: Theatre | None) -> Progressive:
        film, container = description.film, description.container
        may_lay_out = film.as_posted and not self._mended_first
        laid_out = await self._source.lay_out(film) if may_lay_out else None

        def as_it_is(name: str) -> Awaitable[Progressive]:
            key = f"{self._target.prefix}{name}.{container}"
            return progressive(film, self._source, self._store, key, CONTENT_TYPES[container], laid_out)

        if theatre is None:
            return await as_it_is("movie")
        return Premiere(
            film,
            theatre,
            self._store,
            self._target.prefix,
            as_it_is=as_it_is,
            publish=self._target.publish,
            find_room=partial(self._find_room, description),
        )

    async def _make_unpacked(self, needed: NeedsUnpacking, census: asyncio.Task[Census]) -> Film:
        """The slow road: everything is fetched before the first byte of the film is known."""
        packed, limit = needed.packed, self._target.max_film_bytes
        prove_allowed(packed, limit)
        # Before gigabytes are fetched in vain.
        unpacker()
        self._reserve(needed.needs, packed.unpacked_bytes, working_bytes(self._source, packed))
        if film := packed.film:
            await self._listener.packed(film.name, film.size_bytes, container_of(film.name, b"") or "")
        await self._bring(needed.needs, census)
        await self._listener.preparing()
        self._reporter.stage = "unpacking"
        self._reporter.total_bytes = packed.unpacked_bytes
        self._reporter.done_bytes = lambda: 0
        terms = Terms(
            wanted=self._target.wanted,
            keyring=self._target.keyring,
            scratch=self._scratch,
            spare_bytes=SPARE_BYTES,
            max_bytes=limit,
        )
        async with film_in(self._source, packed, terms) as unpacked:
            size_bytes, container = unpacked.size_bytes, unpacked.container
            if not film:
                await self._listener.packed(unpacked.name, size_bytes, container)
            upload = await self._store.start_upload(
                self._key(container), size_bytes=size_bytes, content_type=CONTENT_TYPES[container]
            )
            publishing = Streaming(unpacked.pieces, upload)
            stored = await self._stored(publishing, self._stream(publishing, size_bytes))
        await self._write_sidecar(unpacked.name, stored, None)
        return stored

    async def _bring(self, needs: Needs, census: asyncio.Task[Census]) -> None:
        """Every byte of the needed files, fetched or mended."""
        sizes = {file: self._source.files[file].size_bytes for file in needs.needed_files}
        everything = VirtualFile("", [Extent(file, 0, size_bytes) for file, size_bytes in sizes.items()])
        coverage = Coverage(everything)
        self._reporter.stage = "downloading"
        self._reporter.total_bytes = everything.size_bytes
        self._reporter.done_bytes = lambda: coverage.landed_bytes
        try:
            async with asyncio.TaskGroup() as tasks:
                judge = tasks.create_task(_judge(needs, everything, census), name="judge")
                await self._fetch(needs, coverage.land)
                judge.cancel()
        except ExceptionGroup as errors:
            raise _cause(errors) from errors

    async def _stream(self, publishing: Streaming, size_bytes: int) -> None:
        self._reporter.total_bytes = size_bytes
        self._reporter.done_bytes = lambda: publishing.landed_bytes
        try:
            await publishing.run()
        except ExceptionGroup as errors:
            raise _cause(errors) from errors

    async def _stored(self, publishing: Publication, work: Awaitable[None]) -> Film:
        """The film in the store, once the work of publishing is done; or nothing of it."""
        try:
            await work
            await self._listener.check_fence()
            return await publishing.complete()
        except BaseException:
            await publishing.abort()
            raise

    def _key(self, container: str) -> str:
        return f"{self._target.prefix}movie.{container}"

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
            reserve(self._scratch, sum(file.size_bytes for file in protection.protected.values()))
            await self._mend(protection.par2, protection.protected, protection.recovery_files)
            # All of it is in posted files now: to lay the film out as well would take the room twice.
            self._mended_first = True
            return await describe(self._source, self._target.wanted, self._target.keyring)

    def _check(self, description: Description) -> None:
        film, limit = description.film, self._target.max_film_bytes
        if film.size_bytes > limit:
            raise ReleaseError(
                f"“{film.name}” has {film.size_bytes / 1e9:.1f} GB; allowed are {limit / 1e9:.1f} GB."
            )
        self._reserve(description, self._copied_bytes(film))

    def _copied_bytes(self, film: VirtualFile) -> int:
        """What publishing the film as it came takes beside the spool."""
        return film.size_bytes if self._mended_first or not film.as_posted else 0

    def _find_room(self, description: Description, prepared_bytes: int) -> None:
        """Reserves so much for the prepared form. Raises `ScratchFull`; then nothing more is reserved."""
        as_it_is = self._copied_bytes(description.film)
        kept = as_it_is if self._target.publish == "both" else 0
        try:
            self._reserve(description, prepared_bytes + kept)
        except ScratchFull:
            self._reserve(description, as_it_is)
            raise

    def _reserve(self, needs: Needs, stored_bytes: int, working_bytes: int = 0) -> None:
        """`stored_bytes`: what the store will take for a copy, from the same disk if it is near."""
        needed = sum(self._source.files[i].size_bytes for i in needs.needed_files) + working_bytes
        reserve(self._scratch, needed + (stored_bytes if self._store.adopter(self._scratch) else 0))

    async def _fetch_and_publish(
        self, description: Description, publishing: Progressive, census: asyncio.Task[Census]
    ) -> None:
        self._reporter.stage = "downloading"
        self._reporter.total_bytes = description.film.size_bytes
        self._reporter.done_bytes = lambda: publishing.landed_bytes
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(publishing.run(), name="publish")
                judge = tasks.create_task(_judge(description, description.film, census), name="judge")
                if await self._fetch(description, publishing.land):
                    raise _Remade
                judge.cancel()
                self._reporter.stage = "publishing"
                self._reporter.done_bytes = lambda: publishing.stored_bytes
                await self._listener.preparing()
        except ExceptionGroup as errors:
            raise _cause(errors) from errors

    async def _fetch(self, needs: Needs, land: Callable[[Landed], None]) -> bool:
        """Brings what is needed, every byte as it should be; whether some that had landed were not."""
        lost = await self._fill(needs.needed_files, land)
        wrong = self._contradicted(needs)
        if not lost and not wrong:
            return False
        log.info("film_has_holes", lost_bytes=lost, wrong_files=len(wrong))
        if needs.par2 is None or not needs.recovery_files:
            gone = f"{lost / 1e6:.1f} MB of the release are gone from the news servers"
            trouble = gone if lost else "The release isn't what was to be posted"
            raise BytesLost(f"{trouble}, and it brings nothing to mend it with.")
        mended = await self._mend(needs.par2, needs.protected, needs.recovery_files)
        for index in needs.needed_files:
            if holes := self._source.holes(index):
                raise BytesLost(f"{sum(h.length for h in holes)} bytes could not be mended.")
            land(Landed(file=index, span=Span(0, self._source.files[index].size_bytes)))
        return not mended.rewritten.isdisjoint(needs.needed_files)

    def _contradicted(self, needs: Needs) -> list[int]:
        if needs.par2 is None:
            return []
        return contradicted(needs.needed_files, needs.par2, needs.protected, self._source.crc32)

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
    ) -> Mended:
        """Fetch the fewest volumes that suffice, and repair: which files. Raises what `repair` does."""
        await self._fill(sorted(protected))
        needed = needed_blocks(par2, protected, self._source.holes)
        chosen = [volume.file for volume in choose_volumes(volumes, needed)]
        everything = [volume.file for volume in volumes]
        while True:
            await self._fill(chosen)
            hearing = self._hear_of(par2)
            try:
                mended = await repair(
                    self._source, Job(par2=par2, protected=protected, recovery=chosen), self._scratch, hearing
                )
            except NotEnoughBlocks as lacking:
                # A chosen volume may have holes itself: then the others must do.
                if len(chosen) == len(everything):
                    raise
                fewest = choose_volumes(volumes, lacking.missing)
                chosen = everything if chosen else [volume.file for volume in fewest]
            else:
                log.info("mended", blocks=needed, volumes=len(chosen), files=len(mended.files))
                return mended

    def _hear_of(self, par2: Par2Set) -> Hearing:
        """Of a repair that begins now; its share is the progress."""
        hearing, total_bytes = Hearing(), sum(f.size_bytes for f in par2.files.values())
        self._reporter.stage = "repairing"
        self._reporter.total_bytes = total_bytes
        self._reporter.done_bytes = lambda: int(hearing.share * total_bytes)
        return hearing

    async def _write_sidecar(self, name: str, film: Film, media: Media | None) -> None:
        """`media`: what was found inside the film as it came, whatever it was made into."""
        facts = self._target.sidecar | {
            "file_name": name,
            "size_bytes": film.size_bytes,
            "container": film.key.rpartition(".")[2],
            "content_type": film.content_type,
        }
        if media:
            facts["media"] = msgspec.to_builtins(media)
        data = msgspec.json.format(msgspec.json.encode(facts), indent=2)
        await self._store.put(f"{self._target.prefix}movie.json", data, content_type="application/json")


async def _judge(needs: Needs, wanted: VirtualFile, census: asyncio.Task[Census]) -> None:
    """Raises `BytesLost` as soon as it is certain that not all of these bytes can be had."""
    why = condemned(await asyncio.shield(census), wanted, needs.par2, needs.protected, needs.recovery_files)
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
