"""Connections that keep a server waiting, and too many of them; on plain sockets."""

import asyncio
import json
import resource
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import suppress

import pytest

from libs.common.connection import CONNECTIONS_MAX, REQUEST_S, SERVED_MAX
from libs.common.health import Health, HttpServer

GET = b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n"
HEAD_OF_A_BODY = b"POST /x HTTP/1.1\r\nhost: localhost\r\ncontent-length: 1000\r\n\r\n"

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@pytest.fixture
async def server() -> AsyncIterator[HttpServer]:
    async with HttpServer(Health("test", "0"), host="127.0.0.1", port=0) as server:
        yield server


@pytest.fixture
def many_files() -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 8192), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


async def connect(server: HttpServer) -> Streams:
    return await asyncio.open_connection("127.0.0.1", server.port)


async def answer(streams: Streams, request: bytes) -> tuple[bytes, bytes]:
    """The head and the body of the answer."""
    reader, writer = streams
    writer.write(request)
    head = await reader.readuntil(b"\r\n\r\n")
    length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
    return head, await reader.readexactly(length)


HALVES: dict[str, Callable[[int], bytes]] = {
    "silence": lambda _: b"",
    "half a head": lambda beat: GET[:20] if beat == 0 else b"",
    "a head that never ends": lambda beat: b"GET / HTTP/1.1\r\n" if beat == 0 else b"x-%d: y\r\n" % beat,
    "half a body": lambda beat: HEAD_OF_A_BODY if beat == 0 else b"",
    "a body that never ends": lambda beat: HEAD_OF_A_BODY if beat == 0 else b"x",
    "half a second request": lambda beat: (GET, GET[:20])[beat] if beat < 2 else b"x",
}


async def kept_open_s(server: HttpServer, said: Callable[[int], bytes]) -> float:
    """How long the server listens to something said every fifth of a second."""
    loop = asyncio.get_running_loop()
    reader, writer = await connect(server)
    began, beats = loop.time(), 0
    with suppress(ConnectionError):
        while not reader.at_eof() and loop.time() - began < REQUEST_S + 5:
            writer.write(said(beats))
            beats += 1
            with suppress(TimeoutError):
                async with asyncio.timeout(0.2):
                    await reader.read(4096)
    writer.close()
    return loop.time() - began


async def test_a_request_that_never_comes_whole_is_not_waited_for(server: HttpServer) -> None:
    async with asyncio.TaskGroup() as tasks:
        found = {name: tasks.create_task(kept_open_s(server, said)) for name, said in HALVES.items()}
    for name, task in found.items():
        assert task.result() < REQUEST_S + 2, name


async def test_a_crowd_is_answered_and_a_flood_is_not(server: HttpServer, many_files: None) -> None:
    crowd = [await connect(server) for _ in range(SERVED_MAX)]
    assert (await answer(crowd[-1], GET))[0].startswith(b"HTTP/1.1 200")
    late = await connect(server)
    head, body = await answer(late, GET.replace(b"/healthz", b"/auth/state"))
    assert head.startswith(b"HTTP/1.1 503")
    assert b"retry-after: 5" in head
    assert json.loads(body)["code"] == "RATE_LIMITED"
    assert await late[0].read() == b""
    crowd += [await connect(server) for _ in range(CONNECTIONS_MAX - len(crowd))]
    assert (await answer(crowd[-1], GET))[0].startswith(b"HTTP/1.1 200")
    flood = await connect(server)
    with suppress(ConnectionError):
        assert await flood[0].read() == b""
    for _, writer in [*crowd, late, flood]:
        writer.close()
    async with asyncio.timeout(5):
        while await status(server) != b"404":
            await asyncio.sleep(0.05)


async def status(server: HttpServer) -> bytes | None:
    """What a newcomer is answered; None if it isn't."""
    streams = await connect(server)
    try:
        head, _ = await answer(streams, GET.replace(b"/healthz", b"/"))
        return head[9:12]
    except (ConnectionError, asyncio.IncompleteReadError):
        return None
    finally:
        streams[1].close()
