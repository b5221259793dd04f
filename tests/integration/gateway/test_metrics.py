"""/metrics moves with what happens."""

import asyncio

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from libs.common.bus import Bus
from tests.support.gateway import MOVIES, Running, Story, applied, tell


async def figure(client: httpx.AsyncClient, name: str, **labels: str) -> float:
    text = (await client.get("/metrics")).text
    samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
    return sum(s.value for s in samples if s.name == name and labels.items() <= s.labels.items())


async def becomes(client: httpx.AsyncClient, value: float, name: str, **labels: str) -> None:
    async with asyncio.timeout(10):
        while await figure(client, name, **labels) != value:
            await asyncio.sleep(0.05)


async def test_jobs_and_films_are_counted(bus: Bus, house: Running, owner: httpx.AsyncClient) -> None:
    timed = await figure(owner, "matinee_download_seconds_count")
    seconds = await figure(owner, "matinee_download_seconds_sum")
    film, fetched = Story(1, 1), Story(2, 2)
    await applied(house, bus, await tell(bus, *fetched.up_to("downloading"), *film.up_to("ready")))
    await becomes(owner, 1, "matinee_jobs", status="ready")
    assert await figure(owner, "matinee_jobs", status="downloading") == 1
    assert await figure(owner, "matinee_jobs", status="error") == 0
    assert await figure(owner, "matinee_store_bytes") == 10
    await becomes(owner, timed + 1, "matinee_download_seconds_count")
    # The story's events are a second apart.
    assert await figure(owner, "matinee_download_seconds_sum") == seconds + 4
    await tell(bus, film.deleted())
    await becomes(owner, 0, "matinee_jobs", status="ready")
    assert await figure(owner, "matinee_store_bytes") == 0


@pytest.mark.parametrize(
    ("method", "path", "route", "status"),
    [
        ("GET", f"{MOVIES}/movies/5", MOVIES + "/movies/{movie_id}", "200"),
        ("HEAD", f"{MOVIES}/movies/5", MOVIES + "/movies/{movie_id}", "200"),
        ("GET", f"{MOVIES}/jobs/job_1_a", MOVIES + "/jobs/{job_id}", "404"),
        ("GET", "/api/no/such/thing", "none", "404"),
    ],
)
async def test_answers_are_counted_by_route(
    owner: httpx.AsyncClient, method: str, path: str, route: str, status: str
) -> None:
    before = await figure(owner, "matinee_http_requests_total", route=route, status=status)
    await owner.request(method, path)
    after = await figure(owner, "matinee_http_requests_total", route=route, status=status)
    assert after == before + 1
