"""Jobs that nobody works on, though the log says that they are worked on: their release is queued again.

It takes a message that was lost: acknowledged by an instance that no longer held it, or gone with a broker
whose disk was restored. Without this such a job would be shown as downloading for ever.
"""

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta

import msgspec
import structlog

from libs.common.bus import Bus
from libs.common.errors import BusError, ErrorCode
from libs.common.events import Failed, JobEvent, Progress, Queued, decode
from libs.common.joblog import job_state
from libs.common.jobs import LONGEST_RETRY_S, MAX_FAILURES_KEPT, JobState, Phase, event_id
from libs.common.streams import DOWNLOADS, JANITOR, JOBS, PROGRESS, SCHEDULE_ROOT
from services.janitor.store import Ledger

log = structlog.get_logger(__name__)

LOOK_EVERY_S = 3600.0
RETRY_S = 60.0
SILENT = timedelta(minutes=10)
"""So long a job that an instance works on says nothing at most."""
WAITS = SILENT + timedelta(seconds=LONGEST_RETRY_S)
"""By then the longest delay after a failure is over."""


def is_silent(state: JobState, now: datetime) -> bool:
    """Whether its last word is older than anything that may still come by itself."""
    if state.updated_at is None or state.pick is None or state.title is None:
        return False
    if state.phase is Phase.WAITING:
        return now - state.updated_at > WAITS
    at_work = state.phase in (Phase.QUEUED, Phase.DOWNLOADING, Phase.PREPARING)
    return at_work and now - state.updated_at > SILENT


class Stuck:
    def __init__(self, bus: Bus, ledger: Ledger, now: Callable[[], datetime]) -> None:
        self._bus = bus
        self._ledger = ledger
        self._now = now

    async def run(self) -> None:
        """Look now and every hour. Start it once the ledger has caught up with the log."""
        while True:
            pause_s = LOOK_EVERY_S
            try:
                await self.look()
            except BusError as error:
                log.warning("look_failed", error=str(error))
                pause_s = RETRY_S
            await asyncio.sleep(pause_s)

    async def look(self) -> int:
        """Queue again what is stuck; how many jobs. Raises BusUnavailable."""
        silent = [state for state in await self._ledger.undecided() if is_silent(state, self._now())]
        # An instance at work, or a failure not yet decided on, may be one of theirs.
        if not silent or await self._bus.backlog(DOWNLOADS) or await self._bus.backlog(JANITOR):
            return 0
        found = 0
        for state in silent:
            # The ledger may be a moment behind.
            fresh = await job_state(self._bus, state.job_id)
            if is_silent(fresh, self._now()) and not await self._will_go_on(fresh):
                await self._bus.publish(self._next(fresh))
                log.warning("stuck", job_id=fresh.job_id, phase=fresh.phase.value, attempt=fresh.attempt)
                found += 1
        return found

    async def _will_go_on(self, state: JobState) -> bool:
        """Whether a retry is scheduled, or an instance tells progress though its message is gone."""
        if await self._bus.last(JOBS, f"{SCHEDULE_ROOT}.jobs.{state.job_id}.queued"):
            return True
        told = await self._bus.last(PROGRESS, f"progress.{state.job_id}")
        if told is None:
            return False
        try:
            return self._now() - decode(told.data, Progress).at < SILENT
        except msgspec.DecodeError:
            return False

    def _next(self, state: JobState) -> JobEvent:
        """The same release once more, unless there have been more attempts than any job is given."""
        if state.attempt >= MAX_FAILURES_KEPT or state.pick is None or state.title is None:
            return Failed(
                id=event_id(state.job_id, "failed", state.attempt),
                at=self._now(),
                job_id=state.job_id,
                attempt=state.attempt,
                code=ErrorCode.JOB_ERROR.value,
                message="Its downloads were lost again and again; the downloader's log may say why.",
            )
        attempt = state.attempt + 1
        return Queued(
            id=event_id(state.job_id, "queued", attempt),
            at=self._now(),
            job_id=state.job_id,
            attempt=attempt,
            pick=state.pick,
            alternatives=state.alternatives,
            title=state.title,
        )
