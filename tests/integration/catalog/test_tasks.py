"""Background tasks: when they run, what they tell, and what outlives the process."""

import asyncio
import sqlite3
import time
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

import pytest
from prometheus_client import REGISTRY

from libs.common import queries
from libs.common.bus import Bus
from libs.common.catalog import ListTasks, TaskReport, TaskReports
from libs.common.errors import ErrorCode
from libs.common.sections import Tmdb
from libs.common.service import connect
from libs.common.settings import Nats, Settings
from libs.sandbox.sandbox import Sandbox
from services.catalog.app import body
from services.catalog.attention import Attention
from services.catalog.tasks import JITTER, NOBODY, Task, Tasks
from services.catalog.titles import Titles
from services.catalog.tmdb import TmdbError
from tests.conftest import NatsServer
from tests.support.service import running

DEADLINE_S = 10.0


@pytest.fixture
async def titles(tmp_path: Path) -> AsyncIterator[Titles]:
    titles = Titles(tmp_path / "titles.sqlite3", "http://tmdb.invalid", clock=time.time)
    await titles.open()
    yield titles
    await titles.close()


def task_of(run: Callable[[], AsyncIterator[int]], *, interval_s: float = 3600.0) -> Task:
    return Task(name="test", interval_s=interval_s, run=run)


def utc_now() -> datetime:
    return datetime.now(UTC)


def tasks_of(
    task: Task, titles: Titles, *, attention: Attention | None = None, off_because: str | None = None
) -> Tasks:
    return Tasks(
        (task,),
        titles,
        attention=attention or Attention(utc_now),
        off_because=off_because,
        first_after_s=0.0,
        now=utc_now,
        random=Random(1),
    )


async def report(tasks: Tasks) -> TaskReport:
    [told] = (await tasks.list(ListTasks())).tasks
    return told


async def run_until(tasks: Tasks, holds: Callable[[TaskReport], bool]) -> TaskReport:
    """Runs the tasks until one of them tells that; what it told."""
    work = asyncio.create_task(tasks.run())
    try:
        async with asyncio.timeout(DEADLINE_S):
            while not holds(await report(tasks)):
                await asyncio.sleep(0.005)
        return await report(tasks)
    finally:
        work.cancel()
        with suppress(asyncio.CancelledError):
            await work


async def two_and_three() -> AsyncIterator[int]:
    yield 2
    yield 3


def failing(failure: Exception) -> Callable[[], AsyncIterator[int]]:
    async def run() -> AsyncIterator[int]:
        yield 1
        raise failure

    return run


async def test_a_run_is_told_and_counted(titles: Titles) -> None:
    labels = {"task": "test", "outcome": "done"}
    before = REGISTRY.get_sample_value("matinee_task_runs_total", labels) or 0.0
    told = await run_until(tasks_of(task_of(two_and_three), titles), lambda told: told.runs == 1)
    assert (told.done, told.errors, told.last_error, told.is_running) == (5, 0, None, False)
    assert told.last_run_at
    assert told.next_run_at
    pause = told.next_run_at - told.last_run_at
    assert timedelta(seconds=3600 * (1 - JITTER) - 1) < pause < timedelta(seconds=3601)
    assert REGISTRY.get_sample_value("matinee_task_runs_total", labels) == before + 1
    last_run = REGISTRY.get_sample_value("matinee_task_last_run_timestamp_seconds", {"task": "test"})
    assert last_run == told.last_run_at.timestamp()


async def test_a_task_runs_again_and_again(titles: Titles) -> None:
    tasks = tasks_of(task_of(two_and_three, interval_s=0.02), titles)
    assert (await run_until(tasks, lambda told: told.runs >= 3)).done >= 15


async def test_after_a_restart_it_keeps_to_its_time_and_its_counts(titles: Titles) -> None:
    first = await run_until(tasks_of(task_of(two_and_three), titles), lambda told: told.runs == 1)
    restarted = tasks_of(task_of(two_and_three), titles)
    work = asyncio.create_task(restarted.run())
    await asyncio.sleep(0.2)
    work.cancel()
    told = await report(restarted)
    assert told == first


async def test_a_run_that_was_killed_begins_again(titles: Titles) -> None:
    async def endless() -> AsyncIterator[int]:
        yield 1
        await asyncio.Event().wait()

    await run_until(tasks_of(task_of(endless), titles), lambda told: told.is_running and told.done == 1)
    told = await run_until(tasks_of(task_of(two_and_three), titles), lambda told: told.runs == 1)
    assert told.done == 5


