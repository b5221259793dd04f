"""A real media process over a film that is really served: what it answers, and how it ends."""

import asyncio
import io
import os
import random
import signal
import struct
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import psutil
import pytest

from services.downloader.media.messages import Segment
from services.downloader.media.presentation import open_presentation
from services.downloader.media.process import RESTARTS_MAX, MediaProcess, NotToBeHad, ProcessDied
from services.downloader.source import Span
from tests.support.memory_source import MemorySource
from tests.support.theatre import Show, showing, small_film

HOSTILE_S = 14.0
"""The ten seconds of CPU time that a question may take, and some to start and to end."""


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return small_film(tmp_path_factory.mktemp("film") / "film.mkv")


@asynccontextmanager
async def shown(
    film: bytes, directory: Path, *, name: str = "film.mkv", holes: Sequence[Span] = ()
) -> AsyncIterator[tuple[Show, MemorySource]]:
    (directory / "spool").mkdir()
    source = MemorySource([(name, film)], directory / "spool", holes={0: list(holes)})
    async with showing(source) as show:
        yield show, source


async def until_running(process: MediaProcess, *, other_than: int | None = None) -> int:
    async with asyncio.timeout(10):
        while (pid := process.pid) is None or pid == other_than:
            await asyncio.sleep(0.01)
        return pid


async def test_what_a_player_gets_is_what_the_library_makes(film: bytes, tmp_path: Path) -> None:
    presentation = open_presentation(io.BytesIO(film))
    async with shown(film, tmp_path) as (show, _):
        seen = await show.theatre.look()
        assert seen.media == presentation.media
        assert seen.outline
        assert seen.outline.renditions == tuple(one.name for one in presentation.renditions)
        assert seen.outline.segments == presentation.segments > 2
        for path, content_type, made in (
            ("movie.m3u8", "application/vnd.apple.mpegurl", presentation.master().encode()),
            ("video.m3u8", "application/vnd.apple.mpegurl", presentation.playlist("video").encode()),
            ("sound-0.m3u8", "application/vnd.apple.mpegurl", presentation.playlist("sound-0").encode()),
            ("video-init.mp4", "video/mp4", presentation.init("video")),
            ("sound-0-init.mp4", "video/mp4", presentation.init("sound-0")),
            ("video-2.m4s", "video/mp4", presentation.segment("video", 2)),
            ("sound-0-1.m4s", "video/mp4", presentation.segment("sound-0", 1)),
        ):
            answer = await show.player.get(f"/media/{path}")
            assert (answer.status_code, answer.headers["content-type"]) == (200, content_type), path
            assert answer.content == made, path
        head = await show.player.head("/media/video-1.m4s")
        assert head.headers["content-length"] == str(len(presentation.segment("video", 1)))
        part = await show.player.get("/media/video-1.m4s", headers={"range": "bytes=10-19"})
        assert (part.status_code, part.content) == (206, presentation.segment("video", 1)[10:20])


@pytest.mark.parametrize(
    "name",
    ["video-99.m4s", "sound-1-0.m4s", "sound-7.m3u8", "text-0.vtt", "sprites.vtt", "movie.mp4", "film"],
)
async def test_what_the_film_has_not_is_not_found(film: bytes, tmp_path: Path, name: str) -> None:
    async with shown(film, tmp_path) as (show, _):
        assert (await show.player.get(f"/media/{name}")).status_code == 404
        assert (await show.player.get("/media/video-0.m4s")).status_code == 200


async def test_many_who_ask_for_the_same_get_the_same(film: bytes, tmp_path: Path) -> None:
    presentation = open_presentation(io.BytesIO(film))
    async with shown(film, tmp_path) as (show, _):
        async with asyncio.TaskGroup() as tasks:
            answers = [tasks.create_task(show.player.get("/media/video-1.m4s")) for _ in range(20)]
        assert {answer.result().content for answer in answers} == {presentation.segment("video", 1)}


async def test_it_holds_no_secret_and_can_do_nothing(film: bytes, tmp_path: Path) -> None:
    async with shown(film, tmp_path) as (show, _):
        await show.theatre.look()
        process = psutil.Process(await until_running(show.process))
        assert set(process.environ()) <= {"MALLOC_ARENA_MAX", "LC_CTYPE"}
        assert process.rlimit(psutil.RLIMIT_FSIZE) == (0, 0)
        assert process.rlimit(psutil.RLIMIT_AS)[1] <= 3 << 29
        assert process.memory_info().rss < 200 << 20
    gone, _ = await asyncio.to_thread(psutil.wait_procs, [process], 3)
    assert gone


