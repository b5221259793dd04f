"""A service's body in the test's own loop, on a bus that the test owns."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from libs.common.bus import Bus
from libs.common.health import Health, HttpServer
from libs.common.service import Body, Service
from libs.common.settings import Settings


@asynccontextmanager
async def running(
    name: str, settings: Settings, bus: Bus, body: Body, *, port: int = 0
) -> AsyncIterator[Service]:
    """From the start of `body` to what SIGTERM does."""
    health = Health(name, "0")
    async with HttpServer(health, host="127.0.0.1", port=port) as http, asyncio.TaskGroup() as tasks:
        service = Service(settings, bus, http, health, tasks)
        try:
            await body(service)
            yield service
        finally:
            await service.stop()
