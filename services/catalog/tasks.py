"""The catalog's background tasks: each runs now and then, and sleeps in between.

What they told last, and when they run next, outlives the process. A run that was cut off is begun again at
the next start; the tasks themselves know how far they were.
"""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Final

import msgspec
import structlog
from msgspec.structs import replace

from libs.common.catalog import ListTasks, TaskReport, TaskReports
from services.catalog import metrics
from services.catalog.attention import Attention
from services.catalog.titles import Titles
from services.catalog.tmdb import TmdbError

log = structlog.get_logger(__name__)

FIRST_RETRY_S: Final = 60.0
RETRY_AFTER_S_MAX: Final = 24 * 3600.0
JITTER: Final = 0.15
"""Of an interval, which is shortened by up to that: what a task keeps fresh must not grow old before."""
NOBODY: Final = "Nobody asked the catalog for anything in the last day; they go on as soon as somebody does."
NAP_S: Final = 3600.0
"""The clock is looked at this often at least: it may have been set while we slept."""


class Task(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    interval_s: float
    run: Callable[[], AsyncIterator[int]]
    """Does all that is to be done, and yields each time how much was; raises TmdbError or sqlite3.Error."""


class Tasks:
    """Runs the tasks and answers how they are."""

    def __init__(
        self,
        tasks: Sequence[Task],
        titles: Titles,
        *,
        attention: Attention,
        off_because: str | None,
        first_after_s: float,
        now: Callable[[], datetime],
        random: Random,
    ) -> None:
        """Without attention they wait for it, however long.

        `first_after_s`: a start is busy enough; before that none runs, though its time may have come.
        """
        self._tasks = tuple(tasks)
        self._titles = titles
        self._attention = attention
        self._off_because = off_because
        self._first_after_s = first_after_s
        self._now = now
        self._random = random
        self._reports = {task.name: TaskReport(name=task.name, interval_s=task.interval_s) for task in tasks}

    async def list(self, _ask: ListTasks) -> TaskReports:
        off_because = self._off_because or (None if self._attention.is_there else NOBODY)
        return TaskReports(tasks=tuple(self._reports.values()), off_because=off_because)

    async def run(self) -> None:
        """For ever; nothing at all if they are off."""
        if self._off_because:
            log.info("tasks_off", reason=self._off_because)
            return
        async with asyncio.TaskGroup() as group:
            for task in self._tasks:
                group.create_task(self._keep(task), name=f"task-{task.name}")

    async def _keep(self, task: Task) -> None:
        self._reports[task.name] = await self._told_before(task)
        while True:
            await self._until_next(task)
            await self._attention.wait()
            await self._round(task)

    async def _told_before(self, task: Task) -> TaskReport:
        try:
            told = await self._titles.note(_note(task), TaskReport)
        except sqlite3.Error as error:
            log.warning("task_unknown", task=task.name, error=str(error))
            told = None
        told = told or TaskReport(name=task.name, interval_s=task.interval_s)
        soonest = self._now() + timedelta(seconds=self._first_after_s * self._random.uniform(1, 2))
        # Its interval may have been longer when that was written, or the clock wrong.
        latest = soonest + timedelta(seconds=task.interval_s)
        planned = min(max(told.next_run_at or soonest, soonest), latest)
        return replace(told, interval_s=task.interval_s, is_running=False, next_run_at=planned)

    async def _until_next(self, task: Task) -> None:
        planned = self._reports[task.name].next_run_at or self._now()
        metrics.NEXT_RUN.labels(task.name).set(planned.timestamp())
        while True:
            wait_s = (planned - self._now()).total_seconds()
            if wait_s <= 0:
                return
            await asyncio.sleep(min(wait_s, NAP_S))

    async def _round(self, task: Task) -> None:
        began = self._now()
        report = replace(self._reports[task.name], is_running=True, last_run_at=began)
        self._reports[task.name] = report
        metrics.LAST_RUN.labels(task.name).set(began.timestamp())
        failure = await self._try(task)
        ended = self._now()
        report = self._reports[task.name]
        errors_in_a_row = report.errors_in_a_row + 1 if failure else 0
        report = replace(
            report,
            is_running=False,
            last_run_s=max(0.0, (ended - began).total_seconds()),
            last_error=failure.sentence if failure else None,
            errors_in_a_row=errors_in_a_row,
            runs=report.runs + 1,
            errors=report.errors + bool(failure),
            next_run_at=ended + timedelta(seconds=self._pause_s(task, failure, errors_in_a_row)),
        )
        self._reports[task.name] = report
        metrics.RUNS.labels(task.name, "failed" if failure else "done").inc()
        log.info("task_ran", task=task.name, done=report.done, error=report.last_error)
        await self._remember(task, report)

    async def _try(self, task: Task) -> "_Failure | None":
        try:
            async for many in task.run():
                report = self._reports[task.name]
                self._reports[task.name] = replace(report, done=report.done + many)
                metrics.DONE.labels(task.name).inc(many)
        except TmdbError as error:
            return _Failure(sentence=error.message, retry_after_s=error.retry_after_s or 0.0)
        except sqlite3.Error as error:
            sentence = f"The titles can't be stored ({error}); make room on the catalog's disk."
            return _Failure(sentence=sentence)
        except Exception:
            # The catalog's answers must not end with a task that nobody waits for: it tells, and tries again.
            log.exception("task_failed", task=task.name)
            return _Failure(sentence="It hit an unexpected problem; the catalog's log says more.")
        return None

    def _pause_s(self, task: Task, failure: "_Failure | None", errors_in_a_row: int) -> float:
        if failure is None:
            return task.interval_s * self._random.uniform(1 - JITTER, 1)
        backing_off_s = min(FIRST_RETRY_S * 2 ** min(errors_in_a_row - 1, 20), task.interval_s)
        return max(backing_off_s, min(failure.retry_after_s, RETRY_AFTER_S_MAX))

    async def _remember(self, task: Task, report: TaskReport) -> None:
        try:
            await self._titles.write_note(_note(task), report)
        except sqlite3.Error as error:
            log.warning("task_not_remembered", task=task.name, error=str(error))


class _Failure(msgspec.Struct, frozen=True, kw_only=True):
    sentence: str
    retry_after_s: float = 0.0


def _note(task: Task) -> str:
    return f"task/{task.name}"


def utc_now() -> datetime:
    return datetime.now(UTC)
