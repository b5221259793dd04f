"""kill -9 in each stage of an instance's work: the next one makes the film, and nothing is left half-way."""

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest

from libs.common import streams
from libs.common.bus import Bus
from libs.common.jobs import JobState, Phase
from tests.conftest import NatsServer
from tests.support.box import synthetic_film
from tests.support.instances import JOB, Box
from tests.support.internet import Internet
from tests.support.wires import long_way

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(120)]

RELEASE = "Stage.Fright.2024.1080p.WEB-DL.x264-KILL"
FILM_BYTES = 12_000_000
LEASE_S = 2.0
"""So that the job comes back soon: the broker's usual 30 s would be waited for four times."""


@pytest.fixture(scope="module")
def film(shared_internet: Internet, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("film") / "film.mkv"
    content = synthetic_film(path, FILM_BYTES, seed=7)
    shared_internet.post(path, RELEASE, packing="rar5-volumes+par2", article_bytes=100_000)
    return content


@pytest.fixture
async def box(tmp_path: Path, bus: Bus, nats_server: NatsServer, internet: Internet) -> AsyncIterator[Box]:
    box = Box(tmp_path / "data", bus, nats_server, internet)
    stream, config = streams.CONSUMERS[streams.DOWNLOADS]
    await bus.js.add_consumer(stream, replace(config, ack_wait=LEASE_S))
    yield box
    await box.close()


def kill_when(pid: int, seen: Callable[[], Any]) -> None:
    """Looks without a pause: what is to be hit may last a few milliseconds. Fails after 30 s."""
    deadline = time.monotonic() + 30
    while not _looked(seen):
        assert time.monotonic() < deadline
    os.kill(pid, signal.SIGKILL)


def _looked(seen: Callable[[], Any]) -> Any:
    # What an instance is just making or removing vanishes while it is looked at.
    with suppress(FileNotFoundError):
        return seen()
    return False


async def made_by_the_next_one(box: Box, film: bytes) -> JobState:
    box.internet.misbehave()
    await box.run()
    state = await box.state()
    assert (state.phase, state.attempt) == (Phase.READY, 1)
    assert state.delivery > 1
    stored = box.stored()
    assert stored.keys() == {f"movies/{JOB}/movie.mkv", f"movies/{JOB}/movie.json"}
    assert stored[f"movies/{JOB}/movie.mkv"] == film
    return state


async def test_while_it_describes(box: Box, film: bytes) -> None:
    box.internet.misbehave(nntp={"bytes_per_s": 10_000})
    await box.queue(RELEASE)
    process = await box.start()
    await box.until(Phase.DOWNLOADING)
    process.kill()
    assert (await box.state()).play is None
    await made_by_the_next_one(box, film)


async def test_while_it_downloads(box: Box, film: bytes) -> None:
    box.internet.misbehave(nntp={"bytes_per_s": 300_000})
    await box.queue(RELEASE)
    process = await box.start()
    await asyncio.to_thread(kill_when, process.pid, lambda: spooled(box) > FILM_BYTES // 3)
    assert (await box.state()).phase is Phase.DOWNLOADING
    await made_by_the_next_one(box, film)


async def test_while_it_mends(box: Box, film: bytes) -> None:
    box.internet.misbehave(nntp={"missing_every": {RELEASE: 12}})
    await box.queue(RELEASE)
    process = await box.start()
    workshops: list[Path] = []

    def mending() -> bool:
        workshops[:] = (box.data / "scratch").glob("*/repair-*/data/*")
        return bool(workshops)

    await asyncio.to_thread(kill_when, process.pid, mending)
    assert (await box.state()).phase is Phase.DOWNLOADING
    async with asyncio.timeout(2):
        while par2_processes(box):
            await asyncio.sleep(0.05)
    await made_by_the_next_one(box, film)


async def test_while_it_publishes(box: Box, film: bytes) -> None:
    await box.queue(RELEASE)
    async with long_way(box.environment["MATINEE_NATS_URL"], 0.2) as url:
        process = await box.start(MATINEE_NATS_URL=url)
        published = box.data / "store" / "movies" / JOB / "movie.mkv"
        await asyncio.to_thread(kill_when, process.pid, published.exists)
    assert (await box.state()).phase is Phase.PREPARING
    await made_by_the_next_one(box, film)


def spooled(box: Box) -> int:
    """Bytes on the disk: the spool's files are sparse."""
    files = (box.data / "scratch").glob("*/spool/*.bin")
    return sum(file.stat().st_blocks * 512 for file in files)


def par2_processes(box: Box) -> list[psutil.Process]:
    """Those that still work in this box's directory."""
    here = str(box.data)
    return [p for p in psutil.process_iter(["cwd"]) if str(p.info["cwd"] or "").startswith(here)]
