"""What the indexer does when someone pressed Watch: pick a release, or say why there is none."""

from datetime import UTC, datetime

import structlog

from libs.common import streams
from libs.common.bus import Bus, Delivery
from libs.common.errors import ErrorCode, ServiceError
from libs.common.events import Candidate, JobEvent, Queued, Requested, Unavailable
from libs.common.jobs import event_id
from services.indexer import choice
from services.indexer.candidates import Candidates

log = structlog.get_logger(__name__)

FIRST_ATTEMPT = 1


class Handlers:
    """Answers each request with exactly one fact: queued or unavailable.

    Idempotent: the facts have the same ids each time, and each is stored once however late it is told again.
    """

    def __init__(self, bus: Bus, candidates: Candidates) -> None:
        self._bus = bus
        self._candidates = candidates

    async def requested(self, delivery: Delivery) -> None:
        event = delivery.event
        if not isinstance(event, Requested):
            return
        with structlog.contextvars.bound_contextvars(job_id=event.job_id):
            fact = await self._answer(event, last_chance=delivery.number >= streams.MAX_DELIVERIES)
            await self._bus.publish_first(fact)
            log.info("answered", fact=fact.fact, title=event.title.name)

    async def _answer(self, event: Requested, *, last_chance: bool) -> JobEvent:
        try:
            pick, alternatives = await self._choose(event)
        except ServiceError as error:
            return _unavailable(event, error.code, error.message)
        except Exception:
            # Raised, it is delivered again; on the last delivery nobody would tell the job.
            if not last_chance:
                raise
            log.exception("request_given_up")
            message = "The search for a release failed unexpectedly; the indexer's log says more."
            return _unavailable(event, ErrorCode.INTERNAL_ERROR, message)
        return Queued(
            id=event_id(event.job_id, "queued", FIRST_ATTEMPT),
            at=datetime.now(UTC),
            job_id=event.job_id,
            attempt=FIRST_ATTEMPT,
            pick=pick,
            alternatives=alternatives,
            title=event.title,
        )

    async def _choose(self, event: Requested) -> tuple[Candidate, tuple[Candidate, ...]]:
        wanted = event.quality or choice.WANTED
        found = await self._candidates.of(event.title, wanted)
        if event.mode == "manual":
            return _chosen_by_hand(found, event.release_id), ()
        pick, alternatives = choice.choose(found, wanted)
        if pick is None:
            raise ServiceError(ErrorCode.NOT_FOUND, _nothing(event.title.name, len(found)))
        return pick, alternatives


def _chosen_by_hand(found: tuple[Candidate, ...], release_id: str | None) -> Candidate:
    for candidate in found:
        if candidate.release_id == release_id:
            return candidate
        # Shown before its indexer ran out, it is the same release that is now taken from another one.
        if release_id in [other.release_id for other in candidate.also_at]:
            return candidate
    message = "That release isn't offered (any more); choose another one from the list."
    raise ServiceError(ErrorCode.NOT_FOUND, message)


def _nothing(name: str, found: int) -> str:
    if not found:
        return f"No indexer has a release of {name!r} yet."
    return (
        f"None of the {found} releases of {name!r} is fit to be picked automatically; "
        "the list of releases says why, and any of them can be chosen there."
    )


def _unavailable(event: Requested, code: ErrorCode, message: str) -> Unavailable:
    return Unavailable(
        id=event_id(event.job_id, "unavailable"),
        at=datetime.now(UTC),
        job_id=event.job_id,
        code=code.value,
        message=message,
    )
