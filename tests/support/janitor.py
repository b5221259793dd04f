"""A janitor on a real log, and what a test asks of both."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

from libs.common import streams
from libs.common.bus import Bus
from libs.common.events import Alert, JobEvent, decode
from libs.common.joblog import job_state
from libs.common.jobs import JobState, Phase
from libs.common.objects import ObjectStore, open_store
from libs.common.service import Service, connect
from libs.common.settings import Nats, Retention, Settings, Storage
from services.janitor.app import body
from tests.conftest import NatsServer
from tests.support.service import running

JOB = "job_1_a"
WAIT_S = 15.0


def now() -> datetime:
    return datetime.now(UTC)


def settings_for(
    nats_server: NatsServer, data: Path, *, unwatched_days: float = 0.0, storage: Storage | None = None
) -> Settings:
    return Settings(
        data_dir=str(data),
        public_url="http://127.0.0.1:8080",
        nats=Nats(url=nats_server.url),
        storage=storage or Storage(),
        retention=Retention(unwatched_days=unwatched_days),
    )


@asynccontextmanager
async def janitor(settings: Settings) -> AsyncIterator[Service]:
    bus = await connect(settings, "janitor")
    async with running("janitor", settings, bus, body) as service:
        yield service
    await bus.close()


def store_of(settings: Settings) -> ObjectStore:
    return open_store(settings.storage, files_root=settings.data / "store", public_url="", secret=b"s")


async def film(store: ObjectStore, job_id: str = JOB) -> None:
    for name in ("movie.mp4", "movie.json"):
        await store.put(f"movies/{job_id}/{name}", b"film", content_type="video/mp4")


async def publish(bus: Bus, events: list[JobEvent]) -> None:
    for event in events:
        await bus.publish(event)


async def history(bus: Bus, job_id: str = JOB) -> list[JobEvent]:
    until = await bus.last_sequence(streams.JOBS, [f"jobs.{job_id}.>"])
    tail = bus.tail(streams.JOBS, [f"jobs.{job_id}.>"], until=until)
    return [message.event async for message in tail if message.event]


async def facts(bus: Bus, job_id: str = JOB) -> list[str]:
    return [event.fact for event in await history(bus, job_id)]


async def alerts(bus: Bus) -> list[Alert]:
    until = await bus.last_sequence(streams.ALERTS, ["alerts.>"])
    return [decode(m.data, Alert) async for m in bus.tail(streams.ALERTS, ["alerts.>"], until=until)]


async def eventually(check: Callable[[], Awaitable[bool]]) -> None:
    deadline = time.monotonic() + WAIT_S
    while not await check():
        assert time.monotonic() < deadline, "it did not happen"
        await asyncio.sleep(0.05)


async def settles_at(bus: Bus, phase: Phase, job_id: str = JOB) -> JobState:
    async def there() -> bool:
        return (await job_state(bus, job_id)).phase is phase

    await eventually(there)
    return await job_state(bus, job_id)


async def handled(bus: Bus, consumer: str) -> None:
    async def nothing_left() -> bool:
        return await bus.backlog(consumer) == 0

    await eventually(nothing_left)


# After a failure ------------------------------------------------------------------------------------------
