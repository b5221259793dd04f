"""The film read by ranges from a real play server."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeVar

import pytest

from services.downloader.describe import describe
from services.downloader.media.messages import Show
from services.downloader.media.reader import BLOCK_BYTES, CACHE_BYTES, Blocks, FilmReader, Line, ReadFailed
from services.downloader.play import Screen, serving
from services.downloader.source import Span
from tests.support.box import synthetic_film
from tests.support.memory_source import MemorySource
from tests.support.theatre import IDENTITY

FILM_BYTES = 5_000_001
T = TypeVar("T")


class Stage:
    def __init__(self, film: bytes, source: MemorySource, screen: Screen, shown: Show) -> None:
        self.film, self.source, self.screen, self.shown = film, source, screen, shown

    def reader(self, blocks: Blocks | None = None, urgency: str = "player") -> FilmReader:
        return FilmReader(self.shown, blocks or Blocks(), urgency)


@asynccontextmanager
async def stage_at(directory: Path, holes: list[Span] | None = None) -> AsyncIterator[Stage]:
    film = synthetic_film(directory / "film.mkv", FILM_BYTES)
    source = MemorySource([("film.mkv", film)], directory / "spool", holes={0: holes or []})
    await source.open()
    screen = Screen(source, await describe(source), IDENTITY)
    async with serving(screen) as address:
        host, _, port = address.partition(":")
        shown = Show(host=host, port=int(port), path="/film", token=IDENTITY.token, size_bytes=len(film))
        yield Stage(film, source, screen, shown)


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    (tmp_path / "spool").mkdir()
    async with stage_at(tmp_path) as stage:
        yield stage


async def on_thread(work: Callable[[], T]) -> T:
    async with asyncio.timeout(20):
        return await asyncio.to_thread(work)


async def test_it_reads_as_a_file_does(stage: Stage) -> None:
    def work() -> None:
        places = random.Random(1)
        with stage.reader() as reader:
            assert reader.seek(-10, 2) == FILM_BYTES - 10
            assert reader.read(100) == stage.film[-10:]
            assert (reader.read(5), reader.tell()) == (b"", FILM_BYTES)
            assert reader.seek(FILM_BYTES + 9) == FILM_BYTES + 9
            assert reader.read(5) == b""
            for _ in range(60):
                start, length = places.randrange(FILM_BYTES), places.choice((1, 4096, 700_000))
                reader.seek(start)
                assert reader.read(length) == stage.film[start : start + length]
            reader.seek(0)
            assert reader.read() == stage.film

    await on_thread(work)


async def test_what_was_read_is_not_asked_for_again(stage: Stage) -> None:
    def work() -> None:
        blocks = Blocks()
        with stage.reader(blocks) as one, stage.reader(blocks) as other:
            one.read(2 * BLOCK_BYTES)
            asked = len(stage.source.reads)
            assert other.read(2 * BLOCK_BYTES) == stage.film[: 2 * BLOCK_BYTES]
            assert len(stage.source.reads) == asked

    await on_thread(work)


async def test_what_is_kept_has_a_bound() -> None:
    blocks = Blocks()
    many = CACHE_BYTES // BLOCK_BYTES + 10
    for index in range(many):
        blocks.put(index, b"x")
    assert [index for index in range(many) if blocks.get(index)] == list(range(10, many))


async def test_a_line_that_was_hung_up_while_it_was_idle_is_opened_again() -> None:
    lines = 0

    async def answer_once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal lines
        lines += 1
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 206 Partial Content\r\ncontent-length: 10\r\n\r\n0123456789")
        writer.close()
        await writer.wait_closed()

    async with await asyncio.start_server(answer_once, "127.0.0.1") as server:
        port = server.sockets[0].getsockname()[1]
        film = Show(host="127.0.0.1", port=port, path="/film", token="", size_bytes=10)
        with FilmReader(film, Blocks(), "player") as first:
            assert await on_thread(lambda: first.read(10)) == b"0123456789"
        line = Line(film, "player")
        for _ in range(3):
            assert await on_thread(lambda: line.block(0, 10, 10)) == b"0123456789"
        line.hang_up()
    assert lines == 4


async def test_a_hole_that_stays_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "spool").mkdir()
    async with stage_at(tmp_path, holes=[Span(1_000_000, 1_000_100)]) as stage:
        stage.screen.whole()
        with stage.reader() as reader:
            reader.seek(990_000)
            with pytest.raises(ReadFailed, match="can't be had"):
                await on_thread(lambda: reader.read(20_000))
            reader.seek(2_000_000)
            assert await on_thread(lambda: reader.read(10)) == stage.film[2_000_000:2_000_010]


@pytest.mark.parametrize("urgency", ["player", "fill"])
async def test_who_waits_for_bytes_can_be_dropped(tmp_path: Path, urgency: str) -> None:
    (tmp_path / "spool").mkdir()
    async with stage_at(tmp_path, holes=[Span(1_000_000, 1_000_100)]) as stage:
        with stage.reader(urgency=urgency) as reader:
            reader.seek(1_000_000)
            reading = asyncio.create_task(on_thread(lambda: reader.read(100)))
            await asyncio.sleep(0.2)
            assert not reading.done()
            reader.drop()
            with pytest.raises(ReadFailed):
                await reading
            with pytest.raises(ReadFailed, match="nobody waits"):
                await on_thread(lambda: reader.read(100))


async def test_whoever_has_no_token_or_no_server_is_told(stage: Stage) -> None:
    stage.shown = Show(host="127.0.0.1", port=stage.shown.port, path="/film", token="no", size_bytes=99)
    with stage.reader() as reader, pytest.raises(ReadFailed, match="answered 403"):
        await on_thread(lambda: reader.read(10))
    stage.shown = Show(host="127.0.0.1", port=1, path="/film", token="no", size_bytes=99)
    with stage.reader() as reader, pytest.raises(ReadFailed, match="refused"):
        await on_thread(lambda: reader.read(10))
