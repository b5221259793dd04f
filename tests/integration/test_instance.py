"""An instance from the queued event to the film in the store: real news server, real indexer, real par2."""

import asyncio
import json
import signal
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from libs.common import streams
from libs.common.bus import Bus
from libs.common.jobs import Phase
from libs.common.settings import load
from services.downloader.launcher import Launcher
from services.downloader.runners.process import ProcessRunner
from tests.conftest import NatsServer
from tests.support.instances import JOB, PACKED, PLAIN, TITLE, Box
from tests.support.internet import Internet


@pytest.fixture
async def box(tmp_path: Path, bus: Bus, nats_server: NatsServer, internet: Internet) -> AsyncIterator[Box]:
    box = Box(tmp_path / "data", bus, nats_server, internet)
    # What comes is compared with what was posted; what browsers get instead is `test_theatre`'s.
    box.environment["MATINEE_DOWNLOADER_PUBLISH"] = "original"
    yield box
    await box.close()


@pytest.mark.parametrize(("title", "movie", "extension"), [(PLAIN, 900002, "mkv"), (PACKED, 900001, "mkv")])
async def test_a_film_gets_into_the_store_byte_for_byte(
    box: Box, title: str, movie: int, extension: str
) -> None:
    await box.queue(title)
    said = await box.run()
    state = await box.state()
    assert (state.phase, state.error_message) == (Phase.READY, None)
    stored = box.stored()
    assert stored[f"movies/{JOB}/movie.{extension}"] == box.internet.film_of(movie)
    sidecar = json.loads(stored[f"movies/{JOB}/movie.json"])
    assert sidecar["title"] == TITLE.name
    assert sidecar["size_bytes"] == len(box.internet.film_of(movie))
    assert len(stored) == 2
    assert box.scratch() == []
    assert await box.bus.backlog(streams.DOWNLOADS) == 0
    for secret in (box.internet.addresses["nntp_password"], box.internet.addresses["newznab_api_key"]):
        assert secret not in said


@pytest.mark.parametrize(
    "nntp",
    [
        {"missing_every": {PACKED: 12}},
        {"corrupt_every": {PACKED: 12}},
        {"drop_every": 5},
        {"max_connections": 2},
        {"delay_ms": 20},
    ],
    ids=lambda fault: next(iter(fault)),
)
async def test_what_can_be_mended_or_waited_for_is(box: Box, nntp: dict[str, Any]) -> None:
    box.internet.misbehave(nntp=nntp)
    await box.queue(PACKED)
    await box.run()
    state = await box.state()
    assert (state.phase, state.error_message) == (Phase.READY, None)
    assert box.stored()[f"movies/{JOB}/movie.mkv"] == box.internet.film_of(900001)
    assert box.scratch() == []


@pytest.mark.parametrize(
    ("faults", "title", "code", "blame", "says"),
    [
        ({"nntp": {"missing_every": {PLAIN: 4}}}, PLAIN, "USENET_ERROR", "release", "gone from the news"),
        ({"nntp": {"missing_every": {PACKED: 2}}}, PACKED, "USENET_ERROR", "release", "can't be mended"),
        ({"nntp": {"refuse_credentials": True}}, PLAIN, "USENET_ERROR", "owner", "password"),
        ({"nzb": "external_entity"}, PLAIN, "USENET_ERROR", "release", "entities"),
        ({"nzb": "billion_laughs"}, PLAIN, "USENET_ERROR", "release", "entities"),
        ({"nzb": "html"}, PLAIN, "USENET_ERROR", "release", "web page instead of an NZB"),
        ({"nzb": "truncated"}, PLAIN, "USENET_ERROR", "release", "not an NZB"),
        ({"newznab": {"wrong_key": True}}, PLAIN, "NZBGEEK_ERROR", "owner", "does not accept the API key"),
        ({"newznab": {"status": 403}}, PLAIN, "NZBGEEK_ERROR", "owner", "does not accept the API key"),
        ({"newznab": {"limit_reached": True}}, PLAIN, "NZBGEEK_ERROR", "world", "did not give the NZB"),
        ({"newznab": {"status": 500}}, PLAIN, "NZBGEEK_ERROR", "world", "Sandbox"),
    ],
)
async def test_what_goes_wrong_is_told_in_words_and_leaves_nothing(
    box: Box, faults: dict[str, Any], title: str, code: str, blame: str, says: str
) -> None:
    await box.queue(title)
    if "nzb" in faults:
        faults = {"nzb": {box.offer(title).id: faults["nzb"]}}
    box.internet.misbehave(**faults)
    await box.run()
    state = await box.state()
    assert state.phase is Phase.WAITING
    [failure] = state.failures
    assert (failure.code, failure.blame) == (code, blame)
    assert says in failure.message
    assert box.internet.addresses["newznab_api_key"] not in failure.message
    assert box.stored() == {}
    assert box.scratch() == []


