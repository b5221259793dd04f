"""An instance prepares its film for browsers while it fetches it: what players get, what is in the store."""

import asyncio
import io
import json
import os
import re
import signal
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import httpx
import psutil
import pytest

from libs.common import streams
from libs.common.bus import Bus
from libs.common.jobs import JobState, Phase
from libs.common.play import MEDIA_PATH, TOKEN_HEADER, play_token
from libs.common.security import load_or_create_secret
from services.downloader.media.presentation import open_presentation
from tests.conftest import NatsServer
from tests.support.instances import JOB, Box
from tests.support.internet import Internet
from tests.support.theatre import small_film

PREPARED = "Two.Reels.2024.1080p.WEB-DL.DDP5.1.H.264-STAGE"
TORN = "Torn.Reels.2024.1080p.WEB-DL.DDP5.1.H.264-STAGE"
AS_IT_IS = "Plain.Reels.2024.1080p.WEB-DL.AAC.H.264-STAGE"
BROKEN = "Burnt.Reels.2024.1080p.WEB-DL.AAC.H.264-STAGE"
ARTICLE_BYTES = 40_000
PREFIX = f"movies/{JOB}/"
BYTE_RANGE = re.compile(r"BYTERANGE[:=]\"?(\d+)@(\d+)")


@pytest.fixture(scope="module")
def film(shared_internet: Internet, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """MKV, H.264 and AC-3: posted plainly, and in volumes with par2."""
    path = tmp_path_factory.mktemp("film") / "film.mkv"
    content = small_film(path, 40)
    shared_internet.post(path, PREPARED, article_bytes=ARTICLE_BYTES)
    shared_internet.post(path, TORN, article_bytes=ARTICLE_BYTES, packing="rar5-volumes+par2")
    return content


@pytest.fixture(scope="module")
def plain_film(shared_internet: Internet, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("film") / "film.mp4"
    content = small_film(path, 10, sound="aac")
    shared_internet.post(path, AS_IT_IS, article_bytes=ARTICLE_BYTES)
    return content


@pytest.fixture
async def box(
    tmp_path: Path, bus: Bus, nats_server: NatsServer, internet: Internet, film: bytes
) -> AsyncIterator[Box]:
    box = Box(tmp_path / "data", bus, nats_server, internet)
    yield box
    await box.close()


async def probed(box: Box) -> JobState:
    async with asyncio.timeout(40):
        while not (state := await box.state()).is_probed:
            assert not state.failures
            await asyncio.sleep(0.02)
        return state


def player(box: Box, state: JobState) -> httpx.AsyncClient:
    assert state.play
    secret = load_or_create_secret(box.data / "secret.key")
    token = play_token(secret, state.job_id, state.attempt, state.delivery)
    return httpx.AsyncClient(
        base_url=f"http://{state.play.address}{MEDIA_PATH}", headers={TOKEN_HEADER: token}, timeout=60
    )


def prepared(film: bytes) -> dict[str, bytes]:
    """What is to be in the store, as the library makes it from the whole film."""
    presentation = open_presentation(io.BytesIO(film))
    movie, ranges = presentation.head(), {one.name: [(0, 0)][:0] for one in presentation.renditions}
    for number in range(presentation.segments):
        for name, places in ranges.items():
            segment = presentation.segment(name, number)
            places.append((len(movie), len(segment)))
            movie += segment
    playlists = {f"{n}.m3u8": presentation.published_playlist(n, r).encode() for n, r in ranges.items()}
    return {"movie.mp4": movie, "movie.m3u8": presentation.master().encode(), **playlists}


def takes(seconds: int, film: bytes) -> dict[str, int]:
    """A news server of which the film comes in about this time, over eight connections."""
    return {"bytes_per_s": len(film) // 8 // seconds}


def stored(box: Box) -> dict[str, bytes]:
    return {key.removeprefix(PREFIX): data for key, data in box.stored().items()}


def film_stored(box: Box) -> dict[str, bytes]:
    """Without the pictures for the seek bar, which are `test_companions.py`'s."""
    return {name: data for name, data in stored(box).items() if not name.startswith("sprites")}


def workers_of(pid: int) -> list[psutil.Process]:
    """The media processes of an instance, none if either is just ending."""
    with suppress(psutil.NoSuchProcess):
        children = psutil.Process(pid).children()
        return [child for child in children if "services.downloader.media.worker" in child.cmdline()]
    return []


async def test_what_was_played_is_what_is_published_byte_for_byte(box: Box, film: bytes) -> None:
    box.internet.misbehave(nntp=takes(30, film))
    await box.queue(PREPARED)
    await box.start()
    state = await probed(box)
    assert state.phase is Phase.DOWNLOADING
    assert state.media
    assert (state.media.container, [sound.codec for sound in state.media.sounds]) == ("mkv", ["ac3"])
    segments = open_presentation(io.BytesIO(film)).segments
    played: dict[str, dict[int, bytes]] = {"video": {}, "sound-0": {}}
    async with player(box, state) as client:
        # Each is a seek.
        for number in (segments - 1, 0, segments // 2):
            for rendition, got in played.items():
                got[number] = (await client.get(f"{rendition}-{number}.m4s")).raise_for_status().content
        assert (await box.state()).phase is Phase.DOWNLOADING
        box.internet.misbehave()
    state = await box.until(Phase.READY)
    assert state.film
    assert (state.film.key, state.film.content_type) == (f"{PREFIX}movie.mp4", "video/mp4")
    assert state.film.playlist_key == f"{PREFIX}movie.m3u8"
    found = film_stored(box)
    sidecar = json.loads(found.pop("movie.json"))
    assert (sidecar["container"], sidecar["size_bytes"]) == ("mp4", len(found["movie.mp4"]))
    assert sidecar["media"]["sounds"][0]["codec"] == "ac3"
    assert found == prepared(film)
    for rendition, got in played.items():
        _, *places = BYTE_RANGE.findall(found[f"{rendition}.m3u8"].decode())
        movie = found["movie.mp4"]
        for number, segment in got.items():
            length, at = map(int, places[number])
            assert movie[at : at + length] == segment


async def test_both_are_kept_if_wanted(box: Box, film: bytes) -> None:
    await box.queue(PREPARED)
    await box.run(MATINEE_DOWNLOADER_PUBLISH="both")
    found = film_stored(box)
    del found["movie.json"]
    assert found == prepared(film) | {"original.mkv": film}
    assert box.scratch() == []


@pytest.mark.parametrize(
    ("publish", "name"), [("original", PREPARED), ("browser", AS_IT_IS), ("both", AS_IT_IS)]
)
async def test_what_needs_nothing_is_published_as_it_came(
    box: Box, film: bytes, plain_film: bytes, publish: str, name: str
) -> None:
    await box.queue(name)
    await box.run(MATINEE_DOWNLOADER_PUBLISH=publish)
    state, found = await box.state(), film_stored(box)
    key = "movie.mkv" if name == PREPARED else "movie.mp4"
    assert found.keys() == {key, "movie.json"}
    assert found[key] == (film if name == PREPARED else plain_film)
    assert state.film
    assert (state.film.key, state.film.playlist_key) == (PREFIX + key, None)
    assert state.media


async def test_what_was_mended_is_prepared_like_what_was_whole(box: Box, film: bytes) -> None:
    box.internet.misbehave(nntp={"missing_every": {TORN: 40}})
    await box.queue(TORN)
    await box.run()
    found = film_stored(box)
    del found["movie.json"]
    assert found == prepared(film)
    assert box.scratch() == []


async def test_a_film_that_nobody_can_read_is_published_as_it_is(
    box: Box, film: bytes, tmp_path: Path
) -> None:
    broken = film[:200] + bytes(255 - byte for byte in film[200:3000]) + film[3000:]
    (tmp_path / "burnt.mkv").write_bytes(broken)
    box.internet.post(tmp_path / "burnt.mkv", BROKEN, article_bytes=ARTICLE_BYTES)
    await box.queue(BROKEN)
    said = await box.run()
    state = await box.state()
    assert (state.is_probed, state.media) == (True, None)
    assert "film_not_readable" in said
    assert film_stored(box)["movie.mkv"] == broken


async def test_a_media_process_that_is_killed_once_changes_nothing(box: Box, film: bytes) -> None:
    box.internet.misbehave(nntp=takes(8, film))
    await box.queue(PREPARED)
    instance = await box.start()
    await probed(box)
    for worker in workers_of(instance.pid):
        worker.kill()
    await box.until(Phase.READY)
    found = film_stored(box)
    del found["movie.json"]
    assert found == prepared(film)


async def test_one_that_dies_again_and_again_costs_no_film(box: Box, film: bytes) -> None:
    box.internet.misbehave(nntp=takes(8, film))
    await box.queue(PREPARED)
    instance = await box.start()
    await probed(box)
    async with asyncio.timeout(30):
        while (await box.state()).phase is not Phase.READY:
            for worker in workers_of(instance.pid):
                with suppress(psutil.NoSuchProcess):
                    worker.kill()
            await asyncio.sleep(0.02)
    found = film_stored(box)
    assert found.keys() == {"movie.mkv", "movie.json"}
    assert found["movie.mkv"] == film
    await instance.communicate()
    assert box.scratch() == []


@pytest.mark.chaos
async def test_an_instance_killed_while_it_publishes_is_followed_by_one_that_does(
    box: Box, bus: Bus, film: bytes
) -> None:
    stream, config = streams.CONSUMERS[streams.DOWNLOADS]
    await bus.js.add_consumer(stream, replace(config, ack_wait=2.0))
    box.internet.misbehave(nntp=takes(8, film))
    await box.queue(PREPARED)
    instance = await box.start()
    await probed(box)
    drafts = box.data / "store" / "movies" / JOB
    async with asyncio.timeout(30):
        while not list(drafts.glob(".movie.mp4.*")):
            await asyncio.sleep(0.01)
    [worker] = workers_of(instance.pid)
    os.kill(instance.pid, signal.SIGKILL)
    gone, _ = await asyncio.to_thread(psutil.wait_procs, [worker], 3)
    assert gone
    box.internet.misbehave()
    await box.run()
    assert (await box.state()).delivery > 1
    found = film_stored(box)
    del found["movie.json"]
    assert found == prepared(film)
    # The nest of the dead one is the launcher's to sweep.
    assert [path for path in box.scratch() if not path.name.startswith("instance-")] == []
