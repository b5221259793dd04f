"""The engine against raw servers on loopback: what arrives, and how often each article is asked for."""

import asyncio
import random
from collections import Counter
from zlib import crc32

import msgspec
import pytest

from services.downloader.errors import BytesLost, DownloaderError
from services.downloader.source import HEAD_BYTES, Landed, Lost, Span, Urgency
from services.downloader.usenet.nzb import Nzb
from services.downloader.usenet.source import UsenetSource
from tests.support.nntp import Liar, Post
from tests.unit.downloader.usenet.conftest import MakeSource, Start

DOTS = b"\r\n.\r\n..\r\n" * 200
SIZES = (1, 2, 999, 1000, 1001, 1999, 2000, 2500, 40_000, 123_457)


def noise(length: int, seed: int = 1) -> bytes:
    return random.Random(seed).randbytes(length)


async def filled(source: UsenetSource, *files: int) -> list[Landed | Lost]:
    return [event async for event in source.fill(files or range(len(source.files)))]


def covered(events: list[Landed | Lost], file: int) -> list[Span]:
    return sorted(event.span for event in events if event.file == file)


def assert_tiles(spans: list[Span], size_bytes: int) -> None:
    assert [span.start for span in spans] == [0, *(span.end for span in spans[:-1])]
    assert spans[-1].end == size_bytes


async def test_every_byte_arrives_and_every_article_is_fetched_once(start: Start, make_source: MakeSource):
    post = Post({f"f{size}.bin": noise(size, size) for size in SIZES} | {"dots.bin": DOTS}, part_bytes=1000)
    liar = await start(Liar(post.bodies))
    source = make_source(post.nzb, liar.account())
    await source.open()
    events = await filled(source)
    for file, (name, data) in zip(source.files, post.files.items(), strict=True):
        assert (file.name, file.size_bytes, file.head) == (name, len(data), data[:HEAD_BYTES])
        assert source.path(file.index).read_bytes() == data
        assert_tiles(covered(events, file.index), len(data))
        assert source.holes(file.index) == ()
        assert source.crc32(file.index) == crc32(data)
    assert liar.served == Counter(dict.fromkeys(post.bodies, 1))
    assert source.bytes_received == sum(len(data) for data in post.files.values())
    assert (source.articles_fetched, source.articles_missed, source.articles_bad) == (len(post.bodies), 0, 0)


async def test_the_spool_is_named_by_number(start: Start, make_source: MakeSource):
    post = Post({"../../evil.sh": b"x" * 10, "/etc/passwd": b"y" * 10}, part_bytes=1000)
    liar = await start(Liar(post.bodies))
    source = make_source(post.nzb, liar.account())
    await source.open()
    await filled(source)
    assert [file.name for file in source.files] == ["evil.sh", "passwd"]
    assert sorted(path.name for path in source.path(0).parent.iterdir()) == [
        "0000.bin",
        "0001.bin",
        "journal",
    ]


async def test_a_read_fetches_only_the_articles_it_touches(start: Start, make_source: MakeSource):
    data = noise(100_000)
    post = Post({"film.mkv": data}, part_bytes=20_000)
    liar = await start(Liar(post.bodies))
    source = make_source(post.nzb, liar.account())
    await source.open()
    assert await source.read(0, 59_990, 20, Urgency.PLAYER) == data[59_990:60_010]
    assert sorted(liar.served) == [post.message_id(0, slot) for slot in (0, 2, 3)]


async def test_a_long_read_spans_parts_and_the_end(start: Start, make_source: MakeSource):
    data = noise(500_123)
    post = Post({"film.mkv": data}, part_bytes=7_000)
    liar = await start(Liar(post.bodies))
    source = make_source(post.nzb, liar.account())
    await source.open()
    assert await source.read(0, 100, len(data) - 100, Urgency.PLAYER) == data[100:]
    assert await source.read(0, len(data), 0, Urgency.PLAYER) == b""
    with pytest.raises(ValueError, match="in a file of 500123"):
        await source.read(0, len(data), 1, Urgency.PLAYER)


async def test_readers_of_the_same_bytes_share_one_fetch(start: Start, make_source: MakeSource):
    data = noise(50_000)
    post = Post({"film.mkv": data}, part_bytes=1_000)
    liar = await start(Liar(post.bodies))
    source = make_source(post.nzb, liar.account())
    await source.open()
    async with asyncio.TaskGroup() as tasks:
        reads = [tasks.create_task(source.read(0, 10_000, 30_000, Urgency.PLAYER)) for _ in range(5)]
        fill = tasks.create_task(filled(source))
    assert {read.result() for read in reads} == {data[10_000:40_000]}
    assert_tiles(covered([event for event in fill.result() if event.span.length], 0), len(data))
    assert set(liar.served.values()) == {1}


