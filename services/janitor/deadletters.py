"""Messages that nobody could handle: their jobs end with a sentence instead of hanging for ever.

The stream DEAD holds the server's advisories (`io.nats.jetstream.advisory.v1.max_deliver` and
`…v1.terminated`), which name a message by its stream and sequence.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime

import msgspec
import structlog
from nats.aio.msg import Msg
from nats.errors import Error as NatsError
from nats.errors import TimeoutError as NatsTimeoutError
from nats.js.client import JetStreamContext
from nats.js.errors import NotFoundError

from libs.common.bus import FETCH_PAUSE_S, FETCH_TIMEOUT_S, Bus
from libs.common.errors import BusError, BusUnavailable, ErrorCode
from libs.common.events import AttemptEvent, Failed, JobEvent, Queued, decode, decode_event
from libs.common.joblog import job_state
from libs.common.jobs import JobState, Phase, event_id
from libs.common.streams import CONSUMERS, JANITOR_DEAD, JOBS
from services.janitor import alerts

log = structlog.get_logger(__name__)

_SETTLED = (Phase.READY, Phase.FAILED, Phase.EXPIRED, Phase.DELETED)


class Advisory(msgspec.Struct, frozen=True, kw_only=True):
    """What both kinds of advisory have in common, and the reason that only one has."""

    stream: str
    consumer: str
    stream_seq: int
    deliveries: int = 0
    reason: str = ""


class DeadLetters:
    def __init__(self, bus: Bus, now: Callable[[], datetime]) -> None:
        self._bus = bus
        self._now = now

    async def run(self) -> None:
        """Deal with one after the other, for ever."""
        stream, config = CONSUMERS[JANITOR_DEAD]
        subscription = await self._bus.js.pull_subscribe_bind(config.durable_name, stream)
        try:
            while True:
                if message := await _take(subscription):
                    await self._settle(message)
        finally:
            with suppress(NatsError):
                await subscription.unsubscribe()

    async def _settle(self, message: Msg) -> None:
        try:
            await self.handle(decode(message.data, Advisory))
            await message.ack()
        except msgspec.DecodeError as error:
            log.warning("advisory_unreadable", error=str(error)[:200])
            with suppress(NatsError):
                await message.term()
        except (BusError, NatsError, TimeoutError) as error:
            log.warning("dead_letter_waits", error=type(error).__name__)
            with suppress(NatsError):
                await message.nak(delay=min(2.0 ** (message.metadata.num_delivered or 1), 60.0))

    async def handle(self, advisory: Advisory) -> None:
        """End the job that the message belongs to, unless it went on without it. Idempotent."""
        event = await self._event(advisory)
        if event is None:
            log.warning("dead_letter_without_event", stream=advisory.stream, sequence=advisory.stream_seq)
            return
        state = await job_state(self._bus, event.job_id)
        if _is_stuck(state, event):
            await self._bus.publish(self._failed(state, advisory))
        source = f"{advisory.stream}.{advisory.consumer}.{advisory.stream_seq}"
        text = f"{_what_happened(advisory)} ({event.fact} of {event.job_id})"
        await self._bus.publish(alerts.dead_letter(source, event.job_id, text, self._now()))
        log.warning("dead_letter", job_id=event.job_id, fact=event.fact, deliveries=advisory.deliveries)

    async def _event(self, advisory: Advisory) -> JobEvent | None:
        if advisory.stream != JOBS:
            return None
        try:
            message = await self._bus.js.get_msg(JOBS, advisory.stream_seq)
            return decode_event(message.data or b"")
        except (NotFoundError, msgspec.DecodeError):
            return None
        except (NatsError, TimeoutError) as error:
            raise BusUnavailable("NATS does not answer") from error

    def _failed(self, state: JobState, advisory: Advisory) -> Failed:
        return Failed(
            id=event_id(state.job_id, "failed", state.attempt),
            at=self._now(),
            job_id=state.job_id,
            attempt=state.attempt,
            code=ErrorCode.JOB_ERROR.value,
            message=_what_happened(advisory),
        )


def _is_stuck(state: JobState, event: JobEvent) -> bool:
    """Whether the job still waits for this very message."""
    if isinstance(event, Queued) and state.phase is Phase.WAITING:
        # It was worked on; what comes next is decided by its failure.
        return False
    attempt = event.attempt if isinstance(event, Queued | AttemptEvent | Failed) else 0
    return state.phase not in _SETTLED and attempt == state.attempt


def _what_happened(advisory: Advisory) -> str:
    if advisory.reason:
        return f"The {advisory.consumer} consumer refused the job: {advisory.reason}"
    return (
        f"The job was given up: {advisory.consumer} could not deal with it in {advisory.deliveries} tries. "
        f"The log of that service says why; try again."
    )


async def _take(subscription: JetStreamContext.PullSubscription) -> Msg | None:
    try:
        [message] = await subscription.fetch(1, timeout=FETCH_TIMEOUT_S)
    except (NatsTimeoutError, TimeoutError):
        return None
    except NatsError as error:
        log.info("fetch_waits", error=type(error).__name__)
        await asyncio.sleep(FETCH_PAUSE_S)
        return None
    return message
