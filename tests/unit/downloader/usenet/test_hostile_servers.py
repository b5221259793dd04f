"""Servers that lie, refuse and break: nothing unproven is ever written, and every failure has a sentence."""

import asyncio
import random
import resource
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from itertools import pairwise
from pathlib import Path

import pytest
import trustme
from structlog.testing import capture_logs

from services.downloader.errors import ScratchFull, ServerRefused, ServerUnreachable
from services.downloader.source import Span
from services.downloader.usenet.servers import Server
from services.downloader.usenet.source import UsenetSource
from tests.support.nntp import Liar, Post, body
from tests.unit.downloader.usenet.conftest import MakeSource, Start

DATA = random.Random(7).randbytes(40_500)
BAD_SLOT = 20
TOTAL = 41


def a_post() -> Post:
    return Post({"film.mkv": DATA}, part_bytes=1_000)


def part(**lies: object) -> bytes:
    true = {"number": BAD_SLOT + 1, "total": TOTAL, "begin": BAD_SLOT * 1_000, "file_bytes": len(DATA)}
    return body(DATA[20_000:21_000], **(true | lies))  # pyright: ignore[reportArgumentType]


def answered(whole: bytes) -> bytes:
    return b"222 0 <0.%d@test.invalid>\r\n" % BAD_SLOT + whole


LIES: dict[str, bytes] = {
    "wrong checksum": answered(part(crc=1)),
    "no yend": answered(part(yend=False)),
    "begins far outside": answered(part(begin=10**12)),
    "begins beyond the end": answered(part(begin=40_400)),
    "begins in another part": answered(part(begin=30_000)),
    "begins between parts": answered(part(begin=20_500)),
    "another file's size": answered(part(file_bytes=41_000)),
    "an endless file's size": answered(part(file_bytes=10**15)),
    "negative place": answered(part().replace(b"begin=20001", b"begin=-5")),
    "a single part": answered(body(DATA[20_000:21_000])),
    "shorter than its header": answered(part().replace(b"end=21000", b"end=22000")),
    "no body": answered(b".\r\n"),
    "text": answered(b"This article was removed.\r\nSorry.\r\n.\r\n"),
    "uuencoded": answered(b"begin 644 film.mkv\r\n#86)C\r\n`\r\nend\r\n.\r\n"),
    "another part's article": b"222 0 <0.20@test.invalid>\r\n"
    + body(DATA[5_000:6_000], number=6, total=TOTAL, begin=5_000, file_bytes=len(DATA)),
    "another article's answer": b"222 0 <other@test.invalid>\r\n" + part(),
    "not a status": b"garbage\r\n",
    "an empty line": b"\r\n",
    "an empty answer": b"\r\n.\r\n",
    "taken down": b"451 removed\r\n",
    "internal fault": b"403 broken\r\n",
    "a line without end": answered(b"x" * 400_000),
    "larger than any article": answered(b"=ybegin part=1 total=2 line=128 size=99999999 name=x\r\n")
    + b"=ypart begin=1 end=99999999\r\n"
    + b"x" * 126
    + (b"\r\n" + b"x" * 128) * 90_000,
    "text without end": answered(b"spam\r\n" * 2_200_000),
}


@pytest.mark.parametrize("lie", LIES)
async def test_a_lie_costs_one_part_and_nothing_else(lie: str, start: Start, make_source: MakeSource):
    post = a_post()
    liar = await start(Liar(post.bodies))
    liar.answers[post.message_id(0, BAD_SLOT)] = LIES[lie]
    source = make_source(post.nzb, liar.account())
    await source.open()
    await _fill(source)
    assert source.holes(0) == (Span(20_000, 21_000),)
    assert source.path(0).read_bytes() == DATA[:20_000] + bytes(1_000) + DATA[21_000:]
    assert liar.asked.count(post.message_id(0, BAD_SLOT)) <= 3


@pytest.mark.parametrize("lie", LIES)
async def test_a_lie_is_told_right_by_the_next_server(lie: str, start: Start, make_source: MakeSource):
    post = a_post()
    liar, honest = await start(Liar(post.bodies)), await start(Liar(post.bodies))
    liar.answers[post.message_id(0, BAD_SLOT)] = LIES[lie]
    source = make_source(post.nzb, liar.account(), honest.account(priority=1))
    await source.open()
    await _fill(source)
    assert source.path(0).read_bytes() == DATA
    assert source.holes(0) == ()
    assert set(honest.asked) == {post.message_id(0, BAD_SLOT)}


async def test_a_bad_part_is_asked_for_once_more(start: Start, make_source: MakeSource):
    post = a_post()
    liar = await start(Liar(post.bodies))
    liar.answers[post.message_id(0, BAD_SLOT)] = LIES["wrong checksum"]
    source = make_source(post.nzb, liar.account())
    await source.open()
    await _fill(source)
    assert liar.served[post.message_id(0, BAD_SLOT)] == 2
    assert (source.articles_bad, source.articles_fetched) == (2, TOTAL - 1)


