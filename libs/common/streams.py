"""Streams, consumers and KV buckets: declared here, created idempotently by every service at its start."""

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import fields
from datetime import timedelta

import structlog
from nats.errors import Error as NatsError
from nats.js.api import (
    AckPolicy,
    ConsumerConfig,
    DeliverPolicy,
    KeyValueConfig,
    StorageType,
    StreamConfig,
)
from nats.js.client import JetStreamContext
from nats.js.errors import APIError, NotFoundError

from libs.common.errors import BusUnavailable

log = structlog.get_logger(__name__)

_MIB = 1 << 20
_DAY_S = timedelta(days=1).total_seconds()

JOBS = "JOBS"
PROGRESS = "PROGRESS"
ALERTS = "ALERTS"
DEAD = "DEAD"

SCHEDULE_ROOT = "schedule"
"""Messages under it are not events: the broker publishes them to their target when their time comes."""

EVENT_SUBJECTS = ("jobs.>", "watch.>")

STREAMS: tuple[StreamConfig, ...] = (
    # The history of every job. At about 15 KiB a job, 1 GiB keeps the last 70,000; then the oldest go.
    StreamConfig(
        name=JOBS,
        subjects=[*EVENT_SUBJECTS, f"{SCHEDULE_ROOT}.>"],
        storage=StorageType.FILE,
        max_bytes=1024 * _MIB,
        max_msg_size=_MIB,
        duplicate_window=600,
        allow_direct=True,
        allow_msg_schedules=True,
    ),
    # The present, not history: one message per job, in memory.
    StreamConfig(
        name=PROGRESS,
        subjects=["progress.>"],
        storage=StorageType.MEMORY,
        max_msgs_per_subject=1,
        max_age=3600,
        max_bytes=16 * _MIB,
        allow_direct=True,
    ),
    StreamConfig(
        name=ALERTS, subjects=["alerts.>"], storage=StorageType.FILE, max_age=90 * _DAY_S, max_bytes=64 * _MIB
    ),
    # Advisories are core messages, gone if nobody listens: this stream listens.
    StreamConfig(
        name=DEAD,
        subjects=[
            "$JS.EVENT.ADVISORY.CONSUMER.MAX_DELIVERIES.>",
            "$JS.EVENT.ADVISORY.CONSUMER.MSG_TERMINATED.>",
        ],
        storage=StorageType.FILE,
        max_age=90 * _DAY_S,
        max_bytes=64 * _MIB,
    ),
)

LEASE_S = 30.0
"""A delivery not heard of for this long goes to another instance (the stale-heartbeat rule)."""

MAX_DELIVERIES = 6
FOR_EVER = -1


def _consumer(
    name: str, *subjects: str, stream: str = JOBS, max_deliver: int = MAX_DELIVERIES
) -> tuple[str, ConsumerConfig]:
    return stream, ConsumerConfig(
        durable_name=name,
        filter_subjects=list(subjects),
        deliver_policy=DeliverPolicy.ALL,
        ack_policy=AckPolicy.EXPLICIT,
        ack_wait=LEASE_S,
        max_deliver=max_deliver,
        max_ack_pending=1000,
    )


DOWNLOADS = "downloads"
INDEXER = "indexer"
JANITOR = "janitor"
JANITOR_DEAD = "janitor-dead"

CONSUMERS: dict[str, tuple[str, ConsumerConfig]] = {
    # An instance that is stopped hands its job back: no number of stops may end a job. Who counts the
    # deaths is the instance itself (`jobs.died_too_often`).
    DOWNLOADS: _consumer(DOWNLOADS, "jobs.*.queued", max_deliver=FOR_EVER),
    INDEXER: _consumer(INDEXER, "jobs.*.requested"),
    JANITOR: _consumer(JANITOR, "jobs.*.attempt_failed", "jobs.*.failed"),
    # Nobody would hear of a dead letter about a dead letter.
    JANITOR_DEAD: _consumer(JANITOR_DEAD, "$JS.EVENT.ADVISORY.CONSUMER.>", stream=DEAD, max_deliver=FOR_EVER),
}

ACTIVE = "active"
OWNER = "owner"
SESSIONS = "sessions"

BUCKETS: tuple[KeyValueConfig, ...] = (
    # Which job a title has; the compare-and-set on it is what makes a job unique.
    KeyValueConfig(bucket=ACTIVE, history=1, direct=True, max_bytes=16 * _MIB),
    KeyValueConfig(bucket=OWNER, history=1, direct=True, max_bytes=_MIB),
    KeyValueConfig(bucket=SESSIONS, history=1, direct=True, ttl=30 * _DAY_S, max_bytes=16 * _MIB),
)


async def provision(js: JetStreamContext) -> None:
    """Create or update everything declared above. Idempotent; several services may do it at once.

    Raises BusUnavailable: what can't be made, and why. A stream that is there but can't be changed now is
    used as it is.
    """
    for stream in STREAMS:
        with _translated(f"the stream {stream.name}"):
            await _ensure_stream(js, stream)
    for stream_name, consumer in CONSUMERS.values():
        with _translated(f"the consumer {consumer.durable_name}"):
            await js.add_consumer(stream_name, consumer)
    for bucket in BUCKETS:
        with _translated(f"the bucket {bucket.bucket}"):
            await _ensure_bucket(js, bucket)


async def _ensure_stream(js: JetStreamContext, wanted: StreamConfig) -> None:
    try:
        info = await js.stream_info(str(wanted.name))
    except NotFoundError:
        await js.add_stream(wanted)
        return
    # An update reserves its space anew, and a disk that has grown full since has none to reserve.
    if _is_as_declared(info.config, wanted):
        return
    try:
        await js.update_stream(wanted)
    except APIError as error:
        log.warning("stream_not_updated", stream=wanted.name, error=error.description)


def _is_as_declared(stored: StreamConfig, wanted: StreamConfig) -> bool:
    """Whether all that we declare is stored; the rest is the server's choice."""
    defaults = StreamConfig()
    declared = [f.name for f in fields(wanted) if getattr(wanted, f.name) != getattr(defaults, f.name)]
    return all(getattr(stored, name) == getattr(wanted, name) for name in declared)


async def _ensure_bucket(js: JetStreamContext, bucket: KeyValueConfig) -> None:
    try:
        await js.key_value(str(bucket.bucket))
    except NotFoundError:
        await js.create_key_value(bucket)


@contextmanager
def _translated(thing: str) -> Generator[None]:
    try:
        yield
    except APIError as error:
        why = error.description or f"error {error.code}"
        raise BusUnavailable(f"NATS can't make {thing}: {why}; look at its disk and its log") from error
    except (NatsError, TimeoutError) as error:
        raise BusUnavailable(f"JetStream does not answer about {thing}") from error
