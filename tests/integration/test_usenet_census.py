"""The census on the wire: what it finds, what it can't be fooled by, and that nobody waits for it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import msgspec
import pytest

from services.downloader.source import Span, Urgency
from tests.integration.test_usenet_engine import ARTICLE_BYTES, SIZES, TITLE, News, assert_whole, fill

ARTICLES = sum(-(-size // ARTICLE_BYTES) for size in SIZES.values())


@pytest.fixture
async def news(tmp_path: Path) -> AsyncIterator[News]:
    async with AsyncExitStack() as stack:
        yield News(tmp_path, stack)


def part(number: int) -> Span:
    return Span((number - 1) * ARTICLE_BYTES, number * ARTICLE_BYTES)


async def test_a_healthy_release_is_complete_and_nothing_is_fetched_for_it(news: News):
    server, account = await news.serve()
    source = news.source(account)
    await source.open()
    fetched = source.articles_fetched
    census = await source.census()
    assert census.complete
    assert (census.articles, census.missing_articles) == (ARTICLES, 0)
    assert source.articles_fetched == fetched
    assert server.counters.nntp["STAT"] == ARTICLES - fetched


async def test_what_no_server_has_is_found_exactly(news: News):
    _, first = await news.serve(missing_every={TITLE: 4})
    second, other = await news.serve(missing_every={TITLE: 6}, priority=1)
    source = news.source(first, other)
    await source.open()
    census = await source.census()
    assert [list(file.missing) for file in census.files] == [[part(12), part(24)], [part(12)], [], []]
    assert all(file.exact for file in census.files)
    assert (census.missing_articles, census.sure) == (3, True)
    assert second.counters.nntp["STAT"] == 11


async def test_a_stat_that_lies_condemns_nothing(news: News):
    ids = news.post.message_ids
    _, account = await news.serve(stat_lies=ids)
    source = news.source(account)
    await source.open()
    census = await source.census()
    assert census.missing_articles == 0
    assert not census.sure
    assert await fill(source) == []
    assert_whole(source, news)


async def test_a_server_without_stat_tells_nothing_and_works_on(news: News):
    _, mute = await news.serve(refuse_stat=True)
    _, holey = await news.serve(missing_every={TITLE: 2}, priority=1)
    source = news.source(mute, holey)
    await source.open()
    census = await source.census()
    assert (census.missing_articles, census.sure) == (0, False)
    assert await fill(source) == []
    assert_whole(source, news)


async def test_the_census_and_the_fill_go_side_by_side(news: News):
    _, account = await news.serve(rtt_ms=20)
    source = news.source(msgspec.structs.replace(account, connections=1))
    await source.open()
    async with asyncio.TaskGroup() as tasks:
        census = tasks.create_task(source.census())
        lost = tasks.create_task(fill(source))
    assert census.result().complete
    assert lost.result() == []
    assert_whole(source, news)


async def test_a_player_does_not_wait_for_the_census(news: News):
    server, account = await news.serve(delay_ms=5)
    source = news.source(account)
    await source.open()
    # 44 answers of 5 ms each wait on one connection; the player's article goes on another one.
    census = asyncio.create_task(source.census())
    await asyncio.sleep(0.02)
    await source.read(1, 900_000, 1_000, Urgency.PLAYER)
    assert server.counters.nntp["STAT"] < ARTICLES - 10
    assert (await census).complete


async def test_connections_that_break_leave_the_census_without_a_verdict_at_worst(news: News):
    _, account = await news.serve(drop_every=3)
    source = news.source(account)
    await source.open()
    async with asyncio.timeout(15), asyncio.TaskGroup() as tasks:
        census = tasks.create_task(source.census())
        tasks.create_task(fill(source))
    assert census.result().missing_articles == 0
    assert_whole(source, news)
