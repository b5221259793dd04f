"""Play sessions: a film through the gateway from the instance that fetches it, and from the store after."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from libs.common.bus import Bus
from libs.common.events import AttemptFailed, Failed, Film
from libs.common.jobs import event_id
from libs.common.objects.files import FilesStore
from libs.common.play import play_token
from services.downloader.describe import describe
from services.downloader.play import Identity, Screen, serving
from services.streamer.auth.passes import mint_pass
from tests.support.box import synthetic_film
from tests.support.gateway import MOVIES, SECRET, START, Running, Story, applied, refusal, tell
from tests.support.memory_source import MemorySource

STORY = Story(5, 1)
START_SESSION = "/v1/session/start"


class Instance(msgspec.Struct, frozen=True):
    address: str
    film: bytes


@pytest.fixture
async def instance(tmp_path: Path) -> AsyncIterator[Instance]:
    """Serves a film of attempt 1, delivery 1 of the story's job."""
    film = synthetic_film(tmp_path / "film.mkv", 1_000_000)
    source = MemorySource([("film.mkv", film)], tmp_path, article_bytes=20_000)
    await source.open()
    token = play_token(SECRET, STORY.job_id, 1, 1)
    identity = Identity(token=token, etag="abc", modified_at=START)
    async with serving(Screen(source, await describe(source), identity)) as address:
        yield Instance(address, film)


async def playing(house: Running, bus: Bus, address: str) -> Story:
    """The job's story so far: it plays at that address."""
    story = Story(5, 1)
    events = [*story.up_to("downloading"), story.playable(address), story.probed()]
    await applied(house, bus, await tell(bus, *events))
    return story


async def session(owner: httpx.AsyncClient, **order: Any) -> dict[str, Any]:
    answer = await owner.post(START_SESSION, json=order or {"titleId": "tmdb:movie:5"})
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_a_film_plays_while_it_is_fetched(
    bus: Bus, house: Running, owner: httpx.AsyncClient, stranger: httpx.AsyncClient, instance: Instance
) -> None:
    story = await playing(house, bus, instance.address)
    film = instance.film
    job = (await owner.get(f"{MOVIES}/jobs/{story.job_id}")).json()
    assert (job["status"], job["playable"]) == ("downloading", True)
    assert refusal(await owner.get(f"{MOVIES}/movies/5/stream")) == (400, "INVALID_INPUT")

    started = await session(owner)
    assert (started["jobId"], started["playable"], started["nextHint"]) == (story.job_id, True, None)
    assert started["pick"]["releaseId"] == "r1"
    url = started["streamUrl"]
    assert url == f"/v1/stream/{started['sessionId']}"
    # Who has the address needs nothing else.
    whole = await stranger.get(url)
    assert (whole.status_code, whole.content) == (200, film)
    assert whole.headers["cache-control"] == "no-store"
    for wanted, part in (("0-0", film[:1]), ("500000-599999", film[500_000:600_000]), ("-7", film[-7:])):
        answer = await stranger.get(url, headers={"range": f"bytes={wanted}"})
        assert (answer.status_code, answer.content) == (206, part)
        assert answer.headers["content-type"] == "video/x-matroska"
    head = await stranger.head(url)
    assert (head.headers["content-length"], head.content) == (str(len(film)), b"")
    etag = {"if-range": head.headers["etag"], "range": "bytes=1-2"}
    assert (await stranger.get(url, headers=etag)).status_code == 206
    assert (await stranger.get(url, headers=etag | {"if-range": '"x"'})).status_code == 200
    assert (await stranger.get(url, headers={"if-none-match": head.headers["etag"]})).status_code == 304
    beyond = await stranger.get(url, headers={"range": "bytes=1000000-"})
    assert (beyond.status_code, beyond.headers["content-range"]) == (416, "bytes */1000000")
    assert refusal(await stranger.post(url)) == (400, "INVALID_INPUT")
    watched = (await owner.get(f"{MOVIES}/history")).json()["history"]
    assert [watch["job_id"] for watch in watched] == [story.job_id]


async def test_a_ready_film_is_where_the_store_has_it(
    bus: Bus, house: Running, owner: httpx.AsyncClient, instance: Instance, tmp_path: Path
) -> None:
    story = await playing(house, bus, instance.address)
    url = (await session(owner, jobId=story.job_id))["streamUrl"]
    store = FilesStore(tmp_path / "data" / "store", public_url=house.url, secret=SECRET)
    key = f"movies/{story.job_id}/movie.mkv"
    await store.put(key, b"0123456789", content_type="video/x-matroska")
    film = Film(key=key, size_bytes=10, content_type="video/x-matroska")
    async with house.client() as player, player.stream("GET", url) as running:
        await applied(house, bus, await tell(bus, story.ready(film)))
        # What has begun goes on to its end.
        assert b"".join([piece async for piece in running.aiter_raw()]) == instance.film
        answer = await player.get(url, headers={"range": "bytes=2-4"})
        assert answer.status_code == 307
        there = await player.get(answer.headers["location"], headers={"range": "bytes=2-4"})
        assert (there.status_code, there.content) == (206, b"234")
    assert (await session(owner))["playable"] is True


