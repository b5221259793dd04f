"""The event bus: publish, tail, consume, over nats-py. Questions between services are in `queries.py`.

What nats-py leaves to its user is settled here once: a message id on every publish (so that trying again is
harmless), reconnecting for ever, the lease's heartbeat, the order of draining.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from typing import cast

import msgspec
import structlog
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.errors import ConnectionClosedError
from nats.errors import Error as NatsError
from nats.errors import TimeoutError as NatsTimeoutError
from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy, PubAck, RawStreamMsg
from nats.js.client import JetStreamContext
from nats.js.errors import APIError, NotFoundError

from libs.common import streams
from libs.common.errors import BusUnavailable, Conflict, LogReplaced
from libs.common.events import Alert, JobEvent, Progress, decode_event, encode
from libs.common.telemetry import EVENTS_PUBLISHED, HANDLED

log = structlog.get_logger(__name__)

PUBLISH_TIMEOUT_S = 3.0
FETCH_TIMEOUT_S = 4.0
"""A pending fetch is not woken by a disconnect, so it must not be long."""
FETCH_PAUSE_S = 0.5
"""After a fetch that was refused: by a server that restarts, or whose consumer is gone."""
HANDED_BACK_S = 1.0
HEARTBEAT_S = 5.0
LEASE_HEARTBEAT_S = 5.0
DRAIN_TIMEOUT_S = 2
RECONNECT_WAIT_S = 0.25
VIOLATION_COUNTS_S = 300.0
PROBE_TIMEOUT_S = 1.0
OLDEST_SERVER = (2, 12)
"""The first with scheduled messages."""
WRONG_LAST_SEQUENCE = 10071
NO_MESSAGE_FOUND = 10037


class Stored(msgspec.Struct, frozen=True, kw_only=True):
    """One message of a stream. `event` is None for a type this version doesn't know."""

    sequence: int
    subject: str
    data: bytes
    event: JobEvent | None = None


class Delivery:
    """One event handed to one consumer. Exactly one of done, again and refuse must be called."""

    def __init__(self, message: Msg, event: JobEvent) -> None:
        self._message = message
        self.event = event
        self.number = message.metadata.num_delivered or 1
        """Counts from 1; part of an attempt's fence."""
        self.sequence = message.metadata.sequence.stream

    async def done(self) -> None:
        """It is dealt with; confirmed by the broker."""
        try:
            await self._message.ack_sync()
        except NatsError as error:
            # It comes again, and the fold ignores what it already knows.
            log.warning("ack_failed", subject=self._message.subject, error=type(error).__name__)

    async def again(self, delay_s: float) -> None:
        await self._message.nak(delay=delay_s)

    async def refuse(self, reason: str) -> None:
        """Never deliver it again; the reason goes to the dead letters."""
        await self._message._client.publish(self._message.reply, f"+TERM {reason}".encode())  # pyright: ignore[reportPrivateUsage]  (nats-py's term() has no reason)

    @asynccontextmanager
    async def lease(self) -> AsyncGenerator[None]:
        """Tells the broker that we live, as long as the block runs."""

        async def beat() -> None:
            while True:
                await asyncio.sleep(LEASE_HEARTBEAT_S)
                with suppress(NatsError):
                    await self._message.in_progress()

        task = asyncio.create_task(beat(), name="lease")
        try:
            yield
        finally:
            task.cancel()


