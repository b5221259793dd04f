"""Streams, consumers and KV buckets: declared here, created idempotently by every service at its start."""

from datetime import timedelta

from nats.js.api import (
    AckPolicy,
    ConsumerConfig,
    DeliverPolicy,
    KeyValueConfig,
    StorageType,
    StreamConfig,
)
from nats.js.client import JetStreamContext
from nats.js.errors import NotFoundError

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


def _consumer(
    name: str, *subjects: str, stream: str = JOBS, ack_wait_s: float = LEASE_S
) -> tuple[str, ConsumerConfig]:
    return stream, ConsumerConfig(
        durable_name=name,
        filter_subjects=list(subjects),
        deliver_policy=DeliverPolicy.ALL,
        ack_policy=AckPolicy.EXPLICIT,
        ack_wait=ack_wait_s,
        max_deliver=MAX_DELIVERIES,
        max_ack_pending=1000,
    )


DOWNLOADS = "downloads"
INDEXER = "indexer"
JANITOR = "janitor"
JANITOR_DEAD = "janitor-dead"

CONSUMERS: dict[str, tuple[str, ConsumerConfig]] = {
    DOWNLOADS: _consumer(DOWNLOADS, "jobs.*.queued"),
    INDEXER: _consumer(INDEXER, "jobs.*.requested"),
    JANITOR: _consumer(JANITOR, "jobs.*.attempt_failed", "jobs.*.failed"),
    JANITOR_DEAD: _consumer(JANITOR_DEAD, "$JS.EVENT.ADVISORY.CONSUMER.>", stream=DEAD),
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
    """Create or update everything declared above. Idempotent; several services may do it at once."""
    for stream in STREAMS:
        try:
            await js.update_stream(stream)
        except NotFoundError:
            await js.add_stream(stream)
    for stream_name, consumer in CONSUMERS.values():
        await js.add_consumer(stream_name, consumer)
    for bucket in BUCKETS:
        try:
            await js.key_value(str(bucket.bucket))
        except NotFoundError:
            await js.create_key_value(bucket)
