"""The posted files of a release on Usenet: the `Source` that everything above reads from."""

import asyncio
from bisect import bisect_left
from collections import defaultdict
from collections.abc import AsyncGenerator, Collection, Iterable, Sequence
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import Final

import msgspec
import sabctools

from libs.common.ranges import Lying
from services.downloader.errors import BytesLost, DownloaderError
from services.downloader.source import (
    HEAD_BYTES,
    Census,
    FileCensus,
    Landed,
    Layout,
    Lost,
    PostedFile,
    Span,
    Urgency,
)
from services.downloader.usenet.articles import PartHeader, PartRefused, Parts, part_header
from services.downloader.usenet.census import PROOFS_ENOUGH, file_census, sample
from services.downloader.usenet.filling import Filling
from services.downloader.usenet.journal import Record
from services.downloader.usenet.lanes import Article, Inquiry, Missing, Outcome, Stopped
from services.downloader.usenet.naming import clean_name, name_in_subject
from services.downloader.usenet.nzb import Nzb, NzbFile
from services.downloader.usenet.pool import Engine
from services.downloader.usenet.requests import Place, Request, Requests
from services.downloader.usenet.spool import Spool
from services.downloader.usenet.survey import Surveyed
from services.downloader.usenet.uuencoded import bare_part, is_uuencoded

PROBES_MAX: Final = 4
"""Parts of one file that `open` tries until one tells the file's size."""
FILL_ARTICLES_MAX: Final = 512
"""What one fill asks for ahead: far more than all connections hold, far less than a release has."""
INLINE_READ_BYTES: Final = 64 * 1024
"""Longer reads from the spool are done on a thread."""