async def test_a_second_fill_tells_what_is_there_and_fetches_nothing(start: Start, make_source: MakeSource):
    post = Post({"film.mkv": noise(5_000)}, part_bytes=1_000)
    liar = await start(Liar(post.bodies))
    source = make_source(post.nzb, liar.account())
    await source.open()
    await filled(source)
    assert await filled(source) == [Landed(file=0, span=Span(0, 5_000))]
    assert liar.served.total() == 5


async def test_a_player_goes_before_the_fill(start: Start, make_source: MakeSource):
    data = noise(200_000)
    post = Post({"film.mkv": data}, part_bytes=1_000)
    liar = await start(Liar(post.bodies))
    source = make_source(post.nzb, liar.account(connections=1))
    await source.open()
    liar.gate.clear()
    fill = asyncio.create_task(filled(source))
    await until(lambda: len(liar.asked) > 17)
    read = asyncio.create_task(source.read(0, 150_000, 1_000, Urgency.PLAYER))
    await asyncio.sleep(0.05)
    liar.gate.set()
    assert await read == data[150_000:151_000]
    await fill
    # One article is being answered and at most one pipeline is on its way when the player comes.
    assert liar.asked.index(post.message_id(0, 150)) < 17 + 8 + 1


async def test_a_long_read_asks_for_all_its_articles_at_once(start: Start, make_source: MakeSource):
    data = noise(60_000)
    post = Post({"film.mkv": data}, part_bytes=1_000)
    liar = await start(Liar(post.bodies))
    source = make_source(post.nzb, liar.account(connections=8))
    await source.open()
    before = len(liar.asked)
    liar.gate.clear()
    reads = [asyncio.create_task(source.read(0, at, 8_000, Urgency.PLAYER)) for at in (20_000, 40_000)]
    # Each connection is asked for one of its articles before any has been answered.
    await until(lambda: len(liar.asked) - before == 8)
    liar.gate.set()
    assert await asyncio.gather(*reads) == [data[20_000:28_000], data[40_000:48_000]]
    assert len(liar.asked) - before == 16


async def test_one_readers_long_read_does_not_starve_another(start: Start, make_source: MakeSource):
    post = Post({"film.mkv": noise(200_000)}, part_bytes=1_000)
    liar = await start(Liar(post.bodies))
    source = make_source(post.nzb, liar.account(connections=2))
    await source.open()
    liar.gate.clear()
    long = asyncio.create_task(source.read(0, 20_000, 100_000, Urgency.PLAYER))
    await until(lambda: len(liar.asked) > 2)
    short = asyncio.create_task(source.read(0, 150_000, 2_000, Urgency.PLAYER))
    await asyncio.sleep(0.05)
    liar.gate.set()
    await short
    assert not long.done()
    await long
    assert liar.asked.index(post.message_id(0, 151)) < 40


async def test_fill_goes_in_file_order(start: Start, make_source: MakeSource):
    post = Post({name: noise(20_000, len(name)) for name in ("a", "bb", "ccc")}, part_bytes=1_000)
    liar = await start(Liar(post.bodies))
    source = make_source(post.nzb, liar.account(connections=1))
    await filled(source, 2, 0)
    assert liar.asked == [post.message_id(file, slot) for file in (2, 0) for slot in range(20)]


async def test_a_miss_goes_to_the_next_server(start: Start, make_source: MakeSource):
    data = noise(30_000)
    post = Post({"film.mkv": data}, part_bytes=1_000)
    gone = {post.message_id(0, slot) for slot in (0, 7, 29)}
    first = await start(Liar({name: whole for name, whole in post.bodies.items() if name not in gone}))
    second = await start(Liar(post.bodies))
    source = make_source(post.nzb, second.account(priority=1), first.account())
    await source.open()
    await filled(source)
    assert source.path(0).read_bytes() == data
    assert set(second.asked) == gone
    assert source.articles_missed == 3


async def test_equal_servers_share_the_work(start: Start, make_source: MakeSource):
    post = Post({"film.mkv": noise(300_000)}, part_bytes=1_000)
    liars = [await start(Liar(post.bodies)) for _ in range(2)]
    source = make_source(post.nzb, *(liar.account(connections=2) for liar in liars))
    await source.open()
    await filled(source)
    assert all(liar.served.total() > 20 for liar in liars)
    assert liars[0].served + liars[1].served == Counter(dict.fromkeys(post.bodies, 1))


