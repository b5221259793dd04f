"""Files sent from where they lie, through our own server: on plain sockets, and with clients that leave."""

import asyncio
import os
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from libs.common.health import HttpServer
from libs.common.ranges import ZERO_COPY, Lying, Message, Plan, Receive, Send, serve_chunks

DATA = os.urandom(1 << 20) * 12
PROMISED = len(DATA)


class Library:
    """An app with one file, sent in pieces, the first of which passes through the process."""

    def __init__(self, path: Path) -> None:
        self.descriptor = os.open(path, os.O_RDONLY)
        self.ended = asyncio.Event()

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        assert ZERO_COPY in scope["extensions"]
        plan = Plan(status=200, headers={"content-length": str(PROMISED)}, start=0, length=PROMISED)
        try:
            await serve_chunks(receive, send, plan, self._pieces())
        finally:
            self.ended.set()

    async def _pieces(self) -> AsyncGenerator[bytes | Lying]:
        yield DATA[:1000]
        for at in range(1000, PROMISED, 5_000_000):
            yield Lying(descriptor=self.descriptor, offset=at, length=min(5_000_000, PROMISED - at))


@pytest.fixture
async def library(tmp_path: Path) -> AsyncIterator[Library]:
    path = tmp_path / "film"
    path.write_bytes(DATA)
    library = Library(path)
    yield library
    os.close(library.descriptor)


@asynccontextmanager
async def served(library: Library) -> AsyncIterator[str]:
    async with HttpServer(library, host="127.0.0.1", port=0) as server:
        yield f"http://127.0.0.1:{server.port}"


async def test_every_byte_comes_and_the_connection_serves_another(library: Library) -> None:
    async with served(library) as url, httpx.AsyncClient(base_url=url) as client:
        connections = set()
        for _ in range(2):
            async with client.stream("GET", "/") as answer:
                connections.add(answer.extensions["network_stream"].get_extra_info("client_addr"))
                assert await answer.aread() == DATA
        assert len(connections) == 1


async def test_a_file_that_became_shorter_breaks_the_answer_off(library: Library, tmp_path: Path) -> None:
    os.truncate(tmp_path / "film", 7_000_000)
    async with served(library) as url, httpx.AsyncClient() as client:
        with pytest.raises(httpx.TransportError):
            await client.get(url)


async def test_who_leaves_ends_the_work(library: Library) -> None:
    async with served(library) as url:
        reader, writer = await asyncio.open_connection("127.0.0.1", int(url.rpartition(":")[2]), limit=1000)
        writer.write(b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n")
        await reader.readexactly(500)
        await asyncio.sleep(0.2)
        assert not library.ended.is_set()
        writer.transport.abort()
        async with asyncio.timeout(3):
            await library.ended.wait()
