"""The gateway when NATS goes and comes back, and as a process that is told to end."""

import asyncio
import contextlib
import os
import signal
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import httpx

from libs.common.bus import Bus
from tests.conftest import NatsServer
from tests.support.gateway import MOVIES, SECRET, Story, bearer, free_port, tell

BODY = """
from libs.common.service import run
from libs.common.settings import load
from services.streamer.app import body
run("streamer", load(), body)
"""


async def until_status(client: httpx.AsyncClient, path: str, status: int) -> None:
    async with asyncio.timeout(20):
        while True:
            with contextlib.suppress(httpx.TransportError):
                if (await client.get(path)).status_code == status:
                    return
            await asyncio.sleep(0.05)


@contextlib.asynccontextmanager
async def process(nats_url: str, data: Path, port: int) -> AsyncIterator[asyncio.subprocess.Process]:
    environ = os.environ | {
        "MATINEE_NATS_URL": nats_url,
        "MATINEE_DATA_DIR": str(data),
        "MATINEE_GATEWAY_PORT": str(port),
        "MATINEE_SECRET": SECRET.decode(),
    }
    running = await asyncio.create_subprocess_exec(sys.executable, "-c", BODY, env=environ)
    try:
        yield running
    finally:
        if running.returncode is None:
            running.kill()
        await running.wait()


async def test_sigterm_ends_it_within_seconds_with_a_stream_open(
    bus: Bus, nats_server: NatsServer, tmp_path: Path
) -> None:
    port = free_port()
    async with process(nats_server.url, tmp_path / "data", port) as gateway:
        headers = {"authorization": bearer("cli")}
        url = f"http://127.0.0.1:{port}"
        async with httpx.AsyncClient(base_url=url, headers=headers, timeout=20) as client:
            await until_status(client, "/readyz", 200)
            async with client.stream("GET", "/v1/events") as stream:
                started = time.monotonic()
                gateway.send_signal(signal.SIGTERM)
                assert [line async for line in stream.aiter_lines() if line.startswith("data")] == []
                assert await asyncio.wait_for(gateway.wait(), 10) == 0
                assert time.monotonic() - started < 5


async def test_readiness_tells_that_nats_is_gone_and_back(
    bus: Bus, nats_server: NatsServer, tmp_path: Path
) -> None:
    port = free_port()
    before, after = Story(5, 1), Story(6, 2)
    headers = {"authorization": bearer("cli")}
    async with (
        process(nats_server.url, tmp_path / "data", port),
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", headers=headers, timeout=20) as client,
    ):
        await tell(bus, *before.up_to("queued"))
        await until_status(client, f"{MOVIES}/jobs/{before.job_id}", 200)
        nats_server.kill()
        await until_status(client, "/readyz", 503)
        assert (await client.get("/healthz")).status_code == 200
        assert (await client.get(f"{MOVIES}/jobs")).json()["total"] == 1
        nats_server.start()
        await until_status(client, "/readyz", 200)
        await tell(bus, *after.up_to("queued"))
        await until_status(client, f"{MOVIES}/jobs/{after.job_id}", 200)
