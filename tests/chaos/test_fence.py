"""Two instances at one job: whoever is older neither publishes nor takes the newer one's message away."""

import asyncio
import signal
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from libs.common import streams
from libs.common.bus import Bus
from libs.common.jobs import Phase
from tests.conftest import NatsServer
from tests.support.instances import JOB, PLAIN, Box
from tests.support.internet import Internet

pytestmark = pytest.mark.chaos

SHORT_LEASE_S = 2.0
"""Shorter than the heartbeat: the broker takes a living instance for a dead one, as it does a frozen one."""


@pytest.fixture
async def box(tmp_path: Path, bus: Bus, nats_server: NatsServer, internet: Internet) -> AsyncIterator[Box]:
    box = Box(tmp_path / "data", bus, nats_server, internet)
    box.environment["MATINEE_DOWNLOADER_PUBLISH"] = "original"
    await lease(bus, SHORT_LEASE_S)
    yield box
    await box.close()


async def lease(bus: Bus, seconds: float) -> None:
    stream, config = streams.CONSUMERS[streams.DOWNLOADS]
    await bus.js.add_consumer(stream, replace(config, ack_wait=seconds))


async def test_the_older_instance_leaves_the_job_to_the_newer_one(box: Box) -> None:
    box.internet.misbehave(nntp={"bytes_per_s": 8_000})
    await box.queue(PLAIN)
    older = await box.start()
    await box.until(Phase.DOWNLOADING)
    newer = await box.start()
    while (await box.state()).delivery < 2:
        await asyncio.sleep(0.05)
        assert newer.returncode is None, (await newer.communicate())[1].decode()
    newer.send_signal(signal.SIGSTOP)
    box.internet.misbehave()
    await older.communicate()
    assert older.returncode == 0
    assert box.stored() == {}
    assert await box.bus.backlog(streams.DOWNLOADS) == 1
    newer.kill()
    await newer.communicate()
    await box.run()
    state = await box.state()
    assert state.phase is Phase.READY
    assert state.delivery > 2
    assert set(box.stored()) == {f"movies/{JOB}/movie.mkv", f"movies/{JOB}/movie.json"}