async def test_killed_while_asked_it_says_so_and_is_there_again(film: bytes, tmp_path: Path) -> None:
    async with shown(film, tmp_path, holes=[Span(len(film) // 2, len(film) // 2 + 10)]) as (show, _):
        pid = await until_running(show.process)
        hurt = asyncio.create_task(show.process.ask(Segment(rendition="video", number=1)))
        await asyncio.sleep(1)
        assert not hurt.done()
        os.kill(pid, signal.SIGKILL)
        with pytest.raises(ProcessDied, match="died over this film"):
            await hurt
        assert (await show.player.get("/media/video-0.m4s")).status_code == 200
        assert await until_running(show.process) != pid


async def test_what_is_for_the_store_is_asked_for_again_if_it_dies(film: bytes, tmp_path: Path) -> None:
    hole = Span(len(film) // 2, len(film) // 2 + 10)
    async with shown(film, tmp_path, holes=[hole]) as (show, source):
        pid = await until_running(show.process)
        stored = asyncio.create_task(show.theatre.segment("video", 1))
        await asyncio.sleep(1)
        os.kill(pid, signal.SIGKILL)
        await until_running(show.process, other_than=pid)
        await asyncio.sleep(0.3)
        assert not stored.done()
        source.path(0).write_bytes(film)
        await source.mended(0, len(film))
        show.screen.whole()
        assert await stored == open_presentation(io.BytesIO(film)).segment("video", 1)


async def test_one_that_dies_too_often_is_let_go(film: bytes, tmp_path: Path) -> None:
    async with shown(film, tmp_path) as (show, _):
        pid: int | None = None
        for _ in range(RESTARTS_MAX + 1):
            pid = await until_running(show.process, other_than=pid)
            os.kill(pid, signal.SIGKILL)
        async with asyncio.timeout(10):
            while show.process.pid == pid:
                await asyncio.sleep(0.01)
        with pytest.raises(ProcessDied, match="too often"):
            await show.process.ask(Segment(rendition="video", number=0))
        assert (await show.player.get("/media/video-0.m4s")).status_code == 503
        assert (await show.player.get("/film")).content == film


async def test_a_hole_is_waited_for_until_it_is_mended(film: bytes, tmp_path: Path) -> None:
    hole = Span(len(film) // 2, len(film) // 2 + 10)
    async with shown(film, tmp_path, holes=[hole]) as (show, source):
        waiting = asyncio.create_task(show.player.get("/media/video-1.m4s"))
        # A seek back to what is there isn't held up by it.
        assert (await show.player.get("/media/video-0.m4s")).status_code == 200
        await asyncio.sleep(0.3)
        assert not waiting.done()
        source.path(0).write_bytes(film)
        await source.mended(0, len(film))
        show.screen.whole()
        answer = await waiting
        assert answer.content == open_presentation(io.BytesIO(film)).segment("video", 1)


async def test_what_was_made_of_wrong_bytes_is_forgotten_when_they_are_mended(
    film: bytes, tmp_path: Path
) -> None:
    right = open_presentation(io.BytesIO(film)).segment("video", 1)
    pictures = (right[at : at + 64] for at in range(len(right) // 2, len(right)))
    at = next(film.index(some) for some in pictures if film.count(some) == 1)
    wrong = film[:at] + bytes(64) + film[at + 64 :]
    async with shown(wrong, tmp_path) as (show, source):
        assert (await show.player.get("/media/video-1.m4s")).content != right
        source.path(0).write_bytes(film)
        await source.mended(0, len(film))
        show.theatre.show_again()
        assert (await show.player.get("/media/video-1.m4s")).content == right
        assert await show.theatre.segment("video", 1) == right


async def test_players_that_left_hold_up_nobody(film: bytes, tmp_path: Path) -> None:
    hole = Span(len(film) // 2, len(film) // 2 + 10)
    async with shown(film, tmp_path, holes=[hole]) as (show, _):
        await show.theatre.look()
        gone = [
            asyncio.create_task(show.player.get(f"/media/{name}-1.m4s")) for name in ("video", "sound-0") * 5
        ]
        await asyncio.sleep(0.5)
        for task in gone:
            task.cancel()
        await asyncio.wait(gone)
        began = time.monotonic()
        assert (await show.player.get("/media/video-0.m4s")).status_code == 200
        assert time.monotonic() - began < 3


def fuzzed(film: bytes, seed: int) -> bytes:
    """The beginning of it full of nonsense: sizes, counts, codec data."""
    chance, broken = random.Random(seed), bytearray(film)
    for _ in range(200):
        broken[chance.randrange(40, 4000)] = chance.randrange(256)
    return bytes(broken)


def claiming(film: bytes) -> bytes:
    """A block that claims to have 2^56 bytes."""
    return (
        film[:600] + b"\x1f\x43\xb6\x75\x01" + b"\xff" * 6 + b"\xfe" + b"\xa3\x01" + b"\xff" * 6 + film[600:]
    )


def enormous_table() -> bytes:
    """An MP4 whose table of samples claims four thousand million entries."""
    stsz = struct.pack(">4sIII", b"stsz", 0, 0, 0xFFFFFFFF)
    boxes = struct.pack(">I", len(stsz) + 4) + stsz
    for name in (b"stbl", b"minf", b"mdia", b"trak", b"moov"):
        boxes = struct.pack(">I4s", len(boxes) + 8, name) + boxes
    return struct.pack(">I4s4sI", 16, b"ftyp", b"isom", 0) + boxes + bytes(100_000)


@pytest.mark.parametrize("kind", ["fuzzed 1", "fuzzed 2", "fuzzed 3", "claims", "a large table", "noise"])
async def test_a_hostile_film_is_refused_in_time_or_played(film: bytes, tmp_path: Path, kind: str) -> None:
    broken = {
        "claims": lambda: claiming(film),
        "a large table": enormous_table,
        "noise": lambda: film[:64] + random.Random(0).randbytes(300_000),
    }.get(kind, lambda: fuzzed(film, int(kind[-1])))()
    name = "film.mp4" if kind == "a large table" else "film.mkv"
    async with shown(broken, tmp_path, name=name) as (show, _):
        async with asyncio.timeout(HOSTILE_S):
            seen = await show.theatre.look()
        assert seen.media or seen.why_not
        assert (await show.player.get("/film")).content == broken


async def test_a_film_that_is_none_is_refused_in_words(tmp_path: Path) -> None:
    noise = b"\x1a\x45\xdf\xa3" + random.Random(0).randbytes(300_000)
    async with shown(noise, tmp_path) as (show, _):
        seen = await show.theatre.look()
        assert seen.media is None
        assert seen.why_not
        assert (await show.player.get("/media/movie.m3u8")).status_code == 404
        with pytest.raises(NotToBeHad):
            await show.theatre.head()
