"""Sources over lying servers, closed at the end of each test."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from services.downloader.usenet.nzb import Nzb
from services.downloader.usenet.pool import Engine
from services.downloader.usenet.servers import Server
from services.downloader.usenet.source import UsenetSource
from tests.support.nntp import Liar

Start = Callable[..., Awaitable[Liar]]
MakeSource = Callable[..., UsenetSource]


@pytest.fixture
async def stack() -> AsyncIterator[AsyncExitStack]:
    async with AsyncExitStack() as stack:
        yield stack


@pytest.fixture
def start(stack: AsyncExitStack) -> Start:
    async def start(liar: Liar) -> Liar:
        return await stack.enter_async_context(liar.running())

    return start


@pytest.fixture
def make_source(stack: AsyncExitStack, tmp_path: Path) -> MakeSource:
    def make(nzb: Nzb, *servers: Server) -> UsenetSource:
        source = UsenetSource(nzb, Engine(servers), tmp_path / "spool")
        stack.push_async_callback(source.close)
        return source

    return make
