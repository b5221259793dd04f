"""The instance's range server: what it reads for a player, and when."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from libs.common.play import FILM_PATH, TOKEN_HEADER
from services.downloader.describe import Description
from services.downloader.extents import Extent, VirtualFile
from services.downloader.play import FIRST_CHUNK_BYTES, READ_AHEAD_BYTES, Identity, Screen, serving
from services.downloader.source import Span, Urgency
from tests.support.memory_source import MemorySource

FILM = b"".join(number.to_bytes(4, "big") for number in range(2_500_000))
HALF = len(FILM) // 2
IDENTITY = Identity(token="t" * 64, etag="film", modified_at=datetime(2026, 1, 1, tzinfo=UTC))
HOLE = Span(1_000_000, 1_000_001)


def description() -> Description:
    """The film stored in two posted files, each with eight bytes of header."""
    return Description(
        film=VirtualFile("film.mkv", [Extent(0, 8, HALF), Extent(1, 8, len(FILM) - HALF)]),
        container="mkv",
        content_type="video/x-matroska",
        needed_files=[0, 1],
        par2=None,
        protected={},
        recovery_files=[],
        names={},
    )


async def source_of(directory: Path, *, holes: list[Span] | None = None) -> MemorySource:
    files = [("a.r00", b"\0" * 8 + FILM[:HALF]), ("a.r01", b"\0" * 8 + FILM[HALF:])]
    source = MemorySource(files, directory, holes={0: holes or []}, article_bytes=10_000)
    await source.open()
    return source


@asynccontextmanager
async def player(screen: Screen) -> AsyncIterator[httpx.AsyncClient]:
    headers = {TOKEN_HEADER: IDENTITY.token}
    async with (
        serving(screen) as address,
        httpx.AsyncClient(base_url=f"http://{address}", headers=headers) as client,
    ):
        yield client


async def test_the_film_and_nothing_around_it_is_served(tmp_path: Path) -> None:
    source = await source_of(tmp_path)
    async with player(Screen(source, description(), IDENTITY)) as client:
        assert (await client.get(FILM_PATH)).content == FILM
        over_the_seam = {"range": f"bytes={HALF - 5}-{HALF + 4}"}
        assert (await client.get(FILM_PATH, headers=over_the_seam)).content == FILM[HALF - 5 : HALF + 5]
    assert {urgency for *_, urgency in source.reads} == {Urgency.PLAYER}


async def test_a_seek_asks_for_little_and_a_player_that_stalls_for_no_more(tmp_path: Path) -> None:
    source = await source_of(tmp_path)
    async with (
        player(Screen(source, description(), IDENTITY)) as client,
        client.stream("GET", FILM_PATH, headers={"range": "bytes=4000000-"}) as answer,
    ):
        assert answer.status_code == 206
        await asyncio.sleep(0.3)
        first, second, *_ = source.reads
        assert first[2] == FIRST_CHUNK_BYTES
        assert second[1] == first[1] + FIRST_CHUNK_BYTES
        asked = sum(length for _, _, length, _ in source.reads)
        # What was sent lies in the sockets' buffers, which the kernel makes as large as it likes.
        assert asked < 6_000_000 + READ_AHEAD_BYTES


async def test_a_hole_is_waited_for_and_then_served_mended(tmp_path: Path) -> None:
    source = await source_of(tmp_path, holes=[HOLE])
    screen = Screen(source, description(), IDENTITY)
    async with player(screen) as client:
        reading = asyncio.create_task(client.get(FILM_PATH, headers={"range": "bytes=995000-1005000"}))
        done, _ = await asyncio.wait({reading}, timeout=0.3)
        assert done == set()
        source.path(0).write_bytes(b"\0" * 8 + FILM[:HALF])
        await source.mended(0, 8 + HALF)
        screen.whole()
        assert (await reading).content == FILM[995_000:1_005_001]


async def test_a_hole_that_stays_breaks_the_answer_off(tmp_path: Path) -> None:
    source = await source_of(tmp_path, holes=[HOLE])
    screen = Screen(source, description(), IDENTITY)
    screen.whole()
    async with player(screen) as client:
        with pytest.raises(httpx.RemoteProtocolError):
            await client.get(FILM_PATH)
        assert (await client.get(FILM_PATH, headers={"range": "bytes=-9"})).content == FILM[-9:]


async def test_closing_breaks_off_who_still_waits(tmp_path: Path) -> None:
    source = await source_of(tmp_path, holes=[HOLE])
    screen = Screen(source, description(), IDENTITY)
    async with player(screen) as client:
        reading = asyncio.create_task(client.get(FILM_PATH))
        await asyncio.wait({reading}, timeout=0.2)
        await screen.close()
        with pytest.raises(httpx.RemoteProtocolError):
            await reading
        async with asyncio.timeout(1):
            await screen.drain()
        assert (await client.head(FILM_PATH)).status_code == 503
