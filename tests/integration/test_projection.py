"""A projection is its log: kept up, continued after a stop, and the same when rebuilt from nothing."""

import asyncio
import sqlite3
from datetime import UTC, datetime
from pathlib import Path

from libs.common import events as e
from libs.common import streams
from libs.common.bus import Bus, Stored
from libs.common.projection import APPLIED_TABLE, Database, Projection

SCHEMA = (f"{APPLIED_TABLE}; CREATE TABLE seen (sequence INTEGER PRIMARY KEY, id TEXT NOT NULL) STRICT",)


def apply(connection: sqlite3.Connection, message: Stored) -> None:
    assert message.event is not None
    # No "OR IGNORE": applying a message twice would raise.
    connection.execute("INSERT INTO seen VALUES (?, ?)", (message.sequence, message.event.id))


async def rows(database: Database) -> list[tuple[int, str]]:
    return await database.run(
        lambda c: [tuple(r) for r in c.execute("SELECT * FROM seen ORDER BY sequence").fetchall()]
    )


async def publish(bus: Bus, *numbers: int) -> int:
    at = datetime(2026, 11, 20, tzinfo=UTC)
    return [await bus.publish(e.Watched(id=f"w{n}", at=at, job_id="job_1")) for n in numbers][-1]


async def follow(bus: Bus, path: Path, until: int) -> list[tuple[int, str]]:
    database = Database(path, SCHEMA)
    await database.open()
    projection = Projection(bus, database, streams.JOBS, streams.EVENT_SUBJECTS, apply)
    task = asyncio.create_task(projection.run())
    await projection.wait_for(until)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert projection.caught_up.is_set()
    result = await rows(database)
    await database.close()
    return result


async def test_it_continues_where_it_stopped_and_rebuilds_the_same(bus: Bus, tmp_path: Path) -> None:
    await follow(bus, tmp_path / "a.sqlite3", await publish(bus, *range(20)))
    last = await publish(bus, *range(20, 40))
    continued = await follow(bus, tmp_path / "a.sqlite3", last)
    rebuilt = await follow(bus, tmp_path / "b.sqlite3", last)
    assert continued == rebuilt
    assert [i for _, i in continued] == [f"w{n}" for n in range(40)]


async def test_a_damaged_file_is_rebuilt(bus: Bus, tmp_path: Path) -> None:
    last = await publish(bus, 1, 2)
    path = tmp_path / "a.sqlite3"
    path.write_bytes(b"this is no database" * 1000)
    assert len(await follow(bus, path, last)) == 2


async def test_a_log_that_was_lost_is_not_mixed_with_the_old_rows(bus: Bus, tmp_path: Path) -> None:
    await follow(bus, tmp_path / "a.sqlite3", await publish(bus, 1, 2, 3))
    await bus.js.delete_stream(streams.JOBS)
    await streams.provision(bus.js)
    last = await publish(bus, 7)
    assert [i for _, i in await follow(bus, tmp_path / "a.sqlite3", last)] == ["w7"]


async def test_rebuild_reads_up_to_the_given_point(bus: Bus, tmp_path: Path) -> None:
    until = await publish(bus, 1, 2, 3)
    await publish(bus, 4)
    database = Database(tmp_path / "c.sqlite3", SCHEMA)
    await database.open()
    await Projection(bus, database, streams.JOBS, streams.EVENT_SUBJECTS, apply).rebuild(until)
    assert [i for _, i in await rows(database)] == ["w1", "w2", "w3"]
    await database.close()


async def test_a_transaction_that_fails_leaves_nothing(tmp_path: Path) -> None:
    database = Database(tmp_path / "d.sqlite3", SCHEMA)
    await database.open()

    def work(connection: sqlite3.Connection) -> None:
        connection.execute("INSERT INTO seen VALUES (1, 'x')")
        raise RuntimeError("half-way")

    results = await asyncio.gather(database.run(work), return_exceptions=True)
    assert isinstance(results[0], RuntimeError)
    assert await rows(database) == []
    await database.close()
