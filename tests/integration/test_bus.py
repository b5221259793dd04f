"""The bus on a real nats-server: stored once, read in order, leased, alive after a kill -9 of the server."""

import asyncio
from collections.abc import AsyncGenerator
from datetime import UTC, datetime, timedelta

import pytest
from nats.aio.msg import Msg
from nats.js.api import DiscardPolicy
from prometheus_client import REGISTRY

from libs.common import events as e
from libs.common import streams
from libs.common.bus import Bus, Delivery
from libs.common.errors import BusUnavailable, Conflict, ErrorCode, LogReplaced, ServiceError
from libs.common.kv import Bucket
from libs.common.queries import Answers, ask, ask_several
from tests.conftest import NatsServer

NOW = datetime(2026, 11, 20, tzinfo=UTC)
TITLE = e.TitleRef(key="tmdb:movie:1", movie_id=1, name="x")


def requested(job_id: str, event_id: str | None = None) -> e.Requested:
    return e.Requested(id=event_id or f"{job_id}.r", at=NOW, job_id=job_id, title=TITLE, mode="auto")


def watched(number: int) -> e.Watched:
    return e.Watched(id=f"w{number}", at=NOW, job_id="job_1")


async def test_an_event_is_stored_once_however_often_it_is_published(bus: Bus) -> None:
    first = await bus.publish(requested("job_1"))
    assert await bus.publish(requested("job_1")) == first
    assert await bus.last_sequence(streams.JOBS, streams.EVENT_SUBJECTS) == first


async def test_publish_first_tells_whose_event_was_stored(bus: Bus) -> None:
    assert await bus.publish_first(requested("job_1", "mine"))
    assert await bus.publish_first(requested("job_1", "mine"))
    assert not await bus.publish_first(requested("job_1", "yours"))


async def test_a_scheduled_event_comes_at_its_time_and_once(bus: Bus) -> None:
    await bus.publish_at(requested("job_9"), datetime.now(UTC) + timedelta(seconds=1))
    assert await bus.last_sequence(streams.JOBS, streams.EVENT_SUBJECTS) == 0
    async with asyncio.timeout(10):
        async for message in bus.tail(streams.JOBS, streams.EVENT_SUBJECTS):
            assert message.event == requested("job_9")
            break


async def test_tail_gives_every_event_once_and_in_order_across_a_kill(
    bus: Bus, nats_server: NatsServer
) -> None:
    seen: list[str] = []

    async def follow() -> None:
        async for message in bus.tail(streams.JOBS, streams.EVENT_SUBJECTS):
            assert message.event is not None
            seen.append(message.event.id)

    task = asyncio.create_task(follow())
    for number in range(50):
        await bus.publish(watched(number))
    nats_server.kill()
    await asyncio.sleep(0.2)
    nats_server.start()
    for number in range(40, 100):
        await bus.publish(watched(number))
    async with asyncio.timeout(10):
        while len(seen) < 100:
            await asyncio.sleep(0.05)
    task.cancel()
    assert seen == [f"w{number}" for number in range(100)]


async def test_trouble_is_told_while_the_server_is_gone(bus: Bus, nats_server: NatsServer) -> None:
    assert await bus.probe() is None
    nats_server.kill()
    async with asyncio.timeout(5):
        while bus.trouble() is None:
            await asyncio.sleep(0.05)
    nats_server.start()
    async with asyncio.timeout(5):
        while await bus.probe():
            await asyncio.sleep(0.05)


async def test_a_handler_that_fails_gets_the_event_again_and_not_in_a_hot_loop(bus: Bus) -> None:
    tries: list[int] = []
    done = asyncio.Event()

    async def handle(delivery: Delivery) -> None:
        tries.append(delivery.number)
        if delivery.number == 1:
            raise RuntimeError("not yet")
        done.set()

    task = asyncio.create_task(bus.consume(streams.INDEXER, handle))
    await bus.publish(requested("job_1"))
    async with asyncio.timeout(10):
        await done.wait()
    await asyncio.sleep(0.2)
    task.cancel()
    assert tries == [1, 2]
    assert await bus.backlog(streams.INDEXER) == 0


async def test_a_handler_that_is_cancelled_hands_its_delivery_back(bus: Bus) -> None:
    taken = asyncio.Event()

    async def handle(_delivery: Delivery) -> None:
        taken.set()
        await asyncio.sleep(60)

    before = handed_back()
    task = asyncio.create_task(bus.consume(streams.INDEXER, handle))
    await bus.publish(requested("job_1"))
    async with asyncio.timeout(5):
        await taken.wait()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    got: list[str] = []
    again = asyncio.create_task(bus.consume(streams.INDEXER, _collect(got)))
    # Long before the lease runs out.
    async with asyncio.timeout(streams.LEASE_S / 4):
        while not got:
            await asyncio.sleep(0.05)
    again.cancel()
    assert handed_back() == before + 1