@pytest.mark.parametrize("lie", ["begins far outside", "an endless file's size", "wrong checksum", "no yend"])
async def test_a_lying_first_part_writes_nothing(lie: str, start: Start, make_source: MakeSource):
    post = a_post()
    liar = await start(Liar(post.bodies))
    liar.answers[post.message_id(0, 0)] = LIES[lie].replace(b"<0.20@", b"<0.0@")
    source = make_source(post.nzb, liar.account())
    await source.open()
    await _fill(source)
    assert source.holes(0) == (Span(0, 1_000),)
    assert source.path(0).stat().st_size == len(DATA)


async def test_an_uneven_post_is_put_together_all_the_same(start: Start, make_source: MakeSource):
    cuts = [0, 700, 1_500, 4_000, 4_001, 20_000, 33_000, len(DATA)]
    post = Post({"film.mkv": DATA}, part_bytes=6_000)
    assert len(post.bodies) == len(cuts) - 1
    for slot, (begin, end) in enumerate(pairwise(cuts)):
        post.bodies[post.message_id(0, slot)] = body(
            DATA[begin:end], number=slot + 1, total=7, begin=begin, file_bytes=len(DATA)
        )
    liar = await start(Liar(post.bodies))
    source = make_source(post.nzb, liar.account())
    await source.open()
    await _fill(source)
    assert source.path(0).read_bytes() == DATA
    assert source.holes(0) == ()


async def test_dropped_connections_lose_and_repeat_nothing(start: Start, make_source: MakeSource):
    post = a_post()
    liar = await start(Liar(post.bodies))
    liar.cut_after = {post.message_id(0, slot) for slot in range(1, TOTAL, 3)}
    source = make_source(post.nzb, liar.account())
    await source.open()
    landed = [event.span async for event in source.fill([0])]
    assert source.path(0).read_bytes() == DATA
    assert source.articles_fetched == TOTAL
    assert len(landed) == len(set(landed))


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (b"481 wrong for bob, hunter2\r\n", "user name and password"),
        (b"502 suspended\r\n", "refuses the connection"),
    ],
)
async def test_refused_credentials(answer: bytes, said: str, start: Start, make_source: MakeSource):
    liar = await start(Liar({}))
    liar.log_in = lambda _: answer
    source = make_source(a_post().nzb, liar.account(username="bob", password="hunter2"))
    with pytest.raises(ServerRefused, match=said) as refused:
        await source.open()
    assert "127.0.0.1" in str(refused.value)
    assert "hunter2" not in str(refused.value)
    assert "bob" not in str(refused.value)


async def test_a_refusing_server_is_no_matter_if_another_works(start: Start, make_source: MakeSource):
    post = a_post()
    refusing, working = await start(Liar({})), await start(Liar(post.bodies))
    refusing.log_in = lambda _: b"481 no\r\n"
    refused = refusing.account(username="bob", password="hunter2")
    source = make_source(post.nzb, refused, working.account(priority=1))
    await source.open()
    await _fill(source)
    assert source.path(0).read_bytes() == DATA


async def test_a_log_in_is_asked_for(start: Start, make_source: MakeSource):
    post = a_post()
    liar = await start(Liar(post.bodies))
    lines: list[str] = []

    def log_in(line: str) -> bytes:
        lines.append(line)
        return b"281 welcome\r\n" if "PASS" in line else b"381 go on\r\n"

    liar.log_in = log_in
    source = make_source(post.nzb, liar.account(username="bob", password="hünter2"))
    await source.open()
    assert lines[:2] == ["AUTHINFO USER bob", "AUTHINFO PASS hünter2"]


async def test_fewer_connections_are_used_if_the_server_allows_fewer(start: Start, make_source: MakeSource):
    post = a_post()
    liar = await start(Liar(post.bodies))
    liar.connections_max = 2
    source = make_source(post.nzb, liar.account(connections=10))
    await source.open()
    await _fill(source)
    assert source.path(0).read_bytes() == DATA
    assert liar.connections < 30


async def test_no_connection_allowed_at_all(start: Start, make_source: MakeSource):
    liar = await start(Liar({}))
    liar.connections_max = 0
    source = make_source(a_post().nzb, liar.account())
    with pytest.raises(ServerRefused, match="too many connections"):
        await source.open()
    assert liar.connections <= 4


def closed_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


@pytest.mark.parametrize(
    "account",
    [
        lambda: Server(host="127.0.0.1", port=closed_port(), tls=False),
        lambda: Server(host="no-such-host.invalid", port=119, tls=False),
        lambda: Server(host="x" * 70 + ".invalid", port=119, tls=False),
        lambda: Server(host="255.255.255.255", port=119, tls=False),
    ],
    ids=["refused", "unknown name", "impossible name", "no route"],
)
async def test_unreachable(account: Callable[[], Server], make_source: MakeSource):
    source = make_source(a_post().nzb, account())
    async with asyncio.timeout(15):
        with pytest.raises(ServerUnreachable, match="can't be reached"):
            await source.open()


