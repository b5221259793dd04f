"""However many ask for a film, it has one job."""

import asyncio

import httpx
import pytest

from libs.common import streams
from libs.common.bus import Bus
from libs.common.events import Requested
from libs.common.jobs import event_id
from libs.common.kv import Bucket, key_of
from tests.support.gateway import (
    BROKEN_CATALOG_MOVIE,
    MOVIES,
    UNKNOWN_MOVIE,
    Running,
    Story,
    applied,
    no_release,
    refusal,
    tell,
)


async def requests_on_the_log(bus: Bus) -> list[Requested]:
    goal = await bus.last_sequence(streams.JOBS, ["jobs.>"])
    found = [stored.event async for stored in bus.tail(streams.JOBS, ["jobs.>"], until=goal)]
    return [event for event in found if isinstance(event, Requested)]


async def test_200_requests_at_once_make_one_job(bus: Bus, house: Running, owner: httpx.AsyncClient) -> None:
    async def fetch() -> httpx.Response:
        return await owner.post(f"{MOVIES}/movies/5/fetch", json={"mode": "auto"}, timeout=60)

    responses = await asyncio.gather(*(fetch() for _ in range(200)))
    statuses = [response.status_code for response in responses]
    assert (statuses.count(202), statuses.count(200)) == (1, 199)
    assert len({response.json()["job_id"] for response in responses}) == 1
    assert len(await requests_on_the_log(bus)) == 1


async def test_the_order_is_on_the_log(bus: Bus, owner: httpx.AsyncClient) -> None:
    order = {"mode": "manual", "release_id": "r2", "quality_preference": "4K"}
    job = (await owner.post(f"{MOVIES}/movies/5/fetch", json=order)).json()
    [event] = await requests_on_the_log(bus)
    assert event.job_id == job["job_id"]
    assert (event.mode, event.release_id, event.quality) == ("manual", "r2", "4K")
    assert (event.title.key, event.title.imdb_id) == ("tmdb:movie:5", "tt0000005")
    assert (job["status"], job["progress"], job["playable"]) == ("queued", 0.0, False)
    again = await owner.post(f"{MOVIES}/movies/5/fetch", json=order | {"release_id": "r1"})
    assert (again.status_code, again.json()["job_id"]) == (200, job["job_id"])


async def test_a_job_whose_maker_died_is_told_by_the_next_one(bus: Bus, owner: httpx.AsyncClient) -> None:
    await Bucket(bus, streams.ACTIVE).create(key_of("tmdb:movie:5"), b"job_1700000000000_dead")
    response = await owner.post(f"{MOVIES}/movies/5/fetch", json={"mode": "auto"})
    assert (response.status_code, response.json()["job_id"]) == (200, "job_1700000000000_dead")
    [event] = await requests_on_the_log(bus)
    assert event.id == event_id("job_1700000000000_dead", "requested")


@pytest.mark.parametrize("ending", ["deleted", "unavailable"])
async def test_a_job_that_is_over_makes_room(
    bus: Bus, house: Running, owner: httpx.AsyncClient, ending: str
) -> None:
    story = Story(5, 1)
    events = story.up_to("deleted") if ending == "deleted" else [story.requested(), no_release(story.job_id)]
    await Bucket(bus, streams.ACTIVE).create(key_of("tmdb:movie:5"), story.job_id.encode())
    await applied(house, bus, await tell(bus, *events))
    responses = await asyncio.gather(
        *(owner.post(f"{MOVIES}/movies/5/fetch", json={"mode": "auto"}) for _ in range(10))
    )
    assert sorted(response.status_code for response in responses) == [200] * 9 + [202]
    [job_id] = {response.json()["job_id"] for response in responses}
    assert job_id != story.job_id


async def test_the_indexers_verdict_is_the_answer(bus: Bus, owner: httpx.AsyncClient) -> None:
    request = asyncio.create_task(owner.post(f"{MOVIES}/movies/5/fetch", json={"mode": "auto"}))
    async for stored in bus.tail(streams.JOBS, ["jobs.*.requested"]):
        assert stored.event
        await bus.publish(no_release(stored.event.job_id))
        break
    response = await request
    assert refusal(response) == (404, "NOT_FOUND")
    assert response.json()["error"] == "No release can be had of this film."
    [job] = (await owner.get(f"{MOVIES}/jobs?status=error")).json()["jobs"]
    assert (job["status"], job["error_code"]) == ("error", "NOT_FOUND")


@pytest.mark.parametrize(("movie_id", "status"), [(UNKNOWN_MOVIE, 404), (BROKEN_CATALOG_MOVIE, 502)])
async def test_a_film_that_is_not_there_makes_no_job(
    bus: Bus, owner: httpx.AsyncClient, movie_id: int, status: int
) -> None:
    response = await owner.post(f"{MOVIES}/movies/{movie_id}/fetch", json={"mode": "auto"})
    assert response.status_code == status
    assert await requests_on_the_log(bus) == []
