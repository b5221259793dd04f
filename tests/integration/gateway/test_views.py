"""What the gateway shows of jobs, and what a lost database does to it: nothing."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from libs.common.bus import Bus
from libs.common.objects.files import FilesStore
from tests.support.gateway import (
    MOVIES,
    SECRET,
    Running,
    Story,
    applied,
    gateway,
    no_release,
    progress,
    refusal,
    sign_in,
    tell,
)


async def test_the_movie_knows_its_latest_job(bus: Bus, house: Running, owner: httpx.AsyncClient) -> None:
    old, new = Story(5, 1), Story(5, 2)
    await applied(house, bus, await tell(bus, *new.up_to("downloading"), *old.up_to("deleted")))
    movie = (await owner.get(f"{MOVIES}/movies/5")).json()
    assert movie["job_status"] == {
        "job_id": new.job_id,
        "status": "downloading",
        "progress": 0.0,
        "error_message": None,
    }
    assert (await owner.get(f"{MOVIES}/movies/6")).json()["job_status"] is None


@pytest.mark.parametrize(
    ("phase", "status", "code"),
    [
        ("requested", 400, "INVALID_INPUT"),
        ("queued", 400, "INVALID_INPUT"),
        ("downloading", 400, "INVALID_INPUT"),
        ("preparing", 400, "INVALID_INPUT"),
        ("deleted", 404, "NOT_FOUND"),
    ],
)
async def test_only_what_is_ready_can_be_streamed(
    bus: Bus, house: Running, owner: httpx.AsyncClient, phase: str, status: int, code: str
) -> None:
    story = Story(5, 1)
    await applied(house, bus, await tell(bus, *story.up_to(phase)))
    for name in ("5", story.job_id):
        assert refusal(await owner.get(f"{MOVIES}/movies/{name}/stream")) == (status, code)
    assert (await owner.get(f"{MOVIES}/history")).json() == {"history": []}


async def test_a_ready_film_plays_and_is_remembered(
    bus: Bus, house: Running, owner: httpx.AsyncClient, tmp_path: Path
) -> None:
    story = Story(5, 1)
    store = FilesStore(tmp_path / "data" / "store", public_url=house.url, secret=SECRET)
    await store.put(f"movies/{story.job_id}/movie.mp4", b"0123456789", content_type="video/mp4")
    await applied(house, bus, await tell(bus, *story.up_to("ready")))
    for name in ("5", story.job_id):
        stream = (await owner.get(f"{MOVIES}/movies/{name}/stream")).json()
        assert (stream["content_type"], stream["size_bytes"]) == ("video/mp4", 10)
        left = datetime.fromisoformat(stream["expires_at"]) - datetime.now(UTC)
        assert timedelta(seconds=14_390) < left <= timedelta(seconds=14_400)
        async with httpx.AsyncClient() as player:
            part = await player.get(stream["url"], headers={"range": "bytes=2-4"})
            assert (part.status_code, part.content) == (206, b"234")
            assert part.headers["content-type"] == "video/mp4"
            assert (await player.head(stream["url"])).headers["content-length"] == "10"
            assert (await player.get(stream["url"] + "0")).status_code == 403
    [watched] = (await owner.get(f"{MOVIES}/history")).json()["history"]
    assert (watched["movie_id"], watched["title"], watched["job_id"]) == (5, "Film 5", story.job_id)
    assert watched["status"] == "ready"
    job = (await owner.get(f"{MOVIES}/jobs/{story.job_id}")).json()
    assert job["last_watched_at"] == watched["last_watched_at"]
    assert job["last_watched_at"].endswith("Z")
    assert (job["status"], job["progress"], job["playable"]) == ("ready", 100.0, True)


async def test_jobs_come_in_pages_newest_update_first(
    bus: Bus, house: Running, owner: httpx.AsyncClient
) -> None:
    phases = ("requested", "queued", "downloading", "preparing", "ready", "deleted")
    stories = {phase: Story(10 + number, number) for number, phase in enumerate(phases)}
    sequence = 0
    for phase, story in stories.items():
        sequence = await tell(bus, *story.up_to(phase))
    await applied(house, bus, sequence)
    failed = Story(20, 9)
    await applied(house, bus, await tell(bus, failed.requested(), no_release(failed.job_id)))

    async def page(query: str) -> tuple[list[str], int]:
        body = (await owner.get(f"{MOVIES}/jobs{query}")).json()
        return [job["job_id"] for job in body["jobs"]], body["total"]

    active = [stories[phase].job_id for phase in reversed(phases[:-1])]
    assert await page("") == (active, 5)
    assert await page("?limit=2") == (active[:2], 5)
    assert await page("?limit=2&offset=4") == (active[4:], 5)
    assert await page("?offset=9") == ([], 5)
    assert await page("?status=queued") == (active[3:], 2)
    assert await page("?status=deleted") == ([stories["deleted"].job_id], 1)
    assert await page("?status=error") == ([failed.job_id], 1)


async def test_progress_is_shown_and_never_goes_back(
    bus: Bus, house: Running, owner: httpx.AsyncClient
) -> None:
    story = Story(5, 1)
    await applied(house, bus, await tell(bus, *story.up_to("downloading")))

    async def shown(done_bytes: int, want: float) -> dict[str, Any]:
        await bus.progress(progress(story.job_id, done_bytes))
        async with asyncio.timeout(5):
            while True:
                job = (await owner.get(f"{MOVIES}/jobs/{story.job_id}")).json()
                if (job["done_bytes"], job["progress"]) == (done_bytes, want):
                    return job
                await asyncio.sleep(0.01)

    job = await shown(500, 50.0)
    assert (job["stage"], job["total_bytes"], job["speed_bps"], job["eta_s"]) == (
        "downloading",
        1000,
        100.0,
        5.0,
    )
    await shown(400, 50.0)
    await shown(999, 99.9)
    await applied(house, bus, await tell(bus, story.preparing(), story.ready()))
    job = (await owner.get(f"{MOVIES}/jobs/{story.job_id}")).json()
    assert (job["progress"], job["stage"], job["speed_bps"]) == (100.0, None, None)


async def test_a_lost_database_comes_back_byte_for_byte(bus: Bus, tmp_path: Path) -> None:
    data = tmp_path / "data"
    paths = [f"{MOVIES}/jobs?limit=100", f"{MOVIES}/jobs?status=deleted", f"{MOVIES}/history"]

    async def answers() -> list[bytes]:
        async with gateway(bus, data) as running, running.client() as client:
            await sign_in(client)
            return [(await client.get(path)).content for path in paths]

    stories = [Story(number, number) for number in range(1, 40)]
    for story in stories:
        await tell(bus, *story.up_to("deleted" if story is stories[5] else "ready"))
    async with gateway(bus, data) as running, running.client() as client:
        await sign_in(client)
        for movie_id in (3, 9, 3):
            assert (await client.get(f"{MOVIES}/movies/{movie_id}/stream")).status_code == 200
    before = await answers()
    assert b'"movie_id":9' in before[2]
    for file in (data / "db").glob("streamer.sqlite3*"):
        file.unlink()
    assert await answers() == before
