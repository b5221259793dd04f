"""What follows a failure: the next release, the same one later, or the end of the job."""

from collections.abc import Callable
from datetime import datetime, timedelta

import structlog

from libs.common.bus import Bus, Delivery
from libs.common.events import AttemptFailed, Candidate, Failed, Queued
from libs.common.joblog import job_state
from libs.common.jobs import GiveUp, JobState, Phase, TryAgain, TryNext, after_failure, event_id
from services.janitor import alerts
from services.janitor.cleanup import Cleaner

log = structlog.get_logger(__name__)


class Failures:
    """Carries out `after_failure`. Telling it of the same failure again changes nothing."""

    def __init__(self, bus: Bus, cleaner: Cleaner, now: Callable[[], datetime]) -> None:
        self._bus = bus
        self._cleaner = cleaner
        self._now = now

    async def handle(self, delivery: Delivery) -> None:
        state = await job_state(self._bus, delivery.event.job_id)
        match delivery.event:
            case AttemptFailed() as event if event.attempt == state.attempt:
                await self._decide(state, event)
            case Failed() as event if state.phase is Phase.FAILED:
                await self._cleaner.erase(state.job_id)
                await self._alert(state, event)
            case _:
                log.info("already_settled", job_id=state.job_id, fact=delivery.event.fact)

    async def _decide(self, state: JobState, event: AttemptFailed) -> None:
        match after_failure(state):
            case TryNext(pick=pick, alternatives=alternatives):
                await self._bus.publish(self._queued(state, pick, alternatives))
                log.info("next_release", job_id=state.job_id, release_id=pick.release_id, code=event.code)
            case TryAgain(pick=pick, alternatives=alternatives, delay_s=delay_s):
                # From the failure, so that a redelivery names the same moment; its clock may be ahead.
                when = min(event.at, self._now()) + timedelta(seconds=delay_s)
                await self._bus.publish_at(self._queued(state, pick, alternatives), when)
                log.info("again_later", job_id=state.job_id, delay_s=delay_s, code=event.code)
            case GiveUp(code=code, message=message):
                await self._give_up(state, code, message)
            case None:
                log.info("nothing_to_decide", job_id=state.job_id, phase=state.phase.value)

    def _queued(self, state: JobState, pick: Candidate, alternatives: tuple[Candidate, ...]) -> Queued:
        if state.title is None:
            raise ValueError(f"{state.job_id} failed without ever having been queued")
        attempt = state.attempt + 1
        return Queued(
            id=event_id(state.job_id, "queued", attempt),
            at=self._now(),
            job_id=state.job_id,
            attempt=attempt,
            pick=pick,
            alternatives=alternatives,
            title=state.title,
        )

    async def _give_up(self, state: JobState, code: str, message: str) -> None:
        failed = Failed(
            id=event_id(state.job_id, "failed", state.attempt),
            at=self._now(),
            job_id=state.job_id,
            attempt=state.attempt,
            code=code,
            message=message,
        )
        await self._bus.publish(failed)
        log.warning("job_failed", job_id=state.job_id, code=code, message=message)

    async def _alert(self, state: JobState, event: Failed) -> None:
        name = state.title.name if state.title else state.job_id
        story = f"{name} could not be fetched: {event.message}"
        await self._bus.publish(alerts.job_failed(state.job_id, event.attempt, story, self._now()))