class Bus:
    """One connection. Made by `Bus.connect`; usable from one event loop."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.js = client.jetstream(timeout=PUBLISH_TIMEOUT_S)
        self._generation = 0
        self._violation: tuple[float, str] | None = None
        self._refusal: str | None = None
        """Why the last publish was not stored, though there was a connection."""

    @classmethod
    async def connect(cls, url: str, name: str, *, ping_interval_s: int = 20) -> "Bus":
        """Connects, waiting for the server as long as it takes. Cancellable.

        A server that vanished without a word is noticed after three ping intervals at most.
        """
        client = Client()
        bus = cls(client)
        await client.connect(
            url,
            name=name,
            max_reconnect_attempts=-1,
            reconnect_time_wait=RECONNECT_WAIT_S,  # pyright: ignore[reportArgumentType]  (any number is slept)
            connect_timeout=2,
            ping_interval=ping_interval_s,
            drain_timeout=DRAIN_TIMEOUT_S,
            error_cb=bus._on_error,
            reconnected_cb=bus._on_reconnected,
        )
        return bus

    async def _on_error(self, error: Exception) -> None:
        if "permissions violation" in str(error).lower():
            self._violation = (time.monotonic(), str(error))
        log.warning("nats", error=type(error).__name__, detail=str(error)[:200])

    async def _on_reconnected(self) -> None:
        self._generation += 1
        self._refusal = None
        log.info("nats_reconnected")

    def trouble(self) -> str | None:
        """Why the bus can't be relied on right now; None if it can."""
        if not self.client.is_connected:
            return "NATS is not connected"
        if self._violation and time.monotonic() - self._violation[0] < VIOLATION_COUNTS_S:
            return f"NATS denied a permission: {self._violation[1][:200]}"
        version = self.client.connected_server_version
        if (version.major, version.minor) < OLDEST_SERVER:
            return f"the NATS server is {version.major}.{version.minor}; Matinee needs 2.12 or newer"
        return None

    async def probe(self) -> str | None:
        """Like `trouble`, but asks the server: also finds what is missing, or that it stores nothing."""
        if trouble := self.trouble():
            return trouble
        try:
            await self.js.stream_info(streams.JOBS)
        except NotFoundError:
            return "the stream JOBS does not exist"
        except (NatsError, TimeoutError) as error:
            return f"JetStream does not answer ({type(error).__name__})"
        return await self._storing_trouble()

    async def _storing_trouble(self) -> str | None:
        """A stream whose disk was full once answers questions as ever, and stores nothing until a restart."""
        if self._refusal is None:
            return None
        try:
            # Nobody reads this subject. Without an id, for a duplicate is acknowledged without being stored.
            await self._store(f"{streams.SCHEDULE_ROOT}.probe", b"", {}, PROBE_TIMEOUT_S)
        except BusUnavailable:
            return f"NATS stores no events ({self._refusal}); look at its disk and its log, then restart it"
        return None

    # Publishing -------------------------------------------------------------------------------------------

    async def publish(self, event: JobEvent | Alert, *, patience_s: float = 10.0) -> int:
        """Store the event once, however often it is published; its sequence. Raises BusUnavailable."""
        sequence = await self._publish(event.subject, encode(event), {"Nats-Msg-Id": event.id}, patience_s)
        EVENTS_PUBLISHED.labels(fact=event.fact if isinstance(event, JobEvent) else "alert").inc()
        return sequence

    async def publish_first(self, event: JobEvent) -> bool:
        """Store the event unless its subject already has one. Whether the stored one is this very event."""
        only_first = {"Nats-Msg-Id": event.id, "Nats-Expected-Last-Subject-Sequence": "0"}
        try:
            await self._publish(event.subject, encode(event), only_first, patience_s=10.0)
        except Conflict:
            # The check comes before the duplicate check: the conflict may be with our own first try.
            try:
                stored = await self.js.get_last_msg(streams.JOBS, event.subject, direct=True)
            except (NatsError, TimeoutError) as error:
                raise BusUnavailable("NATS does not answer") from error
            return headers_of(stored).get("Nats-Msg-Id") == event.id
        EVENTS_PUBLISHED.labels(fact=event.fact).inc()
        return True

    async def publish_at(self, event: JobEvent, when: datetime) -> None:
        """Have the broker publish the event at that time (to the second). Replaces an earlier schedule."""
        headers = {
            "Nats-Msg-Id": f"{event.id}.schedule",
            "Nats-Schedule": f"@at {when.astimezone(UTC).strftime('%Y-%m-%dT%H:%M:%SZ')}",
            "Nats-Schedule-Target": event.subject,
        }
        await self._publish(
            f"{streams.SCHEDULE_ROOT}.{event.subject}", encode(event), headers, patience_s=10.0
        )

    async def progress(self, progress: Progress) -> None:
        """At most once and never waited for: the next one says it better."""
        with suppress(NatsError):
            await self.client.publish(progress.subject, encode(progress))

    async def _publish(self, subject: str, data: bytes, headers: dict[str, str], patience_s: float) -> int:
        deadline = time.monotonic() + patience_s
        while True:
            try:
                return await self._store(subject, data, headers, PUBLISH_TIMEOUT_S)
            except BusUnavailable as error:
                final = isinstance(error.__cause__, APIError | ConnectionClosedError)
                if final or time.monotonic() > deadline:
                    raise
                await asyncio.sleep(0.25)

    async def _store(self, subject: str, data: bytes, headers: dict[str, str], timeout_s: float) -> int:
        """One try. Raises BusUnavailable, Conflict; remembers a refusal until something is stored again."""
        try:
            ack: PubAck = await self.js.publish(subject, data, headers=headers, timeout=timeout_s)
        except APIError as error:
            if error.err_code == WRONG_LAST_SEQUENCE:
                raise Conflict(f"{subject} was written by someone else") from error
            self._refusal = f"{subject}: {error.description}"
            raise BusUnavailable(f"NATS refused {subject}: {error.description}") from error
        except (NatsError, TimeoutError) as error:
            if self.client.is_connected:
                self._refusal = f"no answer for {subject}"
            raise BusUnavailable("NATS does not answer; nothing was lost, try again") from error
        self._refusal = None
        return ack.seq

    # Reading history ----------------------------------------------------------------------------------------

    async def last(self, stream: str, subject: str) -> Stored | None:
        """The newest message of a subject (no wildcards), or None."""
        try:
            message = await self.js.get_last_msg(stream, subject, direct=True)
        except NotFoundError:
            return None
        except (NatsError, TimeoutError) as error:
            raise BusUnavailable("NATS does not answer") from error
        return _stored(message.seq or 0, message.subject or subject, message.data or b"")

    async def next(self, stream: str, subject: str, after: int) -> Stored | None:
        """The first message of a subject (wildcards allowed) beyond sequence `after`, or None."""
        try:
            message = await self.js.get_msg(stream, seq=after + 1, subject=subject, next=True, direct=True)
        except NotFoundError:
            return None
        except (NatsError, TimeoutError) as error:
            raise BusUnavailable("NATS does not answer") from error
        return _stored(message.seq or 0, message.subject or subject, message.data or b"")

    async def last_sequence(self, stream: str, subjects: Sequence[str]) -> int:
        """The sequence of the newest message under these subjects (wildcards allowed); 0 if there is none."""
        newest = 0
        for subject in subjects:
            try:
                message = await self.js.get_last_msg(stream, subject)
            except NotFoundError:
                continue
            except (NatsError, TimeoutError) as error:
                raise BusUnavailable("NATS does not answer") from error
            newest = max(newest, message.seq or 0)
        return newest

    async def tail(
        self, stream: str, subjects: Sequence[str], after: int = 0, *, until: int | None = None
    ) -> AsyncGenerator[Stored, None]:
        """Every message after sequence `after`, in order, each once; then what comes, for ever.

        With `until` (a sequence that `last_sequence` gave for the same subjects), ends once it is reached.
        Survives server restarts. Raises LogReplaced if the stream turns out to be another one, or shorter.
        """
        created: datetime | None = None
        while until is None or after < until:
            generation = self._generation
            inbox = self.client.new_inbox()
            subscription = await self.client.subscribe(inbox)
            consumer = ""
            try:
                created = await self._same_log(stream, after, created)
                consumer = await self._start_tail(stream, subjects, inbox, after)
                async for message in self._until_broken(subscription, generation):
                    after = message.sequence
                    yield message
                    if until is not None and after >= until:
                        return
            except (NatsError, TimeoutError) as error:
                log.info("tail_restarts", stream=stream, error=type(error).__name__)
                await asyncio.sleep(0.25)
            finally:
                # The server would keep the consumer for a while; there are only so many.
                with suppress(NatsError, TimeoutError):
                    await subscription.unsubscribe()
                    if consumer and self.client.is_connected:
                        await self.js.delete_consumer(stream, consumer)

    async def _same_log(self, stream: str, after: int, created: datetime | None) -> datetime | None:
        """When the stream was made. Raises LogReplaced if not at `created`, or if it ends before `after`."""
        info = await self.js.stream_info(stream)
        if info.state.last_seq < after or created not in (None, info.created):
            raise LogReplaced(f"the stream {stream} was made anew, or lost its end")
        return info.created

    async def _start_tail(self, stream: str, subjects: Sequence[str], inbox: str, after: int) -> str:
        config = ConsumerConfig(
            deliver_subject=inbox,
            filter_subjects=list(subjects),
            deliver_policy=DeliverPolicy.BY_START_SEQUENCE,
            opt_start_seq=after + 1,
            ack_policy=AckPolicy.NONE,
            max_deliver=1,
            flow_control=True,
            idle_heartbeat=HEARTBEAT_S,
            inactive_threshold=30,
            num_replicas=1,
            mem_storage=True,
        )
        return (await self.js.add_consumer(stream, config)).name

    async def _until_broken(self, subscription: Subscription, generation: int) -> AsyncIterator[Stored]:
        """Messages until one is missing, the server falls silent or the connection was renewed."""
        expected = 1
        silent_since = time.monotonic()
        while self._generation == generation and time.monotonic() - silent_since < 3 * HEARTBEAT_S:
            try:
                message = await subscription.next_msg(timeout=0.5)
            except (NatsTimeoutError, TimeoutError):
                continue
            silent_since = time.monotonic()
            if headers_of(message).get("Status") == "100":
                await self._answer_flow_control(message)
                continue
            sequence = message.metadata.sequence
            if sequence.consumer != expected:
                return
            expected += 1
            yield _stored(sequence.stream, message.subject, message.data)

    async def _answer_flow_control(self, message: Msg) -> None:
        stalled = headers_of(message).get("Nats-Consumer-Stalled")
        if reply := message.reply or stalled:
            await self.client.publish(reply)

    # Consuming ----------------------------------------------------------------------------------------------

    @asynccontextmanager
    async def pull(self, consumer: str) -> AsyncGenerator[Callable[[], Awaitable[Delivery | None]]]:
        """Gives a function that takes the next delivery of a declared consumer: None after some seconds."""
        stream, config = streams.CONSUMERS[consumer]
        subscription = await self.js.pull_subscribe_bind(config.durable_name, stream)
        try:
            yield lambda: self._take(subscription)
        finally:
            # Also frees a delivery that a cancelled fetch left behind at the server.
            with suppress(NatsError):
                await subscription.unsubscribe()

    async def _take(self, subscription: JetStreamContext.PullSubscription) -> Delivery | None:
        try:
            [message] = await subscription.fetch(1, timeout=FETCH_TIMEOUT_S)
        except (NatsTimeoutError, TimeoutError):
            return None
        except NatsError as error:
            log.info("fetch_waits", error=type(error).__name__)
            await asyncio.sleep(FETCH_PAUSE_S)
            return None
        try:
            event = decode_event(message.data)
        except msgspec.DecodeError as error:
            log.warning("undecodable", subject=message.subject, error=str(error)[:200])
            event = None
        if event is None:
            # If this is lost, it comes again.
            with suppress(NatsError):
                await message.term()
            return None
        return Delivery(message, event)

    async def consume(
        self, consumer: str, handle: Callable[[Delivery], Awaitable[None]], *, concurrency: int = 8
    ) -> None:
        """Run `handle` for every delivery, for ever, at most `concurrency` at once.

        A handler that returns has dealt with it. One that raises gets the delivery again, later each time;
        one that is cancelled hands it back.
        """
        room = asyncio.Semaphore(concurrency)

        async def one(delivery: Delivery) -> None:
            try:
                async with delivery.lease():
                    await handle(delivery)
                await delivery.done()
                HANDLED.labels(consumer=consumer, outcome="done").inc()
            except asyncio.CancelledError:
                HANDLED.labels(consumer=consumer, outcome="handed_back").inc()
                with suppress(NatsError):
                    await delivery.again(HANDED_BACK_S)
                raise
            except Exception:
                # Whatever a handler raises, the others go on and this delivery comes again, later each time.
                HANDLED.labels(consumer=consumer, outcome="failed").inc()
                log.exception("handler_failed", consumer=consumer, subject=delivery.event.subject)
                with suppress(NatsError):
                    await delivery.again(min(2.0**delivery.number, 60.0))
            finally:
                room.release()

        async with self.pull(consumer) as take, asyncio.TaskGroup() as tasks:
            while True:
                await room.acquire()
                delivery = await take()
                if delivery is None:
                    room.release()
                else:
                    tasks.create_task(one(delivery), name=f"{consumer}:{delivery.event.job_id}")

    async def backlog(self, consumer: str) -> int:
        """How many deliveries wait or are being worked on."""
        stream, config = streams.CONSUMERS[consumer]
        try:
            info = await self.js.consumer_info(stream, cast(str, config.durable_name))
        except (NatsError, TimeoutError) as error:
            raise BusUnavailable("NATS does not answer") from error
        return (info.num_pending or 0) + (info.num_ack_pending or 0)

    async def close(self) -> None:
        if self.client.is_closed:
            return
        with suppress(NatsError, TimeoutError):
            await self.client.drain()
        if not self.client.is_closed:
            await self.client.close()


def headers_of(message: Msg | RawStreamMsg) -> dict[str, str]:
    headers = cast("dict[str, str] | None", message.headers)
    return headers or {}


def _stored(sequence: int, subject: str, data: bytes) -> Stored:
    try:
        event = decode_event(data)
    except msgspec.DecodeError:
        event = None
    return Stored(sequence=sequence, subject=subject, data=data, event=event)
