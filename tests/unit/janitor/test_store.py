"""The ledger holds what the fold says, and only that."""

import sqlite3
from pathlib import Path

import pytest

from libs.common.bus import Stored
from libs.common.events import Deleted, Expired, JobEvent, decode, encode
from libs.common.jobs import JobState, Phase
from libs.common.projection import Database
from services.janitor.store import SCHEMA, Ledger, apply
from tests.unit.janitor.story import Story, fold


def _stored(sequence: int, event: JobEvent) -> Stored:
    return Stored(sequence=sequence, subject=event.subject, data=encode(event), event=event)


async def test_the_ledger_is_the_fold_of_each_job(tmp_path: Path) -> None:
    database = Database(tmp_path / "janitor.sqlite3", SCHEMA)
    await database.open()
    ready, waiting = Story("job_1_a").until_ready(), Story("job_2_b").until_failure("world")
    mixed = [event for pair in zip(ready, waiting, strict=True) for event in pair]

    def work(connection: sqlite3.Connection) -> dict[str, JobState]:
        for sequence, event in enumerate([*mixed, *mixed], start=1):
            apply(connection, _stored(sequence, event))
        apply(connection, Stored(sequence=99, subject="jobs.x.new", data=b"{}", event=None))
        rows = connection.execute("SELECT job_id, state FROM ledger").fetchall()
        return {row["job_id"]: decode(row["state"], JobState) for row in rows}

    assert await database.run(work) == {"job_1_a": fold(ready), "job_2_b": fold(waiting)}
    ledger = Ledger(database)
    assert [state.job_id for state in await ledger.films()] == ["job_1_a"]
    assert await ledger.phases(["job_1_a", "job_2_b", "job_3_c"]) == {
        "job_1_a": Phase.READY,
        "job_2_b": Phase.WAITING,
    }
    await database.close()


@pytest.mark.parametrize("fact", ["expired", "deleted"])
async def test_what_is_expired_is_still_a_film_until_it_is_deleted(tmp_path: Path, fact: str) -> None:
    story = Story()
    ends: dict[str, list[JobEvent]] = {
        "expired": [Expired(id="e", at=story.at, job_id=story.job_id, reason="age")],
        "deleted": [Deleted(id="d", at=story.at, job_id=story.job_id)],
    }
    database = Database(tmp_path / "janitor.sqlite3", SCHEMA)
    await database.open()

    def work(connection: sqlite3.Connection) -> None:
        for sequence, event in enumerate([*story.until_ready(), *ends[fact]], start=1):
            apply(connection, _stored(sequence, event))

    await database.run(work)
    assert len(await Ledger(database).films()) == {"expired": 1, "deleted": 0}[fact]
    await database.close()
