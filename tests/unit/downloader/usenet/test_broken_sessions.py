"""Servers that end, stall or muddle a session while articles are in flight: no byte is wrong or lost."""

import asyncio
import random
import time

import pytest

from services.downloader.source import Lost, Urgency
from services.downloader.usenet.source import UsenetSource
from tests.support.nntp import Liar, Post
from tests.unit.downloader.usenet.conftest import MakeSource, Start

DATA = random.Random(8).randbytes(60_000)
PARTS = 60


def a_post() -> Post:
    return Post({"film.mkv": DATA}, part_bytes=1_000)


async def fill(source: UsenetSource) -> list[Lost]:
    async with asyncio.timeout(40):
        return [event async for event in source.fill([0]) if isinstance(event, Lost)]


@pytest.mark.parametrize("every", [2, 3, 7])
async def test_a_connection_cut_at_every_so_many_articles(every: int, start: Start, make_source: MakeSource):
    post = a_post()
    liar = await start(Liar(post.bodies))
    liar.cut_every = every
    source = make_source(post.nzb, liar.account())
    await source.open()
    assert await fill(source) == []
    assert source.path(0).read_bytes() == DATA
    assert source.articles_fetched == PARTS


async def test_a_server_that_cuts_every_article_gives_none(start: Start, make_source: MakeSource):
    post = a_post()
    cutting, honest = await start(Liar(post.bodies)), await start(Liar(post.bodies))
    cutting.cut_every = 1
    source = make_source(post.nzb, cutting.account(), honest.account(priority=1))
    await source.open()
    assert await fill(source) == []
    assert source.path(0).read_bytes() == DATA
    assert cutting.served.total() < 10 * PARTS


@pytest.mark.parametrize("words", [b"400 going down\r\n", b"502 idle for too long\r\n", b""])
async def test_a_farewell_instead_of_an_article(words: bytes, start: Start, make_source: MakeSource):
    post = a_post()
    liar = await start(Liar(post.bodies))
    liar.says_before_closing = {post.message_id(0, slot): words for slot in range(5, PARTS, 9)}
    source = make_source(post.nzb, liar.account())
    await source.open()
    assert await fill(source) == []
    assert source.path(0).read_bytes() == DATA


async def test_the_twenty_first_connection_is_refused(start: Start, make_source: MakeSource):
    post = a_post()
    liar = await start(Liar(post.bodies))
    liar.connections_max = 20
    source = make_source(post.nzb, liar.account(connections=30))
    await source.open()
    assert await fill(source) == []
    assert source.path(0).read_bytes() == DATA
    assert liar.connections <= 40


@pytest.mark.parametrize("echoes", [True, False], ids=["with ids", "without ids"])
async def test_answers_out_of_step_write_no_wrong_byte(echoes: bool, start: Start, make_source: MakeSource):
    """Every answer is the one to the question before."""
    post = a_post()
    liar, honest = await start(Liar(post.bodies)), await start(Liar(post.bodies))
    true = dict(liar.answers)
    for slot in range(1, PARTS):
        answer = true[post.message_id(0, slot - 1)]
        liar.answers[post.message_id(0, slot)] = (
            answer if echoes else b"222 body follows\r\n" + answer.partition(b"\r\n")[2]
        )
    source = make_source(post.nzb, liar.account(), honest.account(priority=1))
    await source.open()
    assert await fill(source) == []
    assert source.path(0).read_bytes() == DATA


async def test_parts_of_other_volumes_are_not_taken_for_ones_own(start: Start, make_source: MakeSource):
    """Volumes are of one size, and the server does not say which article it answers with."""
    files = {f"film.r0{n}": random.Random(n).randbytes(20_000) for n in range(3)}
    post = Post(files, part_bytes=1_000)
    liar, honest = await start(Liar(post.bodies)), await start(Liar(post.bodies))
    for slot in range(1, 20):
        ids = [post.message_id(file, slot) for file in range(3)]
        for asked, given in zip(ids, ids[1:] + ids[:1], strict=True):
            liar.answers[asked] = b"222 body follows\r\n" + post.bodies[given]
    source = make_source(post.nzb, liar.account(), honest.account(priority=1))
    await source.open()
    assert not [event async for event in source.fill([0, 1, 2]) if isinstance(event, Lost)]
    assert [source.path(file).read_bytes() for file in range(3)] == list(files.values())


@pytest.mark.parametrize("proven", [True, False])
async def test_a_server_that_falls_silent_is_left_for_another(
    proven: bool, start: Start, make_source: MakeSource
):
    post = a_post()
    silent, honest = await start(Liar(post.bodies)), await start(Liar(post.bodies))
    source = make_source(post.nzb, silent.account(), honest.account(priority=1))
    if proven:
        await source.open()
    silent.gate.clear()
    began = time.monotonic()
    await source.open()
    async with asyncio.timeout(15):
        assert await source.read(0, 30_000, 20_000, Urgency.PLAYER) == DATA[30_000:50_000]
    assert await fill(source) == []
    assert time.monotonic() - began < 15
    assert source.path(0).read_bytes() == DATA


async def test_a_server_that_answers_again_is_used_again(start: Start, make_source: MakeSource):
    post = a_post()
    silent, backup = await start(Liar(post.bodies)), await start(Liar(post.bodies))
    source = make_source(post.nzb, silent.account(), backup.account(priority=1))
    await source.open()
    silent.gate.clear()
    async with asyncio.timeout(15):
        await source.read(0, 10_000, 5_000, Urgency.PLAYER)
    silent.gate.set()
    await asyncio.sleep(0.3)
    before = backup.served.total()
    assert await fill(source) == []
    assert backup.served.total() == before
