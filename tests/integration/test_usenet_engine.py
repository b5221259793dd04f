"""The Usenet engine against the sandbox's news server: RFC 3977 over TLS, with its faults."""

import asyncio
import random
import ssl
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import msgspec
import pytest
import trustme

from libs.sandbox.faults import Counters, Faults, FaultSwitch, NntpFaults
from libs.sandbox.nntp import NewsServer
from libs.sandbox.posts import ArticleIndex, Post
from services.downloader.errors import ServerRefused
from services.downloader.source import HEAD_BYTES, Lost, Urgency
from services.downloader.usenet.nzb import parse_nzb
from services.downloader.usenet.pool import Engine
from services.downloader.usenet.servers import Server
from services.downloader.usenet.source import UsenetSource

TITLE = "A.Release.2026"
ARTICLE_BYTES = 50_000
SIZES = {"a.rar": 1_234_567, "b.r00": 1_000_000, "c.par2": 700, "d.bin": 50_000}


class News:
    """A release posted to news servers of one kind, and a source that reads it."""

    def __init__(self, directory: Path, stack: AsyncExitStack) -> None:
        rng = random.Random(3)
        self.data = {name: rng.randbytes(size) for name, size in SIZES.items()}
        self._directory = directory
        self._stack = stack
        self._ca = trustme.CA()
        self._ca.cert_pem.write_to_path(str(directory / "ca.pem"))
        self.articles = ArticleIndex()
        self.post = self._post()

    async def serve(self, priority: int = 0, **faults: object) -> tuple[NewsServer, Server]:
        switch = FaultSwitch()
        switch.set(Faults(nntp=msgspec.convert(faults, NntpFaults)))
        server = NewsServer(self.articles, switch, Counters(), username="bob", password="secret")
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._ca.issue_cert("localhost").configure_cert(tls)
        port = await server.start("127.0.0.1", 0, tls)
        self._stack.push_async_callback(server.close)
        return server, Server(
            host="localhost",
            port=port,
            ca_file=self._directory / "ca.pem",
            username="bob",
            password="secret",
            connections=6,
            priority=priority,
        )

    def source(self, *servers: Server) -> UsenetSource:
        return self.source_of(Engine(servers))

    def source_of(self, engine: Engine) -> UsenetSource:
        source = UsenetSource(parse_nzb(self.post.nzb), engine, self._directory / "spool")
        self._stack.push_async_callback(source.close)
        return source

    def _post(self) -> Post:
        paths = [self._directory / name for name in self.data]
        for path in paths:
            path.write_bytes(self.data[path.name])
        return self.articles.post(paths, title=TITLE, article_bytes=ARTICLE_BYTES)


@pytest.fixture
async def news(tmp_path: Path) -> AsyncIterator[News]:
    async with AsyncExitStack() as stack:
        yield News(tmp_path, stack)


async def fill(source: UsenetSource) -> list[Lost]:
    return [event async for event in source.fill(range(len(source.files))) if isinstance(event, Lost)]


def assert_whole(source: UsenetSource, news: News) -> None:
    for file, data in zip(source.files, news.data.values(), strict=True):
        assert file.size_bytes == len(data)
        assert source.path(file.index).read_bytes() == data
        assert source.holes(file.index) == ()


async def test_a_healthy_release(news: News):
    server, account = await news.serve()
    source = news.source(account)
    await source.open()
    assert [(file.name, file.head) for file in source.files] == [
        (name, data[:HEAD_BYTES]) for name, data in news.data.items()
    ]
    assert await fill(source) == []
    assert_whole(source, news)
    assert server.counters.articles == Counter(dict.fromkeys(news.post.message_ids, 1))
    assert server.counters.nntp["connections"] <= 6


async def test_connections_are_opened_before_it_is_known_what_for(news: News):
    server, account = await news.serve()
    engine = Engine([account])
    engine.connect_ahead()
    async with asyncio.timeout(5):
        while server.counters.nntp["connections"] < 6:
            await asyncio.sleep(0.01)
    source = news.source_of(engine)
    await source.open()
    assert await fill(source) == []
    assert_whole(source, news)
    assert server.counters.nntp["connections"] == 6