async def test_a_session_is_for_one_release_and_one_job(
    bus: Bus, house: Running, owner: httpx.AsyncClient, instance: Instance
) -> None:
    story = await playing(house, bus, instance.address)
    url = (await session(owner))["streamUrl"]
    await applied(house, bus, await tell(bus, story.queued(2, "r2")))
    assert refusal(await owner.get(url)) == (409, "CONFLICT")
    again = await session(owner)
    assert (again["playable"], again["pick"]["releaseId"]) == (False, "r2")
    assert refusal(await owner.get(again["streamUrl"])) == (400, "INVALID_INPUT")
    failed = Failed(
        id=event_id(story.job_id, "failed", 2),
        at=START + timedelta(days=1),
        job_id=story.job_id,
        attempt=2,
        code="USENET_ERROR",
        message="Torn beyond mending.",
    )
    await applied(house, bus, await tell(bus, failed))
    for answer in (await owner.get(url), await owner.post(START_SESSION, json={"jobId": story.job_id})):
        assert refusal(answer) == (502, "USENET_ERROR")
        assert answer.json()["error"] == "Torn beyond mending."


async def test_an_attempt_that_ended_plays_no_more(
    bus: Bus, house: Running, owner: httpx.AsyncClient, instance: Instance
) -> None:
    story = await playing(house, bus, instance.address)
    url = (await session(owner))["streamUrl"]
    ended = AttemptFailed(
        id=event_id(story.job_id, "attempt_failed", 1, 1),
        at=START + timedelta(days=1),
        job_id=story.job_id,
        attempt=1,
        delivery=1,
        code="USENET_ERROR",
        message="Gone.",
        blame="world",
    )
    await applied(house, bus, await tell(bus, ended))
    assert refusal(await owner.get(url)) == (400, "INVALID_INPUT")
    assert (await owner.get(f"{MOVIES}/jobs/{story.job_id}")).json()["playable"] is False


@pytest.mark.parametrize(
    ("address", "status", "code"),
    [
        ("127.0.0.1:1", 502, "USENET_ERROR"),
        ("93.184.216.34:80", 500, "JOB_ERROR"),
        ("example.com:80", 500, "JOB_ERROR"),
        ("127.0.0.1:80@example.com:80", 500, "JOB_ERROR"),
    ],
)
async def test_nothing_but_a_near_instance_is_reached(
    bus: Bus, house: Running, owner: httpx.AsyncClient, address: str, status: int, code: str
) -> None:
    await playing(house, bus, address)
    assert refusal(await owner.get((await session(owner))["streamUrl"])) == (status, code)


async def test_a_pass_is_worth_nothing_changed_late_or_after_signing_out(
    bus: Bus, house: Running, browser: httpx.AsyncClient, stranger: httpx.AsyncClient, instance: Instance
) -> None:
    story = await playing(house, bus, instance.address)
    url = (await session(browser))["streamUrl"]
    assert (await stranger.head(url)).status_code == 200
    late = mint_pass(
        SECRET,
        job_id=story.job_id,
        attempt=1,
        is_of_ready=False,
        session="cli",
        ttl_s=60,
        now=datetime.now(UTC) - timedelta(seconds=61),
    )
    forged = mint_pass(
        b"x" * 32,
        job_id=story.job_id,
        attempt=1,
        is_of_ready=False,
        session="cli",
        ttl_s=60,
        now=datetime.now(UTC),
    )
    other_job = url.replace(story.job_id, f"{story.job_id[:-1]}2")
    for wrong in (
        f"/v1/stream/{late}",
        f"/v1/stream/{forged}",
        other_job,
        url[:-1],
        f"{url}/x",
        "/v1/stream/",
    ):
        assert refusal(await stranger.get(wrong)) == (404, "NOT_FOUND")
    assert (await browser.post("/auth/logout")).status_code == 204
    assert refusal(await stranger.get(url)) == (404, "NOT_FOUND")


@pytest.mark.parametrize(
    ("order", "status"),
    [
        ({}, 400),
        ({"titleId": "tmdb:tv:1399"}, 400),
        ({"titleId": "tmdb:movie:5", "jobId": "job_1_00"}, 400),
        ({"titleId": "tmdb:movie:0"}, 400),
        ({"jobId": "job_1_00"}, 404),
        ({"titleId": "tmdb:movie:404"}, 404),
        ({"titleId": "tmdb:movie:5", "volume": 11}, 400),
    ],
)
async def test_orders_that_mean_nothing_are_refused(
    house: Running, owner: httpx.AsyncClient, order: dict[str, Any], status: int
) -> None:
    assert refusal(await owner.post(START_SESSION, json=order))[0] == status


async def test_a_title_that_nobody_fetched_is_fetched(
    bus: Bus, house: Running, owner: httpx.AsyncClient, stranger: httpx.AsyncClient
) -> None:
    order = {"titleId": "tmdb:movie:6", "deviceCaps": {"h264": True}, "subjectId": "me"}
    assert refusal(await stranger.post(START_SESSION, json=order)) == (401, "UNAUTHORIZED")
    started = await session(owner, **order)
    assert (started["playable"], started["pick"]) == (False, None)
    job = (await owner.get(f"{MOVIES}/jobs/{started['jobId']}")).json()
    assert (job["movie_id"], job["status"]) == (6, "queued")
    assert (await session(owner, **order))["jobId"] == started["jobId"]