def handed_back() -> float:
    labels = {"consumer": streams.INDEXER, "outcome": "handed_back"}
    return REGISTRY.get_sample_value("matinee_deliveries_total", labels) or 0.0


async def test_a_consumer_that_is_gone_for_a_while_ends_nobody(bus: Bus) -> None:
    got: list[str] = []
    task = asyncio.create_task(bus.consume(streams.INDEXER, _collect(got)))
    await asyncio.sleep(0.2)
    await bus.js.delete_consumer(streams.JOBS, streams.INDEXER)
    await asyncio.sleep(1.2)
    assert not task.done()
    await streams.provision(bus.js)
    await bus.publish(requested("job_1"))
    async with asyncio.timeout(10):
        while not got:
            await asyncio.sleep(0.05)
    task.cancel()


async def test_a_tail_notices_that_its_stream_is_another_one(bus: Bus, nats_server: NatsServer) -> None:
    for number in range(3):
        await bus.publish(watched(number))
    seen: list[str] = []

    async def follow() -> None:
        async for message in bus.tail(streams.JOBS, streams.EVENT_SUBJECTS):
            assert message.event is not None
            seen.append(message.event.id)

    task = asyncio.create_task(follow())
    async with asyncio.timeout(5):
        while len(seen) < 3:
            await asyncio.sleep(0.02)
    await bus.js.delete_stream(streams.JOBS)
    await streams.provision(bus.js)
    # The new one is as long as the old one was: only its age tells.
    for number in range(10, 15):
        await bus.publish(watched(number))
    nats_server.kill()
    nats_server.start()
    with pytest.raises(LogReplaced):
        async with asyncio.timeout(10):
            await task


async def test_published_events_are_counted_by_their_fact(bus: Bus) -> None:
    before = published("requested")
    await bus.publish(requested("job_1"))
    await bus.publish_first(requested("job_2"))
    assert published("requested") == before + 2


def published(fact: str) -> float:
    return REGISTRY.get_sample_value("matinee_events_published_total", {"fact": fact}) or 0.0


async def test_a_broker_that_stores_nothing_is_trouble_until_it_stores_again(bus: Bus) -> None:
    await bus.js.delete_stream(streams.JOBS)
    # A stream with schedules can't be made to refuse anything.
    full = streams.STREAMS[0].evolve(max_msgs=1, discard=DiscardPolicy.NEW, allow_msg_schedules=False)
    await bus.js.add_stream(full)
    await bus.publish(watched(1))
    assert await bus.probe() is None
    with pytest.raises(BusUnavailable, match="maximum messages exceeded"):
        await bus.publish(watched(2))
    assert "stores no events" in (await bus.probe() or "")
    # Who only asks isn't kept from it.
    assert bus.trouble() is None
    await bus.js.delete_stream(streams.JOBS)
    await streams.provision(bus.js)
    assert await bus.probe() is None
    await bus.publish(watched(2))


async def test_an_undecodable_message_is_a_dead_letter_and_not_a_stop(bus: Bus) -> None:
    await bus.js.publish("jobs.job_1.requested", b"not json")
    await bus.publish(requested("job_2"))
    got: list[str] = []
    task = asyncio.create_task(bus.consume(streams.INDEXER, _collect(got)))
    async with asyncio.timeout(10):
        while not got:
            await asyncio.sleep(0.02)
    task.cancel()
    assert got == ["job_2"]
    assert await bus.last_sequence(streams.DEAD, ["$JS.EVENT.ADVISORY.>"]) > 0


def _collect(got: list[str]):
    async def handle(delivery: Delivery) -> None:
        got.append(delivery.event.job_id)

    return handle


async def test_compare_and_set(bus: Bus) -> None:
    bucket = Bucket(bus, streams.ACTIVE)
    assert await bucket.get("a") is None
    results = await asyncio.gather(
        *(bucket.create("a", str(n).encode()) for n in range(20)), return_exceptions=True
    )
    assert sum(isinstance(r, int) for r in results) == 1
    assert all(isinstance(r, int | Conflict) for r in results)
    entry = await bucket.get("a")
    assert entry is not None
    await bucket.update("a", b"next", entry.revision)
    with pytest.raises(Conflict):
        await bucket.update("a", b"late", entry.revision)
    await bucket.delete("a")
    assert await bucket.get("a") is None
    assert await bucket.create("a", b"again") > entry.revision