async def test_connections_cut_in_the_middle_of_articles(news: News):
    _, account = await news.serve(drop_every=5)
    source = news.source(account)
    await source.open()
    assert await fill(source) == []
    assert_whole(source, news)
    assert source.articles_fetched == len(news.post.message_ids)


@pytest.mark.parametrize("fault", ["missing_every", "corrupt_every"])
async def test_what_one_server_lacks_another_has(fault: str, news: News):
    _, holey = await news.serve(**{fault: {TITLE: 3}})
    backup, whole = await news.serve(priority=1)
    source = news.source(holey, whole)
    await source.open()
    assert await fill(source) == []
    assert_whole(source, news)
    lacking = sum(-(-size // ARTICLE_BYTES) // 3 for size in SIZES.values())
    assert backup.counters.articles.total() == lacking


async def test_what_all_servers_lack_is_lost_exactly(news: News):
    _, first = await news.serve(missing_every={TITLE: 4})
    _, second = await news.serve(corrupt_every={TITLE: 2}, priority=1)
    source = news.source(first, second)
    await source.open()
    lost = await fill(source)
    assert {(loss.file, loss.span.start) for loss in lost} <= {
        (file, part * ARTICLE_BYTES) for file in range(2) for part in range(3, 25, 4)
    }
    assert [[gap.start // ARTICLE_BYTES for gap in source.holes(file)] for file in range(4)] == [
        [3, 7, 11, 15, 19, 23],
        [3, 7, 11, 15, 19],
        [],
        [],
    ]
    assert source.path(0).stat().st_size == SIZES["a.rar"]


async def test_refused_credentials_name_the_server_but_not_the_secret(news: News):
    _, account = await news.serve(refuse_credentials=True)
    with pytest.raises(ServerRefused, match="localhost") as refused:
        await news.source(account).open()
    assert "secret" not in str(refused.value)


async def test_missing_credentials(news: News):
    _, account = await news.serve()
    with pytest.raises(ServerRefused, match="authentication required"):
        await news.source(msgspec.structs.replace(account, username=None)).open()


async def test_too_many_connections(news: News):
    server, account = await news.serve(max_connections=2)
    source = news.source(account)
    await source.open()
    assert await fill(source) == []
    assert_whole(source, news)
    assert server.counters.nntp["refused"] < 20


async def test_a_player_need_not_wait_for_the_fill_on_a_slow_line(news: News):
    server, account = await news.serve(bytes_per_s=500_000)
    source = news.source(account)
    await source.open()
    filling = asyncio.create_task(fill(source))
    await asyncio.sleep(0.2)
    served = server.counters.articles.total()
    data = await source.read(1, 900_000, 60_000, Urgency.PLAYER)
    assert data == news.data["b.r00"][900_000:960_000]
    # Six connections with two articles each under way, then the player's two.
    assert server.counters.articles.total() - served <= 12 + 2 + 6
    filling.cancel()
    await asyncio.wait([filling])


async def test_latency_is_hidden_by_the_pipeline(news: News):
    _, account = await news.serve(delay_ms=20)
    source = news.source(account)
    await source.open()
    assert await fill(source) == []
    assert_whole(source, news)


async def test_a_long_way_is_shared_by_overlapping_commands(news: News):
    _, account = await news.serve(rtt_ms=100)
    loop = asyncio.get_running_loop()
    trust = ssl.create_default_context(cafile=str(account.ca_file))
    reader, writer = await asyncio.open_connection("localhost", account.port, ssl=trust)
    await reader.readline()
    started = loop.time()
    writer.write(b"DATE\r\n" * 20)
    for _ in range(20):
        await reader.readline()
    assert 0.1 <= loop.time() - started < 1.0
    writer.close()
    await writer.wait_closed()


async def test_a_farewell_that_comes_with_the_last_bytes_is_noticed(news: News):
    _, account = await news.serve(drop_every=3)
    source = news.source(account)
    async with asyncio.timeout(15):
        await source.open()
        assert await fill(source) == []
    assert_whole(source, news)
