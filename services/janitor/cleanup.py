"""Deletes films whose time is over, and never loses the intention.

The order is Expired, delete, Deleted: after a crash anywhere in between the ledger still says `expired`, and
the rest is done at the next start. What can't be deleted is tried again, later each time.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import datetime

import msgspec
import structlog

from libs.common.bus import Bus
from libs.common.errors import BusError
from libs.common.events import Deleted, Expired
from libs.common.jobs import JobState, Phase, event_id, film_prefix
from libs.common.objects import ObjectStore, StoreError
from services.janitor import alerts
from services.janitor.retention import Reason, due, next_due
from services.janitor.store import Ledger

log = structlog.get_logger(__name__)

FIRST_RETRY_S = 2.0
LONGEST_RETRY_S = 600.0
LONGEST_PAUSE_S = 60.0
"""The clock is looked at this often at least: it may have been set while we slept."""
SHORTEST_PAUSE_S = 0.2


class _Failing(msgspec.Struct):
    tries: int
    not_before: float
    """On the monotonic clock."""


class Cleaner:
    def __init__(
        self,
        bus: Bus,
        store: ObjectStore,
        ledger: Ledger,
        *,
        unwatched_days: float,
        applied: Callable[[int], Awaitable[None]],
        now: Callable[[], datetime],
    ) -> None:
        """`applied(sequence)` returns once the ledger knows that message, or raises TimeoutError."""
        self._bus = bus
        self._store = store
        self._ledger = ledger
        self._unwatched_days = unwatched_days
        self._applied = applied
        self._now = now
        self._wake = asyncio.Event()
        self._failing: dict[str, _Failing] = {}

    def wake(self) -> None:
        """The ledger changed."""
        self._wake.set()

    async def run(self) -> None:
        """Delete what is due, for ever. Start it once the ledger has caught up with the log."""
        while True:
            self._wake.clear()
            pause_s = LONGEST_PAUSE_S
            try:
                pause_s = await self._round()
            except (BusError, TimeoutError) as error:
                log.warning("cleanup_waits", error=type(error).__name__)
                pause_s = FIRST_RETRY_S
            await asyncio.sleep(SHORTEST_PAUSE_S)
            with suppress(TimeoutError):
                async with asyncio.timeout(pause_s):
                    await self._wake.wait()

    async def erase(self, job_id: str) -> bool:
        """Delete everything of a job. False if it can't be done now: then `run` tries it again."""
        failing = self._failing.get(job_id)
        if failing and time.monotonic() < failing.not_before:
            return False
        try:
            deleted = await self._store.delete_prefix(film_prefix(job_id))
        except StoreError as error:
            await self._note_failure(job_id, error)
            return False
        self._failing.pop(job_id, None)
        log.info("erased", job_id=job_id, objects=deleted)
        return True

    async def _round(self) -> float:
        """One look at everything; seconds until the next is worth while."""
        films = await self._ledger.films()
        for state in films:
            if state.phase is Phase.EXPIRED:
                await self._delete(state.job_id)
            elif reason := due(state, self._unwatched_days, self._now()):
                await self._expire(state, reason)
                await self._delete(state.job_id)
        for job_id in set(self._failing) - {state.job_id for state in films}:
            await self.erase(job_id)
        return self._pause_s(films)

    def _pause_s(self, films: list[JobState]) -> float:
        moments = [next_due(state, self._unwatched_days) for state in films]
        waits = [(at - self._now()).total_seconds() for at in moments if at]
        waits += [failing.not_before - time.monotonic() for failing in self._failing.values()]
        return max(0.0, min([*waits, LONGEST_PAUSE_S]))

    async def _expire(self, state: JobState, reason: Reason) -> None:
        expired = Expired(
            id=event_id(state.job_id, "expired"), at=self._now(), job_id=state.job_id, reason=reason
        )
        await self._applied(await self._bus.publish(expired))
        log.info("expired", job_id=state.job_id, reason=reason)

    async def _delete(self, job_id: str) -> None:
        if await self.erase(job_id):
            deleted = Deleted(id=event_id(job_id, "deleted"), at=self._now(), job_id=job_id)
            await self._applied(await self._bus.publish(deleted))

    async def _note_failure(self, job_id: str, error: StoreError) -> None:
        failing = self._failing.setdefault(job_id, _Failing(tries=0, not_before=0.0))
        delay_s = min(FIRST_RETRY_S * 2**failing.tries, LONGEST_RETRY_S)
        failing.tries = min(failing.tries + 1, 30)
        failing.not_before = time.monotonic() + delay_s
        log.warning("not_deleted", job_id=job_id, error=str(error), next_try_s=delay_s)
        # Told once per job, not at every try.
        if failing.tries == 1:
            await self._bus.publish(alerts.not_deleted(job_id, f"{error}.", self._now()))
        self.wake()