async def test_a_server_that_comes_back_is_used_again(start: Start, make_source: MakeSource):
    post = a_post()
    liar = await start(Liar(post.bodies))
    liar.greeting = b"400 maintenance\r\n"
    source = make_source(post.nzb, liar.account())
    opening = asyncio.create_task(source.open())
    await asyncio.sleep(0.3)
    liar.greeting = b"200 back\r\n"
    await opening


async def test_a_hiccup_of_the_only_server_is_outlived(start: Start, make_source: MakeSource):
    post = a_post()
    liar = await start(Liar(post.bodies))
    liar.cut_after = {post.message_id(0, 25)}
    source = make_source(post.nzb, liar.account(connections=1))
    await source.open()
    liar.greeting = b"400 maintenance\r\n"
    filling = asyncio.create_task(_fill(source))
    await asyncio.sleep(2.5)
    assert not filling.done()
    liar.greeting = b"200 back\r\n"
    await filling
    assert source.path(0).read_bytes() == DATA


async def test_an_untrusted_certificate(start: Start, make_source: MakeSource, tmp_path: Path):
    real, fake = trustme.CA(), trustme.CA()
    real.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    liar = await start(Liar({}, tls=_tls(fake)))
    source = make_source(a_post().nzb, liar.account(ca_file=tmp_path / "ca.pem"))
    with pytest.raises(ServerRefused, match=r"127\.0\.0\.1:\d+ shows a certificate that can't be trusted"):
        await source.open()


async def test_a_certificate_for_another_host(start: Start, make_source: MakeSource, tmp_path: Path):
    ca = trustme.CA()
    ca.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    liar = await start(Liar({}, tls=_tls(ca, "news.elsewhere.invalid")))
    source = make_source(a_post().nzb, liar.account(ca_file=tmp_path / "ca.pem"))
    with pytest.raises(ServerRefused, match="certificate"):
        await source.open()


async def test_a_missing_ca_file(make_source: MakeSource, tmp_path: Path):
    with pytest.raises(ServerRefused, match="can't be read"):
        make_source(a_post().nzb, Server(host="127.0.0.1", ca_file=tmp_path / "none.pem"))


async def test_one_lost_tls_connection_takes_no_other_with_it(
    stack: AsyncExitStack, start: Start, make_source: MakeSource, tmp_path
):
    ca = trustme.CA()
    ca.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    data = random.Random(9).randbytes(40 * 40_000)
    post = Post({"film.mkv": data}, part_bytes=40_000)
    liar = await start(Liar(post.bodies, tls=_tls(ca)))
    liar.hang_up_at = {post.message_id(0, slot) for slot in (11, 19, 27)}
    port = await stack.enter_async_context(_dribbling(liar.port))
    source = make_source(post.nzb, liar.account(ca_file=tmp_path / "ca.pem", port=port))
    await source.open()
    with capture_logs() as logs:
        await _fill(source)
    assert source.path(0).read_bytes() == data
    assert [entry["event"] for entry in logs] == ["connection lost"] * 3


async def test_a_full_disk(start: Start, make_source: MakeSource):
    post = a_post()
    liar = await start(Liar(post.bodies))
    source = make_source(post.nzb, liar.account())
    await source.open()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (30_000, hard))
    try:
        with pytest.raises(ScratchFull, match="free some space"):
            await _fill(source)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    # Articles that were on their way have failed too by then, and whoever asked for them would be told so.
    await asyncio.sleep(0.3)
    await _fill(source)
    assert source.path(0).read_bytes() == DATA


def test_a_server_is_shown_without_its_password():
    server = Server(host="news.invalid", username="bob", password="hunter2")
    assert "hunter2" not in repr(server)


@pytest.mark.parametrize(
    "wrong", [{"username": "a\r\nQUIT"}, {"password": "\0"}, {"port": 0}, {"connections": 0}, {"host": ""}]
)
def test_impossible_settings(wrong: dict[str, object]):
    with pytest.raises(ValueError, match="news server"):
        Server(**({"host": "news.invalid"} | wrong))  # pyright: ignore[reportArgumentType]


def _tls(ca: trustme.CA, host: str = "127.0.0.1"):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ca.issue_cert(host).configure_cert(context)
    return context


async def _fill(source: UsenetSource) -> None:
    async for _ in source.fill([0]):
        pass


@asynccontextmanager
async def _dribbling(upstream_port: int) -> AsyncIterator[int]:
    """A way to the server on which TLS records arrive in pieces, as they do on a real network."""
    tasks: set[asyncio.Task[None]] = set()

    async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while chunk := await reader.read(3_000):
                writer.write(chunk)
                await writer.drain()
                await asyncio.sleep(0.0002)
        except OSError:
            pass
        finally:
            writer.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", upstream_port)
        tasks.update(asyncio.create_task(pass_on(*ends)) for ends in ((reader, back), (there, writer)))

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    yield server.sockets[0].getsockname()[1]
    server.close()
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
