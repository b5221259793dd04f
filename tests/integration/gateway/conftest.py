"""A gateway that runs, and who comes to it."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from libs.common.bus import Bus
from tests.support.gateway import (
    Running,
    bearer,
    catalog_and_indexer,
    gateway,
    sign_in,
)


@pytest.fixture
async def house(bus: Bus, tmp_path: Path) -> AsyncIterator[Running]:
    async with catalog_and_indexer(bus), gateway(bus, tmp_path / "data") as running:
        yield running


@pytest.fixture
async def stranger(house: Running) -> AsyncIterator[httpx.AsyncClient]:
    async with house.client(address="127.0.0.9") as client:
        yield client


@pytest.fixture
async def browser(house: Running) -> AsyncIterator[httpx.AsyncClient]:
    """The owner, signed in by password: cookies and a CSRF token."""
    async with house.client() as client:
        await sign_in(client)
        yield client


@pytest.fixture
async def owner(house: Running) -> AsyncIterator[httpx.AsyncClient]:
    """The owner with a token of the command line."""
    async with house.client() as client:
        client.headers["authorization"] = bearer("cli")
        yield client