FAILURES = [
    (TmdbError(ErrorCode.TMDB_ERROR, "TMDB is down.", passing=True), "TMDB is down.", 60),
    (
        TmdbError(ErrorCode.TMDB_ERROR, "Slow down.", passing=True, retry_after_s=7000.0),
        "Slow down.",
        7000,
    ),
    (sqlite3.OperationalError("disk full"), "The titles can't be stored (disk full)", 60),
    (RuntimeError("secret"), "It hit an unexpected problem; the catalog's log says more.", 60),
]


@pytest.mark.parametrize(("failure", "words", "pause_s"), FAILURES, ids=lambda value: repr(value)[:30])
async def test_a_failure_is_told_and_tried_again_soon_but_not_before_tmdb_wants(
    titles: Titles, failure: Exception, words: str, pause_s: float
) -> None:
    told = await run_until(tasks_of(task_of(failing(failure)), titles), lambda told: told.runs == 1)
    assert told.last_error
    assert told.last_error.startswith(words)
    assert (told.errors, told.errors_in_a_row, told.done) == (1, 1, 1)
    assert told.next_run_at
    assert told.last_run_at
    assert (told.next_run_at - told.last_run_at).total_seconds() == pytest.approx(pause_s, abs=2)


async def test_what_is_off_never_runs_and_says_why(titles: Titles) -> None:
    tasks = tasks_of(task_of(two_and_three), titles, off_because="No key.")
    async with asyncio.timeout(DEADLINE_S):
        await tasks.run()
    told = await tasks.list(ListTasks())
    assert told.off_because == "No key."
    assert (told.tasks[0].runs, told.tasks[0].next_run_at) == (0, None)


async def test_nothing_runs_while_nobody_asks(titles: Titles) -> None:
    days = [timedelta()]

    def later() -> datetime:
        return utc_now() + days[0]

    async def answer(_ask: ListTasks) -> TaskReport:
        return TaskReport(name="anything", interval_s=1.0)

    attention = Attention(later)
    tasks = tasks_of(task_of(two_and_three, interval_s=0.02), titles, attention=attention)
    await run_until(tasks, lambda told: told.runs >= 2)
    days[0] = timedelta(days=2)
    work = asyncio.create_task(tasks.run())
    await asyncio.sleep(0.3)
    runs = (await report(tasks)).runs
    assert (await tasks.list(ListTasks())).off_because == NOBODY
    await attention.drawn_by(answer)(ListTasks())
    assert (await tasks.list(ListTasks())).off_because is None
    async with asyncio.timeout(DEADLINE_S):
        while (await report(tasks)).runs <= runs:
            await asyncio.sleep(0.005)
    work.cancel()


@pytest.fixture
async def sandbox(tmp_path: Path) -> AsyncIterator[Sandbox]:
    async with Sandbox(tmp_path / "sandbox", films=(), nntp_tls=False) as running:
        yield running


@pytest.mark.parametrize(
    ("has_key", "rate", "off_because"),
    [(True, 10.0, None), (False, 10.0, "No TMDB key is set"), (True, 0.0, "They are switched off")],
)
async def test_the_catalog_tells_of_its_tasks(
    bus: Bus,
    nats_server: NatsServer,
    sandbox: Sandbox,
    tmp_path: Path,
    has_key: bool,
    rate: float,
    off_because: str | None,
) -> None:
    token = sandbox.tmdb_token if has_key else ""
    settings = Settings(
        data_dir=str(tmp_path / "data"),
        nats=Nats(url=nats_server.url),
        tmdb=Tmdb(url=sandbox.tmdb_url, token=token, sync_requests_per_s=rate),
    )
    own = await connect(settings, "catalog")
    async with running("catalog", settings, own, body):
        await asyncio.sleep(0.2)
        told = await queries.ask(bus, ListTasks(), TaskReports)
    await own.close()
    assert [task.name for task in told.tasks] == ["list_refresh", "movie_sync"]
    assert [task.next_run_at is None for task in told.tasks] == [bool(off_because)] * 2
    assert (told.off_because or "").startswith(off_because or "")
    # A start is busy enough: nothing is asked at once.
    assert not sandbox.counters.http
