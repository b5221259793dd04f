"""A service's start and end: it says what it waits for, and nothing that hangs keeps it alive."""

import asyncio
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import pytest

from libs.common import streams
from libs.common.bus import Bus
from libs.common.errors import BusUnavailable
from libs.common.health import Health
from libs.common.service import CANCELLED_S, STOP_S, connect
from libs.common.settings import Nats, Settings
from tests.conftest import NATS_SERVER, NatsServer

GIB = 1 << 30


@contextmanager
def broker(directory: Path, *, store_bytes: int) -> Generator[str]:
    """A server that may store this much; its address."""
    directory.mkdir(exist_ok=True)
    ports = directory / "ports"
    ports.mkdir(exist_ok=True)
    config = directory / "nats.conf"
    config.write_text(
        f'listen: "127.0.0.1:-1"\njetstream {{ store_dir: "{directory}/js", max_file_store: {store_bytes} }}'
    )
    process = subprocess.Popen(
        [NATS_SERVER, "-c", config, "--ports_file_dir", ports],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield _address(ports / f"nats-server_{process.pid}.ports")
    finally:
        process.terminate()
        process.wait()


@asynccontextmanager
async def connection(directory: Path, *, store_bytes: int) -> AsyncGenerator[Bus]:
    with broker(directory, store_bytes=store_bytes) as url:
        bus = await Bus.connect(url, "test")
        try:
            yield bus
        finally:
            await bus.close()


def _address(file: Path) -> str:
    deadline = time.monotonic() + 10
    while not file.exists() or '"nats"' not in file.read_text():
        assert time.monotonic() < deadline, "nats-server did not start"
        time.sleep(0.005)
    port = file.read_text().partition("nats://127.0.0.1:")[2].partition('"')[0]
    return f"nats://127.0.0.1:{port}"


@pytest.mark.parametrize("max_bytes", [GIB, 3 * GIB], ids=["as declared", "of another version"])
async def test_streams_that_are_there_need_no_room_to_be_reserved_again(
    tmp_path: Path, max_bytes: int
) -> None:
    async with connection(tmp_path / "nats", store_bytes=5 * GIB) as bus:
        await streams.provision(bus.js)
        await bus.js.update_stream(streams.STREAMS[0].evolve(max_bytes=max_bytes))
    async with connection(tmp_path / "nats", store_bytes=GIB // 2) as bus:
        await streams.provision(bus.js)
        assert await bus.probe() is None


async def test_a_broker_without_room_is_said_to_be_the_reason(tmp_path: Path) -> None:
    async with connection(tmp_path / "nats", store_bytes=GIB // 2) as bus:
        with pytest.raises(BusUnavailable, match="stream JOBS: insufficient storage"):
            await streams.provision(bus.js)
    with broker(tmp_path / "nats", store_bytes=GIB // 2) as url:
        health = Health("catalog", "0")
        settings = Settings(data_dir=str(tmp_path), public_url="http://127.0.0.1", nats=Nats(url=url))
        task = asyncio.create_task(connect(settings, "catalog", health))
        async with asyncio.timeout(10):
            while not any("insufficient storage" in trouble for trouble in await health.troubles()):
                await asyncio.sleep(0.05)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


BODIES = {
    "a task that can't be cancelled": """
        async def hang():
            while True:
                try:
                    await asyncio.sleep(60)
                except asyncio.CancelledError:
                    pass
        service.task(hang(), "hang")
    """,
    "a closer that hangs": """
        async def hang():
            await asyncio.sleep(60)
        service.on_close(hang)
    """,
}


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES.keys())
def test_what_hangs_does_not_keep_the_service(body: str, nats_server: NatsServer, tmp_path: Path) -> None:
    closed, started = tmp_path / "closed", tmp_path / "started"
    program = textwrap.dedent(
        """
        import asyncio, pathlib, sys
        from libs.common.service import run
        from libs.common.settings import Nats, Settings
        async def body(service):
            async def close():
                pathlib.Path(sys.argv[2]).touch()
            service.on_close(close)
            {body}
            pathlib.Path(sys.argv[3]).touch()
        nats = Nats(url=sys.argv[1])
        run("catalog", Settings(data_dir=sys.argv[4], public_url="http://127.0.0.1", nats=nats), body)
        """
    ).format(body=textwrap.indent(textwrap.dedent(body), " " * 4).strip())
    process = subprocess.Popen(
        [sys.executable, "-c", program, nats_server.url, closed, started, tmp_path / "data"],
        stderr=subprocess.DEVNULL,
        env=os.environ | {"PYTHONPATH": "."},
    )
    try:
        deadline = time.monotonic() + 20
        while not started.exists():
            assert time.monotonic() < deadline, "it did not start"
            time.sleep(0.02)
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=STOP_S + CANCELLED_S + 2)
        assert closed.exists()
    finally:
        process.kill()
        process.wait()
