"""The gateway's event stream: what is, what changes, where it broke off, how it ends."""

import asyncio
import contextlib
import json
from pathlib import Path
from typing import Any

import httpx

from libs.common import streams
from libs.common.bus import Bus
from services.streamer.push import MAX_OF_SESSION, MAX_PENDING
from tests.support.gateway import (
    MOVIES,
    Running,
    Story,
    applied,
    bearer,
    gateway,
    no_release,
    progress,
    refusal,
    sign_in,
    tell,
)


class Feed:
    """An open event stream, read one event at a time."""

    def __init__(self, response: httpx.Response) -> None:
        self.response = response
        self._lines = response.aiter_lines()

    async def next(self) -> tuple[int, dict[str, Any]]:
        sequence = 0
        async with asyncio.timeout(10):
            async for line in self._lines:
                if line.startswith("id: "):
                    sequence = int(line[4:])
                if line.startswith("data: "):
                    return sequence, json.loads(line[6:])
        raise EOFError

    async def ended(self) -> bool:
        async with asyncio.timeout(10):
            return [line async for line in self._lines if line.startswith("data")] == []


async def test_the_stream_tells_what_is_and_then_what_changes(
    bus: Bus, house: Running, owner: httpx.AsyncClient
) -> None:
    running, done = Story(5, 1), Story(6, 2)
    await tell(bus, *done.up_to("deleted"))
    sequence = await tell(bus, *running.up_to("downloading"))
    await applied(house, bus, sequence)
    async with owner.stream("GET", "/v1/events") as response:
        assert response.headers["content-type"].startswith("text/event-stream")
        feed = Feed(response)
        first, job = await feed.next()
        assert (first, job["job_id"], job["status"]) == (sequence, running.job_id, "downloading")
        await bus.progress(progress(running.job_id, 250))
        again, job = await feed.next()
        assert (again, job["progress"]) == (sequence, 25.0)
        ready = await tell(bus, running.preparing(), running.ready())
        seen = 0
        while seen < ready:
            seen, job = await feed.next()
        assert (job["status"], job["progress"]) == ("ready", 100.0)
        plain = await owner.get(f"{MOVIES}/jobs/{running.job_id}")
        assert job == plain.json()


async def test_the_stream_goes_on_where_it_broke_off(
    bus: Bus, house: Running, owner: httpx.AsyncClient
) -> None:
    before, over, changed = Story(5, 1), Story(6, 2), Story(7, 3)
    last_seen = await tell(bus, *before.up_to("queued"))
    await tell(bus, *over.up_to("deleted"))
    await applied(house, bus, await tell(bus, *changed.up_to("queued")))
    headers = {"last-event-id": str(last_seen)}
    async with owner.stream("GET", "/v1/events", headers=headers) as response:
        feed = Feed(response)
        missed = [await feed.next(), await feed.next()]
    assert [(job["job_id"], job["status"]) for _, job in missed] == [
        (over.job_id, "deleted"),
        (changed.job_id, "queued"),
    ]
    assert missed[0][0] < missed[1][0]


async def test_a_strange_last_event_id_is_none(bus: Bus, house: Running, owner: httpx.AsyncClient) -> None:
    story = Story(5, 1)
    await applied(house, bus, await tell(bus, story.requested()))
    for last_event_id in ("", "x", "-1", "1e9", "9" * 18, "9" * 400, "٣"):
        headers = {"last-event-id": last_event_id.encode()}
        async with owner.stream("GET", "/v1/events", headers=headers) as response:
            assert (await Feed(response).next())[1]["job_id"] == story.job_id


async def test_one_jobs_stream_tells_of_no_other(bus: Bus, house: Running, owner: httpx.AsyncClient) -> None:
    mine, other = Story(5, 1), Story(6, 2)
    await applied(house, bus, await tell(bus, mine.requested(), other.requested()))
    async with owner.stream("GET", f"/v1/jobs/{mine.job_id}/events") as response:
        feed = Feed(response)
        assert (await feed.next())[1]["job_id"] == mine.job_id
        await tell(bus, other.queued(), mine.queued())
        _, job = await feed.next()
    assert (job["job_id"], job["release_id"]) == (mine.job_id, "r1")
    unknown = await owner.get("/v1/jobs/job_1_ab/events")
    assert refusal(unknown) == (404, "NOT_FOUND")


async def test_a_session_that_opens_too_many_streams_is_told_so(
    house: Running, owner: httpx.AsyncClient
) -> None:
    async with contextlib.AsyncExitStack() as stack:
        for _ in range(MAX_OF_SESSION):
            response = await stack.enter_async_context(owner.stream("GET", "/v1/events"))
            assert response.status_code == 200
        refused = await owner.get("/v1/events")
        assert refusal(refused) == (429, "RATE_LIMITED")
        assert int(refused.headers["retry-after"]) >= 1
        headers = {"authorization": bearer("another")}
        async with house.client() as other, other.stream("GET", "/v1/events", headers=headers) as response:
            assert response.status_code == 200
    async with asyncio.timeout(5):
        while not await opens(owner):
            await asyncio.sleep(0.01)


async def opens(client: httpx.AsyncClient) -> bool:
    async with client.stream("GET", "/v1/events") as response:
        return response.status_code == 200


async def test_what_was_before_a_restart_is_not_told_again(bus: Bus, tmp_path: Path) -> None:
    data, headers = tmp_path / "data", {"authorization": bearer("cli")}
    old = [Story(number, number) for number in range(1, MAX_PENDING + 101)]
    async with asyncio.TaskGroup() as tasks:
        for story in old:
            tasks.create_task(tell(bus, story.requested(), no_release(story.job_id)))
    last = await bus.last_sequence(streams.JOBS, streams.EVENT_SUBJECTS)
    async with gateway(bus, data) as running:
        await applied(running, bus, last)
    new = Story(5, 5000)
    async with (
        gateway(bus, data) as running,
        running.client() as client,
        client.stream("GET", "/v1/events", headers=headers) as response,
    ):
        sequence = await tell(bus, new.requested())
        first, job = await Feed(response).next()
    assert (first, job["job_id"]) == (sequence, new.job_id)


async def test_a_stop_ends_open_streams_at_once(bus: Bus, tmp_path: Path) -> None:
    async with gateway(bus, tmp_path / "data") as running, running.client() as client:
        await sign_in(client)
        async with client.stream("GET", "/v1/events") as response:
            feed = Feed(response)
            started = asyncio.get_running_loop().time()
            stop = asyncio.create_task(running.stop())
            assert await feed.ended()
            await stop
            assert asyncio.get_running_loop().time() - started < 2.5