async def test_what_no_server_has_is_lost_exactly(start: Start, make_source: MakeSource):
    data = noise(40_500)
    post = Post({"film.mkv": data}, part_bytes=1_000)
    for slot in (23, 24, 40):
        del post.bodies[post.message_id(0, slot)]
    liar = await start(Liar(post.bodies))
    source = make_source(post.nzb, liar.account())
    await source.open()
    events = await filled(source)
    assert sorted(event.span for event in events if isinstance(event, Lost)) == [
        Span(23_000, 24_000),
        Span(24_000, 25_000),
        Span(40_000, 40_500),
    ]
    assert_tiles(covered(events, 0), len(data))
    assert source.holes(0) == (Span(23_000, 25_000), Span(40_000, 40_500))
    assert source.crc32(0) is None
    assert source.path(0).stat().st_size == len(data)
    with pytest.raises(BytesLost, match="430"):
        await source.read(0, 23_500, 1, Urgency.PLAYER)
    assert await source.read(0, 22_000, 1_000, Urgency.PLAYER) == data[22_000:23_000]
    for hole in source.holes(0):
        await source.mend(0, hole.start, data[hole.start : hole.end])
    await source.mended(0, len(data))
    # By other checksums than those of its articles.
    assert source.crc32(0) is None
    assert source.holes(0) == ()
    assert await source.read(0, 0, len(data), Urgency.PLAYER) == data
    assert await filled(source) == [Landed(file=0, span=Span(0, len(data)))]


async def test_a_file_that_was_never_posted_is_a_hole_until_it_is_mended(
    start: Start, make_source: MakeSource
):
    post = Post({"film.r00": noise(3_000)}, part_bytes=1_000)
    liar = await start(Liar(post.bodies))
    source = make_source(post.nzb, liar.account())
    await source.open()
    lost = source.expect("film.rar", 2_500)
    with pytest.raises(BytesLost, match="doesn't list it"):
        await source.read(lost, 100, 10, Urgency.PLAYER)
    census = await source.census()
    assert (census.files[lost].missing, census.missing_articles) == ([Span(0, 2_500)], 0)
    events = await filled(source)
    assert [event.span for event in events if isinstance(event, Lost)] == [Span(0, 2_500)]
    assert source.holes(lost) == (Span(0, 2_500),)
    await source.mend(lost, 0, noise(2_500, 2))
    await source.mended(lost, 2_500)
    assert await source.read(lost, 0, 2_500, Urgency.PLAYER) == noise(2_500, 2)


def listed_again(post: Post, others: dict[int, tuple[str, ...]]) -> Nzb:
    """The post's NZB with further articles for some slots of its one file."""
    (file,) = post.nzb.files
    segments = tuple(
        msgspec.structs.replace(segment, others=others.get(segment.number - 1, ()))
        for segment in file.segments
    )
    return msgspec.structs.replace(post.nzb, files=(msgspec.structs.replace(file, segments=segments),))


async def test_every_article_that_is_listed_for_a_part_is_tried_before_it_is_lost(
    start: Start, make_source: MakeSource
):
    data = noise(40_500)
    post = Post({"film.mkv": data}, part_bytes=1_000)
    # The first is gone and its second bad; another one's second is another part; the last one's are gone too.
    for slot, other in ((0, "bad@x"), (7, "right@x"), (9, "wrong@x"), (12, "gone@x")):
        post.bodies[other] = post.bodies[post.message_id(0, slot)]
        del post.bodies[post.message_id(0, slot)]
    post.bodies["good@x"] = post.bodies["bad@x"]
    post.bodies["bad@x"] = post.bodies["bad@x"].replace(b"=yend", b"more\r\n=yend")
    post.bodies["wrong@x"] = post.bodies[post.message_id(0, 8)]
    del post.bodies["gone@x"]
    others = {0: ("bad@x", "good@x"), 7: ("right@x",), 8: ("never@x",), 9: ("wrong@x",), 12: ("gone@x",)}
    liar = await start(Liar(post.bodies))
    source = make_source(listed_again(post, others), liar.account())
    await source.open()
    census = await source.census()
    assert (census.missing_articles, census.sure) == (0, False)
    reading = asyncio.create_task(source.read(0, 7_000, 1_000, Urgency.PLAYER))
    events = await filled(source)
    assert await reading == data[7_000:8_000]
    assert [event.span.start for event in events if isinstance(event, Lost)] == [9_000, 12_000]
    assert_tiles(covered(events, 0), len(data))
    assert source.files[0].head == data[: len(source.files[0].head)]
    assert source.path(0).read_bytes()[:9_000] == data[:9_000]
    assert liar.served["never@x"] == 0


async def test_a_lost_first_part_still_lets_the_size_be_known(start: Start, make_source: MakeSource):
    data = noise(10_500)
    post = Post({"film.mkv": data}, part_bytes=1_000)
    del post.bodies[post.message_id(0, 0)], post.bodies[post.message_id(0, 1)]
    liar = await start(Liar(post.bodies))
    source = make_source(post.nzb, liar.account())
    await source.open()
    assert (source.files[0].size_bytes, source.files[0].head) == (len(data), b"")
    assert await source.read(0, 9_900, 600, Urgency.PLAYER) == data[9_900:]
    await filled(source)
    assert source.holes(0) == (Span(0, 2_000),)


