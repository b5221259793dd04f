"""The relay at instances that lie, break off and fall silent, and at players that are slow or gone."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from libs.common.errors import ServiceError
from libs.common.ranges import Message
from services.streamer.relay import HEAD_BYTES_MAX, READ_BYTES, Relay, Screening

Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: video/mp4\r\nSet-Cookie: a=b\r\nContent-Length: %d\r\n\r\n"


class Player:
    """An ASGI player: what it was sent, and when it leaves."""

    def __init__(self, *, reads: bool = True) -> None:
        self.status = 0
        self.headers: dict[bytes, bytes] = {}
        self.got = bytearray()
        self.is_complete = False
        self.gone = asyncio.Event()
        self._reads = reads

    async def receive(self) -> Message:
        await self.gone.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status, self.headers = message["status"], dict(message["headers"])
            return
        self.got += message["body"]
        self.is_complete = not message["more_body"]
        if not self._reads:
            await asyncio.Event().wait()


@asynccontextmanager
async def instance(talk: Talk) -> AsyncIterator[Screening]:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await talk(reader, writer)
            await writer.drain()
        except ConnectionError:
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    try:
        yield Screening(address=f"127.0.0.1:{port}", path="/film", token="t")
    finally:
        server.close()


def says(answer: bytes) -> Talk:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)

    return talk


async def ask(talk: Talk, player: Player, method: str = "GET", **headers: str) -> None:
    async with asyncio.timeout(10), instance(talk) as screening:
        asked = (method, {name.replace("_", "-"): value for name, value in headers.items()})
        await Relay().pass_on(screening, asked, player.receive, player.send)


async def test_what_is_asked_and_what_is_told() -> None:
    heard = bytearray()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.extend(await reader.readuntil(b"\r\n\r\n"))
        writer.write(HEAD % 5 + b"hel")
        await writer.drain()
        writer.write(b"lo, and more than was announced")

    player = Player()
    await ask(talk, player, range="bytes=0-4", cookie="secret", authorization="secret")
    assert (player.status, player.got, player.is_complete) == (200, b"hello", True)
    assert player.headers == {b"content-type": b"video/mp4", b"content-length": b"5"}
    assert heard.startswith(b"GET /film HTTP/1.1\r\n")
    assert b"range: bytes=0-4\r\n" in heard.lower()
    assert b"x-matinee-play: t\r\n" in heard.lower()
    assert b"secret" not in heard


@pytest.mark.parametrize(
    ("method", "answer", "status"),
    [
        ("HEAD", HEAD % 5, 200),
        ("GET", b'HTTP/1.1 304 Not Modified\r\nETag: "a"\r\n\r\n', 304),
        ("GET", b"HTTP/1.1 416 No\r\nContent-Range: bytes */5\r\nContent-Length: 0\r\n\r\n", 416),
        ("GET", b"HTTP/1.1 103 Early Hints\r\n\r\n" + HEAD % 0, 200),
    ],
)
async def test_answers_without_a_body(method: str, answer: bytes, status: int) -> None:
    player = Player()
    await ask(says(answer), player, method)
    assert (player.status, player.got, player.is_complete) == (status, b"", True)


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"HTTP/1.1 200 OK\r\n",
        b"HTTP/1.1 200 OK\r\n\r\nwithout a length",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nBad Name: x\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * 2 * HEAD_BYTES_MAX,
        b"HTTP/1.1 100 Continue\r\n\r\n" * HEAD_BYTES_MAX,
        b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1/\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 503 Later\r\nContent-Length: 0\r\n\r\n",
    ],
    ids=lambda value: repr(value[:60]),
)
async def test_what_is_no_answer_is_told_before_anything_is_sent(answer: bytes) -> None:
    player = Player()
    with pytest.raises(ServiceError, match="interrupted") as told:
        await ask(says(answer), player)
    assert (told.value.code, player.status) == ("USENET_ERROR", 0)


async def test_an_instance_that_hung_up_is_told() -> None:
    async with instance(says(b"")) as screening:
        pass
    player = Player()
    with pytest.raises(ServiceError, match="interrupted"):
        await Relay().pass_on(screening, ("GET", {}), player.receive, player.send)


async def test_a_part_that_the_film_has_not_is_not_found() -> None:
    with pytest.raises(ServiceError, match="no such part"):
        await ask(says(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"), Player())


async def test_an_answer_that_breaks_off_is_never_completed() -> None:
    player = Player()
    await ask(says(HEAD % 1_000_000 + b"x" * 400_000), player)
    assert (player.status, len(player.got), player.is_complete) == (200, 400_000, False)


async def test_a_player_that_leaves_ends_the_instances_work() -> None:
    left = asyncio.Event()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(HEAD % 1_000_000 + b"x" * 1000)
        # The rest is waited for, as a hole is.
        assert await reader.read() == b""
        left.set()

    player = Player()
    async with asyncio.timeout(10), asyncio.TaskGroup() as tasks:
        tasks.create_task(ask(talk, player))
        while len(player.got) < 1000:
            await asyncio.sleep(0.01)
        player.gone.set()
        await left.wait()


async def test_a_player_that_reads_nothing_costs_little_memory() -> None:
    sent = 0

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        await reader.readuntil(b"\r\n\r\n")
        writer.write(HEAD % 10**9)
        while True:
            writer.write(b"x" * 100_000)
            await writer.drain()
            sent += 100_000

    player = Player(reads=False)
    async with asyncio.timeout(10), asyncio.TaskGroup() as tasks:
        tasks.create_task(ask(talk, player))
        before = -1
        while sent == 0 or sent != before:
            before = sent
            await asyncio.sleep(0.3)
        # The rest of it is in the sockets' buffers, which the system bounds.
        assert len(player.got) <= READ_BYTES
        assert sent < 40_000_000
        player.gone.set()


@pytest.mark.parametrize(
    "address",
    [
        "93.184.216.34:80",
        "example.com:80",
        "127.0.0.1",
        "127.0.0.1:",
        "127.0.0.1:0",
        "127.0.0.1:65536",
        "127.0.0.1:٨٠",
        "127.0.0.1:" + "8" * 5000,
        "[fe80::1%eth0]:80",
        "127.0.0.1:80/x",
        "127.0.0.1:80@93.184.216.34:80",
    ],
)
async def test_an_address_elsewhere_is_not_even_tried(address: str) -> None:
    player = Player()
    screening = Screening(address=address, path="/film", token="t")
    with pytest.raises(ServiceError, match="an address that it can't have"):
        await Relay().pass_on(screening, ("GET", {}), player.receive, player.send)