class UsenetSource:
    """Implements `services.downloader.source.Source` over news servers.

    Readers may come and go and be cancelled at any time. After an error new requests may work: a server that
    was down is tried again after half a minute, a full disk at once. The engine's thread and the loop's share
    only `Parts`, the engine's commands and its outcomes.
    """

    def __init__(self, nzb: Nzb, engine: Engine, spool: Path) -> None:
        """`engine`: serves this source alone. `spool`: a directory for this release alone, made if need be.

        What an earlier source of the same release left there is used again. Needs the running event loop.
        Raises `ScratchFull`.
        """
        self._loop = asyncio.get_running_loop()
        self._spool = Spool(spool, nzb.digest())
        self._posts = list(nzb.files)
        self._parts = [Parts([segment.number - 1 for segment in post.segments]) for post in nzb.files]
        self._files = [_as_claimed(index, post) for index, post in enumerate(nzb.files)]
        self._crcs: list[dict[int, int]] = [{} for _ in nzb.files]
        """Of each file's parts, by their slots: written by the engine's side, read once a file is filled."""
        self._names: dict[int, str] = {}
        self._known_names: set[str] = set()
        self._lost: defaultdict[int, dict[int, str]] = defaultdict(dict)
        self._holes: dict[int, tuple[Span, ...]] = {}
        self._engine = engine
        engine.serve(self._keep, self._deliver)
        self._requests = Requests(self._engine, [post.date for post in nzb.files])
        self._survey: asyncio.Future[Surveyed] | None = None
        self._is_resumed = False

    @property
    def files(self) -> Sequence[PostedFile]:
        return self._files

    @property
    def bytes_received(self) -> int:
        return self._engine.bytes_received

    @property
    def articles_fetched(self) -> int:
        return self._engine.articles_fetched

    @property
    def articles_missed(self) -> int:
        """Answers of "no such article", of all servers."""
        return self._engine.articles_missed

    @property
    def articles_bad(self) -> int:
        """Articles that came broken, counted each time they came."""
        return self._engine.articles_bad

    async def open(self) -> None:
        """See `Source.open`. Raises `BytesLost` if no server has any of the release."""
        await self._resume_once()
        everything = range(len(self._parts))
        await self._learn_of(everything)
        if not self._told(everything):
            raise BytesLost(f"no news server has this release ({self._any_reason()}); try another one")

    async def open_first(self, files: Collection[int]) -> None:
        await self._resume_once()
        await self._learn_of(files)

    async def _resume_once(self) -> None:
        if not self._is_resumed:
            self._is_resumed = True
            for record in await asyncio.to_thread(self._spool.resume):
                self._resume(record)

    async def _learn_of(self, files: Collection[int]) -> None:
        for probe in range(PROBES_MAX):
            await self._sweep(self._untold(files, probe))
        told = self._told(files)
        await self._sweep(
            [(file, slot) for file in told for slot in self._parts[file].needed(self._head_span(file))]
        )
        for file in told:
            self._learn(file)

    async def census(self) -> Census:
        """See `Source.census`. Raises if the engine has stopped."""
        if self._survey is None:
            self._survey = self._loop.create_future()
            self._engine.survey(self._inquiries(), self._is_there, self._surveyed)
        try:
            return await self._judged(await asyncio.shield(self._survey))
        finally:
            self._engine.end_survey()

    async def _judged(self, surveyed: Surveyed) -> Census:
        articles = sum(len(post.segments) for post in self._posts)
        # Of a part that is listed more than once only the first article is asked about.
        denied = [(inquiry.file, inquiry.slot) for inquiry in surveyed.missing]
        missing = [place for place in denied if not self._listed(place)[1:]]
        if await self._belied(missing):
            unknown = [FileCensus() for _ in self._posts]
            return Census(files=unknown, articles=articles, missing_articles=0, sure=False)
        slots: defaultdict[int, set[int]] = defaultdict(set)
        for file, slot in missing:
            slots[file].add(slot)
        return Census(
            files=[
                file_census(post, self._parts[file], self._files[file].size_bytes, slots[file])
                for file, post in enumerate(self._posts)
            ],
            articles=articles,
            missing_articles=len(missing),
            sure=surveyed.unknown == 0 and len(missing) == len(denied),
        )

    async def read(self, file: int, offset: int, length: int, urgency: Urgency) -> bytes:
        """See `Source.read`; after `open`. Raises ValueError for bytes outside the file."""
        await self._bring(file, offset, length, urgency)
        if length <= INLINE_READ_BYTES:
            return self._spool.read(file, offset, length)
        return await asyncio.to_thread(self._spool.read, file, offset, length)

    async def lying(self, file: int, offset: int, length: int, urgency: Urgency) -> Lying | None:
        await self._bring(file, offset, length, urgency)
        return self._spool.lying(file, offset, length)

    async def _bring(self, file: int, offset: int, length: int, urgency: Urgency) -> None:
        size_bytes = self._files[file].size_bytes
        if offset < 0 or length < 0 or offset + length > size_bytes:
            raise ValueError(f"no {length} bytes at {offset} in a file of {size_bytes}")
        while slots := self._parts[file].needed(Span(offset, offset + length)):
            for slot in slots:
                self._refuse_if_lost((file, slot))
            await self._sweep([(file, slot) for slot in slots], urgency)

    async def fill(self, files: Sequence[int]) -> AsyncGenerator[Landed | Lost]:
        """See `Source.fill`."""
        filling = Filling(self._parts, files, self._finish, self._reason)
        absent = filling.absent()
        for event in filling.already_there():
            yield event
        with self._requests.request(Urgency.FILL) as request:
            while True:
                settled: list[Place] = []
                if len(request.awaited) < FILL_ARTICLES_MAX // 2:
                    settled = self._take_up(request, list(islice(absent, FILL_ARTICLES_MAX // 2)))
                if not settled and request.awaited:
                    settled = [await request.settled()]
                if not settled:
                    return
                for place in settled:
                    for event in filling.settled(place):
                        yield event

    def expect(self, name: str, size_bytes: int) -> int:
        index = len(self._files)
        self._posts.append(NzbFile(subject="", poster="", date=0, groups=(), segments=()))
        self._parts.append(Parts.of_nothing(size_bytes))
        self._crcs.append({})
        self._files.append(PostedFile(index=index, subject="", name=name, size_bytes=size_bytes))
        self._holes[index] = (Span(0, size_bytes),)
        return index

    def holes(self, file: int) -> Sequence[Span]:
        return self._holes.get(file, ())

    def path(self, file: int) -> Path:
        return self._spool.path(file)

    def crc32(self, file: int) -> int | None:
        crcs, parts = self._crcs[file], self._parts[file]
        crc = end = 0
        for slot in sorted(crcs):
            span = parts.landed(slot)
            if span is None or span.start != end:
                return None
            crc, end = sabctools.crc32_combine(crc, crcs[slot], span.length), span.end
        return crc if end == parts.size_bytes else None

    async def lay_out(self, film: Layout) -> Path:
        await asyncio.to_thread(self._spool.lay_out, film, range(len(self._files)))
        return self._spool.film_path

    async def spooled(self, file: int, span: Span) -> bytes:
        return await asyncio.to_thread(self._spool.read, file, span.start, span.length)

    async def mend(self, file: int, offset: int, data: bytes) -> None:
        await asyncio.to_thread(self._spool.mend, file, offset, data)

    async def mended(self, file: int, size_bytes: int) -> None:
        # Of a file of which nothing had arrived, only the mended one tells the true size.
        await asyncio.to_thread(self._spool.complete, file, size_bytes)
        self._files[file] = msgspec.structs.replace(self._files[file], size_bytes=size_bytes)
        self._parts[file].mend(size_bytes)
        self._crcs[file].clear()
        self._holes.pop(file, None)
        self._lost.pop(file, None)

    async def close(self) -> None:
        """Whoever still waits gets a `DownloaderError`. The thread and its sockets are gone within 2 s."""
        self._stop(DownloaderError("the download was stopped"))
        await asyncio.to_thread(self._engine.close)
        self._spool.close()

    def _keep(self, article: Article, response: sabctools.NNTPResponse) -> Span:
        """Check an article's answer and write it. On the engine's thread."""
        self._check_name(article.file, response)
        parts = self._parts[article.file]
        if is_uuencoded(response):
            part = bare_part(response)
            span, file_bytes = parts.place_bare(article.slot, part.length, begins=part.begins, ends=part.ends)
        else:
            header = part_header(response)
            span, file_bytes = parts.place(article.slot, header), header.file_bytes
        is_told = article.file in self._names and article.slot
        record = Record(
            article.file,
            article.slot,
            span.start,
            span.length,
            file_bytes or span.end,
            None if is_uuencoded(response) else response.crc,
            "" if is_told else clean_name(response.file_name or ""),
        )
        self._spool.write(record, response.data or b"")
        self._take_note(record, span, file_bytes)
        return span

    def _resume(self, record: Record) -> None:
        """An article that an earlier instance fetched and wrote."""
        header = PartHeader(record.file_bytes, record.start, record.start + record.length)
        # What the NZB no longer lists, or what contradicts the rest, is fetched as if it weren't there.
        if record.file < len(self._parts):
            with suppress(PartRefused):
                span = self._parts[record.file].place(record.slot, header)
                self._take_note(record, span, record.file_bytes)

    def _take_note(self, record: Record, span: Span, file_bytes: int | None) -> None:
        if record.name or record.file not in self._names:
            self._names[record.file] = record.name
            self._known_names.add(record.name)
        if record.crc is not None:
            self._crcs[record.file][record.slot] = record.crc
        self._parts[record.file].record(record.slot, span, file_bytes)

    def _check_name(self, file: int, response: sabctools.NNTPResponse) -> None:
        """Raises `PartRefused` for a part of another file of this release: volumes have one size and the same
        cuts, and a server that is out of step need not say which article it answers with.
        """
        name = clean_name(response.file_name or "")
        if name != self._names.get(file, name) and name in self._known_names:
            raise PartRefused(f"the article belongs to another file, “{name}”")

    def _deliver(self, outcomes: list[Outcome]) -> None:
        """Hand the engine's results to the loop, a turn's at once. On the engine's thread."""
        # The loop may be closed by now: then nobody waits for anything.
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._take_in, outcomes)

    def _stop(self, error: DownloaderError) -> None:
        self._requests.stop(error)
        if self._survey is not None and not self._survey.done():
            self._survey.set_exception(error)
            # Looked at, so that it is no loss if nobody waits.
            self._survey.exception()

    def _take_in(self, outcomes: list[Outcome]) -> None:
        for outcome in outcomes:
            if isinstance(outcome, Stopped):
                self._stop(outcome.error)
                continue
            if isinstance(outcome, Missing):
                if (other := self._another(outcome.article)) is not None:
                    self._requests.instead(outcome.article, other)
                    continue
                self._lost[outcome.article.file][outcome.article.slot] = outcome.reason
            self._requests.settle(outcome)

    def _inquiries(self) -> list[Inquiry]:
        return [
            Inquiry(file, segment.number - 1, segment.message_id, post.date)
            for file, post in enumerate(self._posts)
            for segment in post.segments
        ]

    def _is_there(self, inquiry: Inquiry) -> bool:
        return self._parts[inquiry.file].landed(inquiry.slot) is not None

    def _surveyed(self, surveyed: Surveyed) -> None:
        """Hand the answers to the loop. On the engine's thread."""
        # The loop may be closed by now: then nobody waits for them.
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._take_answers, surveyed)

    def _take_answers(self, surveyed: Surveyed) -> None:
        if self._survey is not None and not self._survey.done():
            self._survey.set_result(surveyed)

    async def _belied(self, missing: Sequence[Place]) -> bool:
        """Whether any of what the servers denied can be had from them all the same."""
        proofs = sample(missing)
        try:
            with self._requests.request(Urgency.DESCRIBE) as request:
                answered = len(self._take_up(request, proofs))
                while request.awaited and answered < PROOFS_ENOUGH:
                    await request.settled()
                    answered += 1
        except DownloaderError:
            return True
        return any(self._parts[file].landed(slot) is not None for file, slot in missing)

    async def _sweep(self, places: Iterable[Place], urgency: Urgency = Urgency.DESCRIBE) -> None:
        with self._requests.request(urgency) as request:
            self._take_up(request, places)
            while request.awaited:
                await request.settled()

    def _take_up(self, request: Request, places: Iterable[Place]) -> list[Place]:
        """Ask for those that may still come; gives those that are there or lost already."""
        settled: list[Place] = []
        wanted: list[tuple[Place, str]] = []
        for place in places:
            file, slot = place
            listed = self._listed(place)
            if not listed or slot in self._lost[file] or self._parts[file].landed(slot) is not None:
                settled.append(place)
            else:
                wanted.append((place, listed[0]))
        request.add(wanted)
        return settled

    def _another(self, article: Article) -> str | None:
        """The message-id to try after this one has been lost."""
        listed = self._listed((article.file, article.slot))
        after = listed.index(article.message_id) + 1
        return listed[after] if after < len(listed) else None

    def _listed(self, place: Place) -> tuple[str, ...]:
        """The message-ids of a part, in the order in which they are tried."""
        file, slot = place
        segments = self._posts[file].segments
        index = bisect_left(segments, slot + 1, key=lambda segment: segment.number)
        if index == len(segments) or segments[index].number != slot + 1:
            return ()
        return segments[index].message_id, *segments[index].others

    def _reason(self, place: Place) -> str:
        """Why this part can't be had."""
        file, slot = place
        return self._lost[file].get(slot, "the NZB doesn't list it")

    def _refuse_if_lost(self, place: Place) -> None:
        file, slot = place
        if slot in self._lost[file] or not self._listed(place):
            raise BytesLost(f"part {slot + 1} of posted file {file + 1} can't be had ({self._reason(place)})")

    def _untold(self, files: Iterable[int], probe: int) -> list[Place]:
        """The next part to try of each of these files that hasn't told its size yet."""
        untold = [file for file in files if self._parts[file].size_bytes is None]
        probes = ((file, self._parts[file].telling(probe)) for file in untold)
        return [(file, slot) for file, slot in probes if slot is not None]

    def _told(self, files: Iterable[int]) -> list[int]:
        return [file for file in files if self._parts[file].size_bytes is not None]

    def _any_reason(self) -> str:
        return next(
            (reason for lost in self._lost.values() for reason in lost.values()), "nothing to ask for"
        )

    def _head_span(self, file: int) -> Span:
        return Span(0, min(HEAD_BYTES, self._parts[file].size_bytes or 0))

    def _learn(self, file: int) -> None:
        """Bring the file's entry up to what its parts have told."""
        parts = self._parts[file]
        gaps = parts.gaps()
        head_bytes = min(HEAD_BYTES, gaps[0].start if gaps else parts.size_bytes or 0)
        self._files[file] = msgspec.structs.replace(
            self._files[file],
            size_bytes=parts.size_bytes,
            name=self._names.get(file) or self._files[file].name,
            head=self._spool.read(file, 0, head_bytes) if head_bytes else b"",
        )

    def _finish(self, file: int) -> Sequence[Span]:
        """Every part of the file is there or lost: settle its size and its holes."""
        parts = self._parts[file]
        if parts.size_bytes is not None and parts.size_bytes != self._files[file].size_bytes:
            self._learn(file)
        size_bytes = self._files[file].size_bytes
        self._holes[file] = tuple(parts.gaps(size_bytes))
        self._spool.complete(file, size_bytes)
        return self._holes[file]


def _as_claimed(index: int, post: NzbFile) -> PostedFile:
    # Never nothing: a file of which nothing can be had must show a hole.
    claimed = max(sum(segment.claimed_bytes for segment in post.segments), 1)
    return PostedFile(
        index=index, subject=post.subject, name=name_in_subject(post.subject), size_bytes=claimed
    )
