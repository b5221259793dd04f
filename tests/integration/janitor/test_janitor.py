"""The janitor on a real log and a real store: it ends what must end, once, whatever happens in between."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from libs.common import streams
from libs.common.bus import Bus
from libs.common.events import Blame, Failed, JobEvent, Queued, decode, encode
from libs.common.joblog import job_state
from libs.common.jobs import Phase
from libs.common.objects import ObjectStore
from libs.common.objects.s3 import S3Store
from libs.common.settings import Settings, Storage
from tests.conftest import NatsServer
from tests.support.janitor import (
    JOB,
    alerts,
    eventually,
    facts,
    film,
    handled,
    history,
    janitor,
    now,
    publish,
    settings_for,
    settles_at,
    store_of,
)
from tests.support.s3_server import KEY_ID, SECRET_KEY, rclone
from tests.unit.janitor.story import Story, candidate


async def test_a_bad_release_is_followed_by_the_next_at_once(bus: Bus, settings: Settings) -> None:
    await publish(bus, Story(at=now()).until_failure("release", "b", "c"))
    async with janitor(settings):
        state = await settles_at(bus, Phase.QUEUED)
    assert state.attempt == 2
    assert state.pick == candidate("b")
    assert state.alternatives == (candidate("c"),)


async def scheduled(bus: Bus) -> tuple[Queued, datetime] | None:
    """What the broker will publish for the job, and when."""
    subject = f"{streams.SCHEDULE_ROOT}.jobs.{JOB}.queued"
    if await bus.last(streams.JOBS, subject) is None:
        return None
    message = await bus.js.get_last_msg(streams.JOBS, subject)
    headers = message.headers or {}
    return decode(message.data or b"", Queued), datetime.fromisoformat(headers["Nats-Schedule"][4:])


@pytest.mark.parametrize(
    ("failed_before", "delay_s"), [(0, 15), (1, 30), (2, 60), (3, 120), (4, 240), (5, None)]
)
async def test_a_bad_world_is_tried_again_later_each_time(
    bus: Bus, settings: Settings, failed_before: int, delay_s: int | None
) -> None:
    failed_at = now().replace(microsecond=0)
    story = Story(at=failed_at)
    await bus.publish(story.requested())
    # All but the last failure are told and followed up before the janitor looks.
    for attempt in range(1, failed_before + 2):
        await publish(
            bus, [story.queued(attempt), story.started(attempt), story.attempt_failed(attempt, "world")]
        )
    async with janitor(settings):
        await handled(bus, streams.JANITOR)
    found = await scheduled(bus)
    if delay_s is None:
        assert found is None
        assert (await job_state(bus, JOB)).phase is Phase.FAILED
        assert [alert.kind for alert in await alerts(bus)] == ["job_failed"]
    else:
        assert found is not None
        queued, when = found
        assert queued.attempt == failed_before + 2
        assert queued.pick == candidate("a")
        assert when == failed_at + timedelta(seconds=delay_s)
        assert (await job_state(bus, JOB)).phase is Phase.WAITING


async def test_what_is_scheduled_comes_once(bus: Bus, settings: Settings) -> None:
    # The failure was told 14 s ago, so its retry is due in a second.
    await publish(bus, Story(at=now() - timedelta(seconds=14)).until_failure("world"))
    async with janitor(settings):
        state = await settles_at(bus, Phase.QUEUED)
        await asyncio.sleep(1.5)
    assert state.attempt == 2
    assert (await facts(bus)).count("queued") == 2


@pytest.mark.parametrize("blame", ["owner", "release"])
async def test_where_nothing_helps_the_job_ends_with_its_story(
    bus: Bus, settings: Settings, store: ObjectStore, blame: Blame
) -> None:
    await film(store)
    await publish(bus, Story(at=now()).until_failure(blame))
    async with janitor(settings):
        state = await settles_at(bus, Phase.FAILED)
        await handled(bus, streams.JANITOR)
    assert (state.error_code, state.error_message) == ("USENET_ERROR", "The articles are gone.")
    assert [alert.message for alert in await alerts(bus)] == [
        "The Matrix could not be fetched: The articles are gone."
    ]
    assert await store.list("movies/") == []


async def test_a_failure_told_twice_is_answered_once(bus: Bus, settings: Settings) -> None:
    story = Story(at=now())
    await publish(bus, story.until_failure("release", "b", "c"))
    # The broker knows the id, so the second telling needs another one to be stored at all.
    again = story.attempt_failed(1, "release")
    await bus.js.publish(again.subject, encode(again))
    async with janitor(settings):
        await settles_at(bus, Phase.QUEUED)
        await handled(bus, streams.JANITOR)
    async with janitor(settings):
        await handled(bus, streams.JANITOR)
    assert (await facts(bus)).count("queued") == 2


async def test_a_failure_is_told_to_the_owner_whoever_told_it(bus: Bus, settings: Settings) -> None:
    # As if the janitor had died between the event and the alert.
    story = Story(at=now())
    failed = Failed(id="f", at=now(), job_id=JOB, attempt=1, code="JOB_ERROR", message="It broke.")
    await publish(bus, [story.requested(), story.queued(1), failed])
    async with janitor(settings):
        await handled(bus, streams.JANITOR)
    assert [alert.message for alert in await alerts(bus)] == ["The Matrix could not be fetched: It broke."]


# Jobs that nobody works on --------------------------------------------------------------------------------


async def test_a_film_is_deleted_for_its_age(bus: Bus, settings: Settings, store: ObjectStore) -> None:
    await film(store)
    await film(store, "job_2_b")
    async with janitor(settings):
        story = Story(at=now())
        await publish(bus, story.until_ready(now() + timedelta(seconds=1)))
        await publish(bus, Story("job_2_b", now()).until_ready(now() + timedelta(hours=1)))
        await asyncio.sleep(0.5)
        assert len(await store.list("movies/")) == 4
        state = await settles_at(bus, Phase.DELETED)
    assert state.expired_for == "age"
    assert (await facts(bus))[-2:] == ["expired", "deleted"]
    assert {info.key.split("/")[1] for info in await store.list("movies/")} == {"job_2_b"}


async def test_watching_postpones_the_end(bus: Bus, nats_server: NatsServer, tmp_path: Path) -> None:
    idle_s = 2.0
    settings = settings_for(nats_server, tmp_path / "data", unwatched_days=idle_s / 86_400)
    await film(store_of(settings))
    async with janitor(settings):
        await publish(bus, Story(at=now()).until_ready())
        await asyncio.sleep(idle_s / 2)
        watched_at = now()
        await bus.publish(Story(at=watched_at).watched())
        await settles_at(bus, Phase.DELETED)
    [expired] = [event for event in await history(bus) if event.fact == "expired"]
    assert expired.at >= watched_at + timedelta(seconds=idle_s)


@pytest.mark.parametrize("kind", ["failed", "deleted", "unknown"])
async def test_orphans_are_found_at_the_start(
    bus: Bus, settings: Settings, store: ObjectStore, kind: str
) -> None:
    await film(store)
    await film(store, "job_2_b")
    await publish(bus, Story("job_2_b", now()).until_ready())
    story = Story(at=now())
    over: dict[str, list[JobEvent]] = {
        "failed": [
            *story.until_failure("owner"),
            Failed(id="f", at=now(), job_id=JOB, attempt=1, code="JOB_ERROR", message="x"),
        ],
        "deleted": [*story.until_ready(now() - timedelta(days=1))],
        "unknown": [],
    }
    await publish(bus, over[kind])
    two_days_ago = time.time() - 2 * 86_400
    for path in (settings.data / "store" / "movies").rglob("*.*"):
        os.utime(path, (two_days_ago, two_days_ago))

    async def only_the_other_is_left() -> bool:
        return {info.key.split("/")[1] for info in await store.list("movies/")} == {"job_2_b"}

    async with janitor(settings):
        await eventually(only_the_other_is_left)


async def test_young_files_of_an_unknown_job_are_left_alone(
    bus: Bus, settings: Settings, store: ObjectStore
) -> None:
    await film(store)
    async with janitor(settings) as service:
        await publish(bus, Story("job_2_b", now()).until_failure("owner"))
        await settles_at(bus, Phase.FAILED, "job_2_b")
        await asyncio.sleep(0.5)
        assert await service.health.troubles() == []
    assert len(await store.list("movies/")) == 2


# Trouble --------------------------------------------------------------------------------------------------


def s3_storage(endpoint: str) -> Storage:
    return Storage(kind="s3", endpoint=endpoint, access_key_id=KEY_ID, secret_access_key=SECRET_KEY)


async def create_bucket(settings: Settings) -> ObjectStore:
    store = store_of(settings)
    assert isinstance(store, S3Store)
    client = await store.client()
    await client.create_bucket(Bucket=settings.storage.bucket)
    return store


async def test_a_store_that_fails_is_told_once_and_tried_until_it_works(
    bus: Bus, nats_server: NatsServer, tmp_path: Path
) -> None:
    buckets = tmp_path / "s3" / "buckets"
    buckets.mkdir(parents=True)
    with rclone(buckets) as endpoint:
        settings = settings_for(nats_server, tmp_path / "data", storage=s3_storage(endpoint))
        await publish(bus, Story(at=now()).until_ready(now()))

        async def told() -> bool:
            return any(alert.job_id == JOB for alert in await alerts(bus))

        async with janitor(settings) as service:
            await eventually(told)
            assert (await job_state(bus, JOB)).phase is Phase.EXPIRED
            assert "bucket" in " ".join(await service.health.troubles())
            await (await create_bucket(settings)).close()
            await settles_at(bus, Phase.DELETED)
            assert await service.health.troubles() == []
    assert len([alert for alert in await alerts(bus) if alert.job_id == JOB]) == 1


async def test_a_janitor_killed_before_the_deletion_goes_on_with_it(
    bus: Bus, nats_server: NatsServer, tmp_path: Path
) -> None:
    buckets = tmp_path / "s3" / "buckets"
    buckets.mkdir(parents=True)
    with rclone(buckets) as endpoint:
        settings = settings_for(nats_server, tmp_path / "data", storage=s3_storage(endpoint))
        await publish(bus, Story(at=now()).until_ready(now()))
        process = start_process(settings)
        try:
            await settles_at(bus, Phase.EXPIRED)
        finally:
            process.send_signal(signal.SIGKILL)
            process.wait()
        store = await create_bucket(settings)
        await film(store)
        async with janitor(settings):
            await settles_at(bus, Phase.DELETED)
        assert await store.list("movies/") == []
        await store.close()
    assert (await facts(bus))[-2:] == ["expired", "deleted"]


def start_process(settings: Settings) -> subprocess.Popen[bytes]:
    environment = {
        "MATINEE_DATA_DIR": settings.data_dir,
        "MATINEE_NATS_URL": settings.nats.url,
        "MATINEE_STORAGE_KIND": settings.storage.kind,
        "MATINEE_STORAGE_ENDPOINT": settings.storage.endpoint,
        "MATINEE_STORAGE_ACCESS_KEY_ID": settings.storage.access_key_id,
        "MATINEE_STORAGE_SECRET_ACCESS_KEY": settings.storage.secret_access_key,
        "MATINEE_RETENTION_UNWATCHED_DAYS": str(settings.retention.unwatched_days),
    }
    command = [sys.executable, "-m", "libs.cli.main", "service", "janitor"]
    return subprocess.Popen(command, env=os.environ | environment, stderr=subprocess.DEVNULL)


async def test_the_ledger_is_the_same_when_it_is_rebuilt(
    bus: Bus, settings: Settings, store: ObjectStore
) -> None:
    async with janitor(settings):
        await publish(bus, Story(at=now()).until_ready(now()))
        await settles_at(bus, Phase.DELETED)
    for path in settings.database("janitor").parent.iterdir():
        path.unlink()
    async with janitor(settings) as service:
        # Nothing is done again for what is over.
        await asyncio.sleep(0.5)
        assert await service.health.troubles() == []
    assert (await facts(bus)).count("deleted") == 1


# Dead letters ---------------------------------------------------------------------------------------------