async def test_a_dead_release_says_so_at_once(start: Start, make_source: MakeSource):
    post = Post({"film.mkv": noise(10_500), "more.mkv": noise(500)}, part_bytes=1_000)
    liar = await start(Liar({}))
    source = make_source(post.nzb, liar.account())
    with pytest.raises(BytesLost, match="no news server has this release"):
        await source.open()
    await filled(source)
    assert source.holes(0) == (Span(0, source.files[0].size_bytes),)


async def test_a_file_of_which_nothing_is_known_is_one_hole(start: Start, make_source: MakeSource):
    post = Post({"film.mkv": noise(9_000), "more.mkv": noise(500)}, part_bytes=1_000)
    silent = [msgspec.structs.replace(segment, claimed_bytes=0) for segment in post.nzb.files[0].segments]
    file = msgspec.structs.replace(post.nzb.files[0], segments=tuple(silent))
    liar = await start(Liar({post.message_id(1, 0): post.bodies[post.message_id(1, 0)]}))
    source = make_source(msgspec.structs.replace(post.nzb, files=(file, post.nzb.files[1])), liar.account())
    await source.open()
    events = await filled(source)
    assert source.holes(0) == (Span(0, 1),)
    assert [event.span for event in events if isinstance(event, Lost)] == [Span(0, 1)]
    with pytest.raises(BytesLost, match="430"):
        await source.read(0, 0, 1, Urgency.PLAYER)


async def test_unlisted_parts_are_holes(start: Start, make_source: MakeSource):
    data = noise(10_500)
    post = Post({"film.mkv": data}, part_bytes=1_000)
    file = post.nzb.files[0]
    thinned = msgspec.structs.replace(file, segments=file.segments[:5] + file.segments[6:9])
    liar = await start(Liar(post.bodies))
    source = make_source(msgspec.structs.replace(post.nzb, files=(thinned,)), liar.account())
    await source.open()
    events = await filled(source)
    assert_tiles(covered(events, 0), len(data))
    assert source.holes(0) == (Span(5_000, 6_000), Span(9_000, 10_500))
    with pytest.raises(BytesLost, match="doesn't list"):
        await source.read(0, 10_000, 10, Urgency.PLAYER)


async def test_cancelled_readers_leave_the_engine_healthy(start: Start, make_source: MakeSource):
    data = noise(100_000)
    post = Post({"film.mkv": data}, part_bytes=1_000)
    liar = await start(Liar(post.bodies))
    source = make_source(post.nzb, liar.account(connections=1))
    await source.open()
    liar.gate.clear()
    read = asyncio.create_task(source.read(0, 30_000, 60_000, Urgency.PLAYER))
    await until(lambda: len(liar.asked) > 17)
    read.cancel()
    with pytest.raises(asyncio.CancelledError):
        await read
    liar.gate.set()
    assert await source.read(0, 98_000, 1_000, Urgency.PLAYER) == data[98_000:99_000]
    # Of the sixty articles only what was in the pipeline has been fetched.
    assert liar.served.total() < 40
    await filled(source)
    assert source.path(0).read_bytes() == data
    assert set(liar.served.values()) == {1}


async def test_a_left_fill_can_be_taken_up_again(start: Start, make_source: MakeSource):
    data = noise(100_000)
    post = Post({"film.mkv": data}, part_bytes=1_000)
    liar = await start(Liar(post.bodies))
    source = make_source(post.nzb, liar.account())
    await source.open()
    fill = source.fill([0])
    for _ in range(5):
        await anext(fill)
    await fill.aclose()
    assert_tiles(covered(await filled(source), 0), len(data))
    assert set(liar.served.values()) == {1}


async def test_close_ends_whoever_waits_and_leaves_nothing_behind(start: Start, make_source: MakeSource):
    post = Post({"film.mkv": noise(100_000)}, part_bytes=1_000)
    liar = await start(Liar(post.bodies))
    source = make_source(post.nzb, liar.account())
    await source.open()
    liar.gate.clear()
    fill = asyncio.create_task(filled(source))
    await until(lambda: len(liar.asked) > 17)
    async with asyncio.timeout(2):
        await source.close()
    with pytest.raises(DownloaderError, match="stopped"):
        await fill
    with pytest.raises(DownloaderError, match="stopped"):
        await source.read(0, 50_000, 10, Urgency.PLAYER)
    liar.gate.set()
    await until(lambda: liar.open == 0)


async def until(condition) -> None:
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0.005)
