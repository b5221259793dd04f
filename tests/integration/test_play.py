"""A film read while it is being fetched: by players that are many, slow, gone, or ahead of the mending."""

import asyncio
import random
import socket
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import httpx
import pytest

from libs.common.bus import Bus
from libs.common.jobs import JobState, Phase
from libs.common.play import FILM_PATH, TOKEN_HEADER, play_token
from libs.common.security import load_or_create_secret
from services.downloader.play import DRAIN_S, PLAYERS_MAX
from tests.conftest import NatsServer
from tests.support.box import synthetic_film
from tests.support.instances import JOB, Box
from tests.support.internet import Internet

FILM_BYTES = 4_000_000
ARTICLE_BYTES = 20_000
SLOW = {"bytes_per_s": 60_000}
"""On each of 8 connections: some 9 s for the film, a third of a second for an article."""
PLAIN, MENDABLE = "Slow.Reel.2024.1080p.WEB-DL.H.264-PLAY", "Torn.Reel.2024.1080p.WEB-DL.H.264-PLAY"
SOUGHT = "Sought.Reel.2024.1080p.WEB-DL.H.264-PLAY"
LONG = "Long.Reel.2024.1080p.WEB-DL.H.264-PLAY"


@pytest.fixture(scope="module")
def film(shared_internet: Internet, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Posted plainly, and in RAR5 volumes with par2."""
    path = tmp_path_factory.mktemp("film") / "film.mkv"
    content = synthetic_film(path, FILM_BYTES)
    shared_internet.post(path, PLAIN, article_bytes=ARTICLE_BYTES)
    shared_internet.post(path, MENDABLE, article_bytes=ARTICLE_BYTES, packing="rar5-volumes+par2")
    return content


@pytest.fixture
async def box(
    tmp_path: Path, bus: Bus, nats_server: NatsServer, internet: Internet, film: bytes
) -> AsyncIterator[Box]:
    box = Box(tmp_path / "data", bus, nats_server, internet)
    yield box
    await box.close()


async def playable(box: Box) -> JobState:
    async with asyncio.timeout(30):
        while (state := await box.state()).play is None:
            assert not state.failures
            await asyncio.sleep(0.02)
        return state


def token_of(box: Box, state: JobState) -> str:
    secret = load_or_create_secret(box.data / "secret.key")
    return play_token(secret, state.job_id, state.attempt, state.delivery)


@asynccontextmanager
async def player(box: Box, state: JobState) -> AsyncIterator[httpx.AsyncClient]:
    """Somebody with the right token, at the instance's own address."""
    assert state.play
    async with httpx.AsyncClient(
        base_url=f"http://{state.play.address}", headers={TOKEN_HEADER: token_of(box, state)}, timeout=40
    ) as client:
        yield client


async def gather_into(got: bytearray, answer: httpx.Response) -> None:
    async for piece in answer.aiter_raw():
        got += piece


async def get(client: httpx.AsyncClient, wanted: str) -> httpx.Response:
    return await client.get(FILM_PATH, headers={"range": f"bytes={wanted}"})


async def seek_at_random(client: httpx.AsyncClient, film: bytes, seed: int, times: int = 8) -> None:
    places = random.Random(seed)
    for _ in range(times):
        start = places.randrange(len(film) - 1)
        end = min(start + places.choice((1, 3_000, 90_000)), len(film))
        answer = await get(client, f"{start}-{end - 1}")
        assert answer.status_code == 206
        assert answer.headers["content-range"] == f"bytes {start}-{end - 1}/{len(film)}"
        assert answer.content == film[start:end]


@pytest.mark.parametrize("release", [PLAIN, MENDABLE])
async def test_three_players_at_once_get_every_byte_right_before_it_is_all_there(
    box: Box, film: bytes, release: str
) -> None:
    box.internet.misbehave(nntp=SLOW)
    await box.queue(release)
    await box.start()
    state = await playable(box)
    async with player(box, state) as client:
        began = time.monotonic()
        first = await get(client, "0-99")
        assert first.content == film[:100]
        last = await get(client, "-1000")
        assert last.content == film[-1000:]
        assert time.monotonic() - began < 4
        async with asyncio.TaskGroup() as tasks:
            for seed in range(3):
                tasks.create_task(seek_at_random(client, film, seed))
        assert (await box.state()).phase is Phase.DOWNLOADING
        box.internet.misbehave()
        whole = await client.get(FILM_PATH)
    assert whole.status_code == 200
    assert whole.content == film
    assert (await box.until(Phase.READY)).play is None
    assert box.stored()[f"movies/{JOB}/movie.mkv"] == film


async def test_a_hundred_seeks_of_five_players_while_it_downloads(box: Box, tmp_path: Path) -> None:
    content = synthetic_film(tmp_path / "sought.mkv", 5 * FILM_BYTES, seed=5)
    box.internet.post(
        tmp_path / "sought.mkv", SOUGHT, article_bytes=ARTICLE_BYTES, packing="rar5-volumes+par2"
    )
    box.internet.misbehave(nntp={"bytes_per_s": 150_000})
    await box.queue(SOUGHT)
    await box.start()
    state = await playable(box)
    async with player(box, state) as client, asyncio.TaskGroup() as tasks:
        for seed in range(5):
            tasks.create_task(seek_at_random(client, content, seed, times=20))
    assert (await box.state()).phase is Phase.DOWNLOADING
    box.internet.misbehave()
    await box.until(Phase.READY)
    assert box.stored()[f"movies/{JOB}/movie.mkv"] == content


async def test_the_answers_are_those_of_a_file(box: Box, film: bytes) -> None:
    box.internet.misbehave(nntp=SLOW)
    await box.queue(PLAIN)
    await box.start()
    state = await playable(box)
    async with player(box, state) as client:
        head = await client.head(FILM_PATH)
        assert (head.status_code, head.headers["content-length"]) == (200, str(len(film)))
        assert head.headers["content-type"] == "video/x-matroska"
        assert head.headers["accept-ranges"] == "bytes"
        same = {"range": "bytes=0-9", "if-range": head.headers["etag"]}
        assert (await client.get(FILM_PATH, headers=same)).status_code == 206
        async with client.stream(
            "GET", FILM_PATH, headers={"range": "bytes=0-9", "if-range": '"another"'}
        ) as other:
            assert (other.status_code, other.headers["content-length"]) == (200, str(len(film)))
        beyond = await get(client, f"{len(film)}-")
        assert (beyond.status_code, beyond.headers["content-range"]) == (416, f"bytes */{len(film)}")
        assert (await client.post(FILM_PATH)).status_code == 405
        assert (await client.get("/secret.key")).status_code == 404
        for token in ("", "0" * 64, play_token(b"another", JOB, 1, 1)):
            refused = await client.get(FILM_PATH, headers={TOKEN_HEADER: token})
            assert (refused.status_code, refused.content) == (403, b"")


async def test_players_that_left_are_forgotten(box: Box, film: bytes) -> None:
    box.internet.misbehave(nntp=SLOW)
    await box.queue(PLAIN)
    await box.start()
    state = await playable(box)
    async with player(box, state) as client:
        # More than may play at once: the first ones must be over by the time the last ones come.
        for _ in range(2 * PLAYERS_MAX):
            async with client.stream("GET", FILM_PATH) as gone:
                assert gone.status_code == 200
        box.internet.misbehave()
        assert (await client.get(FILM_PATH)).content == film


async def test_who_reads_nothing_holds_up_neither_the_download_nor_for_long_its_end(
    box: Box, tmp_path: Path
) -> None:
    # More than the buffers of two sockets take.
    content = synthetic_film(tmp_path / "long.mkv", 24_000_000)
    box.internet.post(tmp_path / "long.mkv", LONG)
    box.internet.misbehave(nntp={"bytes_per_s": 1_000_000})
    await box.queue(LONG)
    process = await box.start()
    state = await playable(box)
    with stalled(box, state):
        await box.until(Phase.READY)
        ready_at = time.monotonic()
        assert box.stored()[f"movies/{JOB}/movie.mkv"] == content
        async with asyncio.timeout(30):
            assert await process.wait() == 0
        assert DRAIN_S - 1 < time.monotonic() - ready_at < DRAIN_S + 5


@contextmanager
def stalled(box: Box, state: JobState) -> Iterator[None]:
    """A player that asks for the film and reads nothing of it."""
    assert state.play
    host, _, port = state.play.address.partition(":")
    with socket.socket() as line:
        line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        line.connect((host, int(port)))
        line.sendall(
            f"GET {FILM_PATH} HTTP/1.1\r\nhost: x\r\n{TOKEN_HEADER}: {token_of(box, state)}\r\n\r\n".encode()
        )
        yield


async def test_who_plays_when_the_film_is_ready_gets_the_rest(box: Box, film: bytes) -> None:
    await box.queue(PLAIN)
    box.internet.misbehave(nntp={"bytes_per_s": 400_000})
    process = await box.start()
    state = await playable(box)
    got = bytearray()
    async with player(box, state) as client, client.stream("GET", FILM_PATH) as answer:
        async for piece in answer.aiter_raw():
            got += piece
            if len(got) > FILM_BYTES // 2 and process.returncode is None:
                await box.until(Phase.READY)
    assert bytes(got) == film
    await process.wait()
    assert process.returncode == 0


async def test_a_hole_is_waited_for_until_it_is_mended(box: Box, film: bytes) -> None:
    box.internet.misbehave(nntp={"missing_every": {MENDABLE: 50}, "bytes_per_s": 200_000})
    await box.queue(MENDABLE)
    await box.start()
    state = await playable(box)
    async with player(box, state) as client:
        whole = await client.get(FILM_PATH)
    assert whole.content == film
    await box.until(Phase.READY)


@pytest.mark.parametrize(
    ("release", "every", "says"), [(PLAIN, 20, "gone from the news"), (MENDABLE, 3, "mended")]
)
async def test_what_can_not_be_mended_breaks_off_and_the_job_says_why(
    box: Box, film: bytes, release: str, every: int, says: str
) -> None:
    # Without STAT there is no census that would tell before anybody has seen a byte.
    faults = {"missing_every": {release: every}, "bytes_per_s": 200_000, "refuse_stat": True}
    box.internet.misbehave(nntp=faults)
    await box.queue(release)
    await box.start()
    state = await playable(box)
    got = bytearray()
    async with player(box, state) as client, client.stream("GET", FILM_PATH) as answer:
        assert answer.headers["content-length"] == str(len(film))
        with pytest.raises(httpx.RemoteProtocolError):
            await gather_into(got, answer)
    assert len(got) < len(film)
    assert film.startswith(bytes(got))
    state = await box.until(Phase.WAITING)
    assert state.play is None
    assert says in state.failures[0].message
