"""Reading the log from the command line: someone waits, so a broker that isn't there is said soon."""

import asyncio
import logging
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import structlog

from libs.cli.failure import CommandFailed
from libs.cli.running import broker_url
from libs.common.bus import Bus
from libs.common.errors import BusError
from libs.common.settings import Settings

CONNECT_S = 5.0


@asynccontextmanager
async def reading(settings: Settings) -> AsyncGenerator[Bus]:
    """A connection. Raises `CommandFailed` if the broker isn't there or stops answering."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    url = broker_url(settings)
    try:
        async with asyncio.timeout(CONNECT_S):
            bus = await Bus.connect(url, "matinee-cli")
    except (OSError, TimeoutError) as error:
        raise CommandFailed(
            f"NATS does not answer at {url.rpartition('@')[2]}: start Matinee by `matinee up`, "
            "or correct nats.url in the settings."
        ) from error
    try:
        if trouble := await bus.probe():
            raise CommandFailed(f"The log can't be read: {trouble}.")
        yield bus
    except BusError as error:
        raise CommandFailed(f"The log can't be read: {error}.") from error
    finally:
        await bus.close()
