"""A file over real sockets: to clients that read all, slowly, or leave."""

import asyncio
import os
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from libs.common.ranges import CHUNK_BYTES, Plan, respond, serve_file
from tests.support.asgi_server import serving

SIZE_BYTES = 40 * 1024 * 1024


class Film:
    """Serves one file, and tells how much of it was given to the server and how it ended."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.size_bytes = path.stat().st_size
        self.sent_bytes = 0
        self.ended = asyncio.Event()
        self.error: BaseException | None = None

    def plan(self, scope: dict[str, Any]) -> Plan:
        headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        return respond(
            scope["method"],
            headers,
            size_bytes=self.size_bytes,
            etag="film",
            modified_at=datetime(2026, 1, 1, tzinfo=UTC),
            content_type="video/mp4",
        )

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        async def counted(message: dict[str, Any]) -> None:
            await send(message)
            self.sent_bytes += len(message.get("body", b""))

        try:
            await serve_file(receive, counted, self.path, self.plan(scope))
        except BaseException as error:
            self.error = error
            raise
        finally:
            self.ended.set()


@pytest.fixture
def content() -> bytes:
    return os.urandom(SIZE_BYTES)


@pytest.fixture
async def film(tmp_path: Path, content: bytes) -> AsyncIterator[tuple[Film, str]]:
    path = tmp_path / "film.mp4"
    path.write_bytes(content)
    app = Film(path)
    async with serving(app) as url:
        yield app, url


async def request(url: str, headers: str = "") -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    host, port = url.removeprefix("http://").split(":")
    # A small buffer, so that what we don't read isn't sent.
    reader, writer = await asyncio.open_connection(host, int(port), limit=64 * 1024)
    writer.write(f"GET / HTTP/1.1\r\nHost: x\r\n{headers}\r\n".encode())
    await writer.drain()
    await reader.readuntil(b"\r\n\r\n")
    return reader, writer


async def test_the_whole_and_parts_arrive(film: tuple[Film, str], content: bytes) -> None:
    async with httpx.AsyncClient() as client:
        assert (await client.get(film[1])).content == content
        part = await client.get(film[1], headers={"Range": f"bytes={CHUNK_BYTES - 1}-{3 * CHUNK_BYTES}"})
        assert (part.status_code, part.content) == (206, content[CHUNK_BYTES - 1 : 3 * CHUNK_BYTES + 1])
        head = await client.head(film[1])
        assert (head.headers["content-length"], head.content) == (str(SIZE_BYTES), b"")
        assert (await client.get(film[1], headers={"Range": "bytes=999999999-"})).status_code == 416


async def test_a_client_that_does_not_read_is_waited_for(film: tuple[Film, str]) -> None:
    _, writer = await request(film[1])
    await asyncio.sleep(0.5)
    held_bytes = film[0].sent_bytes
    await asyncio.sleep(0.3)
    assert film[0].sent_bytes == held_bytes < SIZE_BYTES / 2
    writer.transport.abort()
    await asyncio.wait_for(film[0].ended.wait(), 5)


async def test_a_client_that_leaves_stops_it(film: tuple[Film, str]) -> None:
    reader, writer = await request(film[1])
    await reader.readexactly(100_000)
    writer.transport.abort()
    await asyncio.wait_for(film[0].ended.wait(), 5)
    assert film[0].error is None
    assert film[0].sent_bytes < SIZE_BYTES / 2


async def test_a_file_that_shrinks_breaks_the_connection(film: tuple[Film, str]) -> None:
    reader, writer = await request(film[1])
    os.truncate(film[0].path, 1024)
    with pytest.raises(asyncio.IncompleteReadError):
        await reader.readexactly(SIZE_BYTES)
    assert isinstance(film[0].error, OSError)
    assert "ended at byte" in str(film[0].error)
    writer.transport.abort()


async def test_a_file_that_is_gone_is_told_before_anything_is_sent(tmp_path: Path) -> None:
    async def never(*_: Any) -> Any:
        raise AssertionError("nothing may be sent or awaited")

    plan = Plan(status=200, headers={}, start=0, length=1)
    with pytest.raises(FileNotFoundError):
        await serve_file(never, never, tmp_path / "gone.mp4", plan)