async def test_questions_answers_and_refusals(bus: Bus) -> None:
    async def search(query: e.SearchMovies) -> e.MoviePage:
        if query.query == "none":
            raise ServiceError(ErrorCode.NOT_FOUND, "Nothing\nhere.")
        if query.query == "bug":
            raise RuntimeError("a secret path")
        return e.MoviePage(page=query.page, total_pages=1, total_results=0, results=())

    with pytest.raises(ServiceError, match="not running"):
        await ask(bus, e.SearchMovies(query="x"), e.MoviePage)
    answers = Answers(bus, "catalog", "0.1.0")
    answers.add(e.SearchMovies, search)
    task = asyncio.create_task(answers.serve())
    await asyncio.sleep(0.1)
    assert (await ask(bus, e.SearchMovies(query="x", page=3), e.MoviePage)).page == 3
    with pytest.raises(ServiceError) as refused:
        await ask(bus, e.SearchMovies(query="none"), e.MoviePage)
    assert (refused.value.code, refused.value.message) == (ErrorCode.NOT_FOUND, "Nothing here.")
    with pytest.raises(ServiceError) as broken:
        await ask(bus, e.SearchMovies(query="bug"), e.MoviePage)
    assert broken.value.code is ErrorCode.INTERNAL_ERROR
    assert "secret" not in broken.value.message
    task.cancel()


async def test_several_answers_come_in_order_and_end(bus: Bus) -> None:
    go_on = asyncio.Event()

    async def pages(query: e.SearchMovies) -> AsyncGenerator[e.MoviePage]:
        yield e.MoviePage(page=1, total_pages=1, total_results=0, results=())
        await go_on.wait()
        if query.query == "none":
            raise ServiceError(ErrorCode.NOT_FOUND, "Nothing here.")
        yield e.MoviePage(page=2, total_pages=1, total_results=0, results=())

    def asked(words: str, timeout_s: float = 5.0) -> AsyncGenerator[e.MoviePage]:
        return ask_several(bus, e.SearchMovies(query=words), e.MoviePage, timeout_s=timeout_s)

    with pytest.raises(ServiceError, match="not running"):
        await anext(asked("x"))
    answers = Answers(bus, "catalog", "0.1.0")
    answers.add_several(e.SearchMovies, pages)
    task = asyncio.create_task(answers.serve())
    await asyncio.sleep(0.1)
    in_vain = asked("x", timeout_s=0.2)
    assert (await anext(in_vain)).page == 1
    with pytest.raises(ServiceError, match="did not answer in time"):
        await anext(in_vain)
    given_up = asked("x")
    assert (await anext(given_up)).page == 1
    await given_up.aclose()
    whole = asked("x")
    assert (await anext(whole)).page == 1
    go_on.set()
    assert [page.page async for page in whole] == [2]
    refused = asked("none")
    assert (await anext(refused)).page == 1
    with pytest.raises(ServiceError, match="Nothing here"):
        await anext(refused)
    task.cancel()


@pytest.mark.parametrize(
    ("data", "headers"),
    [
        (b"", {"Nats-Service-Error-Code": "A_NEW_CODE", "Nats-Service-Error": "No."}),
        (b"not json", None),
        (b'{"page": "\xff"}', None),
    ],
    ids=["a code of another version", "no JSON", "no UTF-8"],
)
async def test_an_answer_that_nobody_understands_is_a_refusal(
    bus: Bus, data: bytes, headers: dict[str, str] | None
) -> None:
    async def answer(message: Msg) -> None:
        await bus.client.publish(message.reply, data, headers=headers)

    await bus.client.subscribe("svc.catalog.search", cb=answer)
    with pytest.raises(ServiceError) as refused:
        await ask(bus, e.SearchMovies(query="x"), e.MoviePage)
    assert refused.value.code is ErrorCode.INTERNAL_ERROR


async def test_answers_do_not_wait_for_each_other(bus: Bus) -> None:
    async def slow(query: e.SearchMovies) -> e.MoviePage:
        await asyncio.sleep(0.5)
        return e.MoviePage(page=query.page, total_pages=1, total_results=0, results=())

    answers = Answers(bus, "catalog", "0.1.0")
    answers.add(e.SearchMovies, slow)
    task = asyncio.create_task(answers.serve())
    await asyncio.sleep(0.1)
    async with asyncio.timeout(3):
        await asyncio.gather(*(ask(bus, e.SearchMovies(query="x"), e.MoviePage) for _ in range(20)))
    task.cancel()