async def test_a_certificate_nobody_vouches_for_is_refused(box: Box) -> None:
    await box.queue(PLAIN)
    await box.run(**box.internet.environment(ca_file=""))
    [failure] = (await box.state()).failures
    assert (failure.blame, failure.code) == ("owner", "USENET_ERROR")
    assert "certificate" in failure.message


async def test_a_film_larger_than_allowed_is_refused(box: Box) -> None:
    await box.queue(PLAIN)
    await box.run(MATINEE_DOWNLOADER_MAX_FILM_BYTES="1000000")
    [failure] = (await box.state()).failures
    assert "allowed" in failure.message
    assert box.stored() == {}


async def test_an_instance_told_to_stop_hands_its_job_back(box: Box) -> None:
    box.internet.misbehave(nntp={"bytes_per_s": 50_000})
    await box.queue(PLAIN)
    first = await box.start()
    await box.until(Phase.DOWNLOADING)
    started = time.monotonic()
    first.send_signal(signal.SIGTERM)
    await first.communicate()
    assert time.monotonic() - started < 5
    assert (box.stored(), box.scratch()) == ({}, [])
    box.internet.misbehave()
    await box.run()
    state = await box.state()
    assert (state.phase, state.attempt, state.delivery) == (Phase.READY, 1, 2)


async def test_an_attempt_that_was_overtaken_publishes_nothing(box: Box) -> None:
    box.internet.misbehave(nntp={"bytes_per_s": 120_000})
    await box.queue(PLAIN)
    old = await box.start()
    await box.until(Phase.DOWNLOADING)
    # The janitor took the next candidate meanwhile.
    await box.queue(PACKED, attempt=2)
    await old.communicate()
    state = await box.state()
    assert (state.phase, state.attempt) == (Phase.QUEUED, 2)
    assert box.stored() == {}


async def test_work_that_the_log_no_longer_wants_is_passed_over(box: Box) -> None:
    await box.queue(PLAIN, attempt=1)
    await box.queue(PACKED, attempt=2)
    await box.run()
    state = await box.state()
    assert (state.phase, state.attempt) == (Phase.READY, 2)
    assert await box.bus.backlog(streams.DOWNLOADS) == 0


async def test_the_launcher_starts_what_is_needed_and_sweeps_what_died(box: Box) -> None:
    dead = box.data / "scratch" / "instance-dead"
    dead.mkdir(parents=True)
    (dead / "lock").touch()
    (dead / "spool").mkdir()
    settings = load(None, {k: v for k, v in box.environment.items() if k.startswith("MATINEE_")})
    runner = ProcessRunner(settings.scratch, box.environment)
    task = asyncio.create_task(Launcher(box.bus, runner, max_instances=2).run())
    for number in range(4):
        await box.queue(PLAIN, job_id=f"job_{number}_00")
    most = 0
    async with asyncio.timeout(60):
        while await box.bus.backlog(streams.DOWNLOADS):
            most = max(most, len(runner.running()))
            await asyncio.sleep(0.02)
        while runner.running():
            await asyncio.sleep(0.02)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert most == 2
    assert {(await box.state(f"job_{n}_00")).phase for n in range(4)} == {Phase.READY}
    assert box.scratch() == []


async def test_an_instance_is_kept_warm_and_takes_what_comes(box: Box) -> None:
    box.environment["MATINEE_DOWNLOADER_WARM"] = "1"
    settings = load(None, {k: v for k, v in box.environment.items() if k.startswith("MATINEE_")})
    runner = ProcessRunner(settings.scratch, box.environment)
    task = asyncio.create_task(Launcher(box.bus, runner, 2, settings.downloader.warm).run())
    async with asyncio.timeout(60):
        while not (warm := runner.running()):
            await asyncio.sleep(0.02)
        await box.queue(PLAIN)
        assert (await box.until(Phase.READY)).instance in warm
        while not runner.running() - warm:
            await asyncio.sleep(0.02)
    assert len(runner.running()) == 1
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert not runner.running()
