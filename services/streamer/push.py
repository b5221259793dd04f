"""Tells open pages how their jobs change, as it happens.

A subscriber has the newest view of each job it hasn't been told of, never a queue of old ones: a slow page
gets fewer, newer views. What it gets is in the order of the log, so the last sequence it saw says what it
missed.
"""

import asyncio
from collections.abc import Generator, Iterable, Sequence
from contextlib import contextmanager

import msgspec

from libs.common.bus import Stored
from libs.common.events import AttemptFailed, Failed, Ready
from libs.common.projection import Projection
from services.streamer.limits import TooMuch
from services.streamer.progress import ProgressBoard
from services.streamer.store import JobStore, Kept
from services.streamer.views import job_view

PROGRESS_EVERY_S = 0.25
MAX_SUBSCRIBERS = 200
MAX_OF_SESSION = 20
"""Subscribers of one session: a browser that forgets to close its own doesn't shut the others out."""
RETRY_AFTER_S = 10
MAX_PENDING = 1000
"""Views of a subscriber that waits; one that falls back further is cut off, and comes again by itself."""
BATCH = 200


class Update(msgspec.Struct, frozen=True, kw_only=True):
    """A job's view (JSON), and the sequence of the event that last changed the job."""

    job_id: str
    sequence: int
    view: bytes


class Subscriber:
    """One open page."""

    def __init__(self, job_id: str | None) -> None:
        """`job_id`: the one job it wants to hear of; None: all."""
        self.job_id = job_id
        self.is_closed = False
        self._pending: dict[str, Update] = {}
        self._news = asyncio.Event()

    def offer(self, update: Update) -> None:
        """Take in a view unless a newer one waits; one that says the same event anew keeps its place."""
        if self.job_id not in (None, update.job_id):
            return
        waiting = self._pending.get(update.job_id)
        if waiting and waiting.sequence > update.sequence:
            return
        if waiting and waiting.sequence < update.sequence:
            # To the end: what is taken out must be in the order of the log.
            del self._pending[update.job_id]
        self._pending[update.job_id] = update
        if len(self._pending) > MAX_PENDING:
            self.close()
        self._news.set()

    def begin(self, updates: Iterable[Update]) -> None:
        """Take in the present, which was read while changes already came in."""
        for update in updates:
            self.offer(update)
        self._pending = dict(sorted(self._pending.items(), key=lambda item: item[1].sequence))

    async def next(self, timeout_s: float) -> Update | None:
        """The oldest change not taken yet; None if there is none in this time, or it is closed."""
        if not self._pending and not self.is_closed:
            self._news.clear()
            try:
                async with asyncio.timeout(timeout_s):
                    await self._news.wait()
            except TimeoutError:
                return None
        if self.is_closed or not self._pending:
            return None
        return self._pending.pop(next(iter(self._pending)))

    def close(self) -> None:
        self.is_closed = True
        self._pending.clear()
        self._news.set()


class Push:
    def __init__(self, jobs: JobStore, board: ProgressBoard, projection: Projection) -> None:
        self._jobs = jobs
        self._board = board
        self._projection = projection
        self._subscribers: dict[Subscriber, str] = {}
        """Each with its session."""
        self._applied = asyncio.Event()
        self._told: int | None = None
        self._is_closed = False

    @contextmanager
    def subscribe(self, job_id: str | None, session: str) -> Generator[Subscriber]:
        """A subscriber for as long as the block runs. Raises TooMuch."""
        of_session = sum(other == session for other in self._subscribers.values())
        if of_session >= MAX_OF_SESSION or len(self._subscribers) >= MAX_SUBSCRIBERS:
            raise TooMuch("Too many pages are open; close some of them.", retry_after_s=RETRY_AFTER_S)
        subscriber = Subscriber(job_id)
        if self._is_closed:
            subscriber.close()
        self._subscribers[subscriber] = session
        try:
            yield subscriber
        finally:
            del self._subscribers[subscriber]

    async def present(self, job_id: str | None, after: int | None) -> list[Update]:
        """What a page that comes is told first: the active jobs, or all that changed after a sequence.

        Of one job only if `job_id` is given, and then also when it is over.
        """
        if after is not None and after > self._projection.sequence:
            # Of another log than ours: nobody knows what this page has seen.
            after = None
        if job_id is not None:
            job = await self._jobs.job(job_id)
            return [self._update(job)] if job and job.sequence > (after or 0) else []
        if after is None:
            return [self._update(job) for job in await self._jobs.active(MAX_PENDING)]
        return [self._update(job) for job in await self._jobs.changed_after(after, MAX_PENDING)]

    def applied(self, batch: Sequence[Stored]) -> None:
        """Hears of every batch that the projection has applied."""
        if self._told is None and batch:
            # What was applied before is in the present that a page is told when it comes.
            self._told = batch[0].sequence - 1
        for message in batch:
            if isinstance(message.event, Ready | AttemptFailed | Failed):
                self._board.forget(message.event.job_id)
        self._applied.set()

    async def follow_jobs(self) -> None:
        """Tell every subscriber of every change of a job, for ever."""
        while True:
            await self._applied.wait()
            self._applied.clear()
            # The log can have been replaced by a shorter one.
            goal = self._projection.sequence
            after = goal if self._told is None else min(self._told, goal)
            if self._subscribers:
                await self._tell_changes(after)
            self._told = goal

    async def follow_progress(self) -> None:
        """Tell every subscriber of progress, at most so often, for ever."""
        while True:
            await asyncio.sleep(PROGRESS_EVERY_S)
            if changed := self._board.take_changed():
                await self._tell_progress(sorted(changed))

    def close(self) -> None:
        """End every subscription at once, and those to come."""
        self._is_closed = True
        for subscriber in self._subscribers:
            subscriber.close()

    async def _tell_changes(self, after: int) -> None:
        while changed := await self._jobs.changed_after(after, BATCH):
            self._tell(changed)
            after = changed[-1].sequence

    async def _tell_progress(self, job_ids: Sequence[str]) -> None:
        jobs = await self._jobs.some(job_ids)
        for job in jobs:
            if self._board.of(job.state) is None:
                self._board.forget(job.state.job_id)
        self._tell([job for job in jobs if self._board.of(job.state)])

    def _tell(self, jobs: Sequence[Kept]) -> None:
        for job in jobs if self._subscribers else ():
            update = self._update(job)
            for subscriber in self._subscribers:
                subscriber.offer(update)

    def _update(self, job: Kept) -> Update:
        view = job_view(job.state, self._board.of(job.state))
        return Update(job_id=job.state.job_id, sequence=job.sequence, view=msgspec.json.encode(view))
