"""Articles that don't come: who waits for them is served by another connection."""

import asyncio

import pytest

from services.downloader.source import Landed, Span, Urgency
from services.downloader.usenet.lanes import Article
from services.downloader.usenet.races import ENOUGH, RACES_FREE, RACES_MAX, SLOWER, UNMEASURED_S, Races, late
from tests.support.nntp import Liar, Post
from tests.unit.downloader.usenet.conftest import MakeSource, Start

DATA = bytes(range(256)) * 400


def a_post() -> Post:
    return Post({"film.mkv": DATA}, part_bytes=1_024)


@pytest.mark.parametrize("slots", [(50,), (10, 99)])
async def test_a_fill_does_not_wait_for_a_connection_that_hangs(
    slots: tuple[int, ...], start: Start, make_source: MakeSource
):
    post = a_post()
    liar = await start(Liar(post.bodies))
    source = make_source(post.nzb, liar.account())
    await source.open()
    liar.stalled = {post.message_id(0, slot) for slot in slots}
    async with asyncio.timeout(10):
        events = [event async for event in source.fill([0])]
    assert all(isinstance(event, Landed) for event in events)
    assert source.path(0).read_bytes() == DATA
    assert source.articles_fetched == 100


async def test_a_player_does_not_wait_for_a_connection_that_hangs(start: Start, make_source: MakeSource):
    post = a_post()
    liar = await start(Liar(post.bodies))
    source = make_source(post.nzb, liar.account())
    await source.open()
    await source.read(0, 0, 20_480, Urgency.PLAYER)
    liar.stalled = {post.message_id(0, 70)}
    async with asyncio.timeout(4):
        assert await source.read(0, 71_680, 1_024, Urgency.PLAYER) == DATA[71_680:72_704]


async def test_an_article_that_nobody_has_is_missing_though_it_was_raced(
    start: Start, make_source: MakeSource
):
    post = a_post()
    liar = await start(Liar(post.bodies))
    source = make_source(post.nzb, liar.account())
    await source.open()
    await source.read(0, 0, 20_480, Urgency.PLAYER)
    liar.stalled = {post.message_id(0, 70)}
    del liar.answers[post.message_id(0, 70)]
    async with asyncio.timeout(10):
        await _drain(source.fill([0]))
    assert list(source.holes(0)) == [Span(71_680, 72_704)]


async def _drain(events) -> None:
    async for _ in events:
        pass


def test_patience_is_measured_by_the_others():
    races = Races()
    assert races.patience_s(Urgency.PLAYER) == UNMEASURED_S
    for _ in range(ENOUGH):
        races.came(0.01)
    assert races.patience_s(Urgency.PLAYER) < races.patience_s(Urgency.FILL) < UNMEASURED_S
    for _ in range(64):
        races.came(5.0)
    assert races.patience_s(Urgency.PLAYER) == SLOWER * 5.0


def test_races_are_few_at_once_and_in_all():
    races = Races()
    assert races.left(running=0) == RACES_MAX
    assert races.left(running=RACES_MAX) == 0
    for _ in range(RACES_FREE):
        races.begin()
    assert races.left(running=0) == 0
    for _ in range(1_000):
        races.came(0.1)
    assert races.left(running=0) == RACES_MAX


@pytest.mark.parametrize(
    ("urgency", "ending", "under_way", "expected"),
    [
        (Urgency.FILL, False, 1, False),
        (Urgency.FILL, True, 1, True),
        (Urgency.PLAYER, False, 1, True),
        (Urgency.PLAYER, False, 2, False),
    ],
)
def test_only_what_somebody_waits_for_is_raced_and_once(
    urgency: Urgency, ending: bool, under_way: int, expected: bool
):
    article = Article(0, 0, "a@b", urgency, asked_at=10.0, under_way=under_way)
    assert late(article, 10.0 + UNMEASURED_S + 0.1, Races(), ending=ending) is expected
