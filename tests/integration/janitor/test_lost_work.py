"""Work that was lost on its way: dead letters, lost messages, lost retries; no job is left hanging."""

import asyncio
from datetime import timedelta

import pytest

from libs.common import streams
from libs.common.bus import Bus
from libs.common.events import JobEvent, Progress
from libs.common.joblog import job_state
from libs.common.jobs import Phase, event_id
from libs.common.settings import Settings
from services.janitor.deadletters import Advisory, DeadLetters
from tests.support.janitor import (
    JOB,
    alerts,
    eventually,
    handled,
    history,
    janitor,
    now,
    publish,
    settles_at,
)
from tests.unit.janitor.story import Story, candidate

LONG_AGO = timedelta(minutes=21)


async def lose_the_work(bus: Bus) -> None:
    """What a late acknowledgement of an instance does that no longer holds the job."""
    async with bus.pull(streams.DOWNLOADS) as take:
        delivery = await take()
        assert delivery is not None
        await delivery.done()


@pytest.mark.parametrize("phase", [Phase.QUEUED, Phase.DOWNLOADING])
async def test_a_job_whose_work_was_lost_is_queued_again_once(
    bus: Bus, settings: Settings, phase: Phase
) -> None:
    for job_id in (JOB, "job_2_b"):
        story = Story(job_id, now() - LONG_AGO)
        events: dict[Phase, list[JobEvent]] = {Phase.QUEUED: [], Phase.DOWNLOADING: [story.started(1)]}
        await publish(bus, [story.requested(), story.queued(1, "a", "b"), *events[phase]])
        await lose_the_work(bus)

    async def both_are_queued() -> bool:
        return all([(await job_state(bus, job_id)).attempt == 2 for job_id in (JOB, "job_2_b")])

    async with janitor(settings):
        await eventually(both_are_queued)
    async with janitor(settings):
        await asyncio.sleep(0.5)
    state = await job_state(bus, JOB)
    assert (state.phase, state.attempt, state.pick) == (Phase.QUEUED, 2, candidate("a"))
    assert state.alternatives == (candidate("b"),)


async def test_a_job_whose_retry_was_lost_is_queued_again(bus: Bus, settings: Settings) -> None:
    await publish(bus, Story(at=now() - LONG_AGO).until_failure("world"))
    await lose_the_work(bus)
    async with bus.pull(streams.JANITOR) as take:
        delivery = await take()
        assert delivery is not None
        await delivery.done()
    async with janitor(settings):
        assert (await settles_at(bus, Phase.QUEUED)).attempt == 2


@pytest.mark.parametrize(
    "why", ["its work waits", "it is young", "it tells progress", "a retry is scheduled"]
)
async def test_a_job_that_may_go_on_by_itself_is_left_alone(bus: Bus, settings: Settings, why: str) -> None:
    at = now() if why == "it is young" else now() - LONG_AGO
    story = Story(at=at)
    await publish(bus, [story.requested(), story.queued(1), story.started(1)])
    if why != "its work waits":
        await lose_the_work(bus)
    if why == "it tells progress":
        told = Progress(
            at=now(), job_id=JOB, attempt=1, delivery=1, stage="downloading", done_bytes=1, total_bytes=2
        )
        await bus.progress(told)
    if why == "a retry is scheduled":
        await bus.publish_at(story.queued(2), now() + timedelta(hours=1))
    async with janitor(settings):
        await asyncio.sleep(1)
    assert (await job_state(bus, JOB)).attempt == 1


# The end of a film ----------------------------------------------------------------------------------------


async def test_a_message_that_nobody_can_handle_ends_the_job(bus: Bus, settings: Settings) -> None:
    await bus.publish(Story(at=now()).requested())
    subscription = await bus.js.pull_subscribe_bind(streams.INDEXER, streams.JOBS)
    for _ in range(streams.MAX_DELIVERIES):
        [message] = await subscription.fetch(1, timeout=5)
        await message.nak(delay=0.01)
    # The server notices that there will be no seventh delivery when somebody asks for one.
    with pytest.raises(TimeoutError):
        await subscription.fetch(1, timeout=1)
    await subscription.unsubscribe()
    async with janitor(settings):
        state = await settles_at(bus, Phase.FAILED)
        await handled(bus, streams.JANITOR_DEAD)
        await handled(bus, streams.JANITOR)
    assert state.error_code == "JOB_ERROR"
    assert f"in {streams.MAX_DELIVERIES} tries" in (state.error_message or "")
    assert sorted(alert.kind for alert in await alerts(bus)) == ["dead_letter", "job_failed"]


async def test_no_number_of_stopped_instances_ends_a_job(bus: Bus) -> None:
    story = Story(at=now())
    await publish(bus, [story.requested(), story.queued(1)])
    async with bus.pull(streams.DOWNLOADS) as take:
        for number in range(1, streams.MAX_DELIVERIES + 3):
            delivery = await take()
            assert delivery is not None
            assert delivery.number == number
            await delivery.again(0.01)
    assert await bus.backlog(streams.DOWNLOADS) == 1
    assert await bus.last_sequence(streams.DEAD, ["$JS.EVENT.ADVISORY.>"]) == 0


async def test_a_refused_message_ends_the_job_with_the_reason(bus: Bus, settings: Settings) -> None:
    await bus.publish(Story(at=now()).requested())
    async with bus.pull(streams.INDEXER) as take:
        delivery = await take()
        assert delivery is not None
        await delivery.refuse("the title has no name")
    async with janitor(settings):
        state = await settles_at(bus, Phase.FAILED)
    assert "the title has no name" in (state.error_message or "")


@pytest.mark.parametrize(
    ("events", "dead", "phase"),
    [
        pytest.param(["queued 1", "started 1", "ready"], 2, Phase.READY, id="it went on to the end"),
        pytest.param(["queued 1", "queued 2"], 2, Phase.QUEUED, id="it went on with another attempt"),
        pytest.param(["queued 1"], 1, Phase.QUEUED, id="its request was answered"),
        pytest.param(["queued 1", "started 1", "failed 1"], 2, Phase.WAITING, id="its failure is decided on"),
    ],
)
async def test_a_dead_letter_does_not_end_a_job_that_went_on(
    bus: Bus, events: list[str], dead: int, phase: Phase
) -> None:
    story = Story(at=now())
    made: dict[str, JobEvent] = {
        "queued 1": story.queued(1),
        "queued 2": story.queued(2),
        "started 1": story.started(1),
        "failed 1": story.attempt_failed(1, "world"),
        "ready": story.ready(),
    }
    await publish(bus, [story.requested(), *(made[name] for name in events)])
    advisory = Advisory(stream=streams.JOBS, consumer="downloads", stream_seq=dead, deliveries=6)
    await DeadLetters(bus, now).handle(advisory)
    assert (await job_state(bus, JOB)).phase is phase


async def test_a_dead_letter_of_a_message_that_is_gone_is_let_go(bus: Bus) -> None:
    await DeadLetters(bus, now).handle(Advisory(stream=streams.JOBS, consumer="downloads", stream_seq=12345))
    await DeadLetters(bus, now).handle(Advisory(stream=streams.DEAD, consumer="janitor-dead", stream_seq=1))
    assert await alerts(bus) == []
    assert event_id(JOB, "failed", 0) not in [event.id for event in await history(bus)]
