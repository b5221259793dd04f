"""A projection is its log: kept up, continued after a stop, and the same when rebuilt from nothing."""

import asyncio
import sqlite3
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from libs.common import events as e
from libs.common import streams
from libs.common.bus import Bus, Stored
from libs.common.projection import APPLIED_TABLE, Database, Projection
from tests.conftest import NatsServer

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


@asynccontextmanager
async def following(bus: Bus, path: Path) -> AsyncGenerator[tuple[Database, Projection]]:
    database = Database(path, SCHEMA)
    await database.open()
    projection = Projection(bus, database, streams.JOBS, streams.EVENT_SUBJECTS, apply)
    task = asyncio.create_task(projection.run())
    try:
        yield database, projection
        assert not task.done()
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await database.close()


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


async def test_a_log_replaced_while_it_is_followed_is_followed_from_its_start(
    bus: Bus, nats_server: NatsServer, tmp_path: Path
) -> None:
    await publish(bus, 1, 2, 3)
    async with following(bus, tmp_path / "a.sqlite3") as (database, projection):
        await projection.wait_for(3)
        await bus.js.delete_stream(streams.JOBS)
        await streams.provision(bus.js)
        # As long as the old one, so that only its age tells.
        await publish(bus, 11, 12, 13, 14)
        # Makes the tail look at once, not at its next heartbeat.
        nats_server.kill()
        nats_server.start()
        async with asyncio.timeout(10):
            while [i for _, i in await rows(database)] != ["w11", "w12", "w13", "w14"]:
                await asyncio.sleep(0.05)
        assert await projection.check() is None


async def test_a_full_disk_is_waited_for_and_told(bus: Bus, tmp_path: Path) -> None:
    async with following(bus, tmp_path / "a.sqlite3") as (database, projection):
        await projection.wait_for(await publish(bus, 1))
        # SQLite's own "database or disk is full".
        pages = await database.run(lambda c: c.execute("PRAGMA max_page_count = 1").fetchone()[0])
        last = await publish(bus, *range(2, 800))
        async with asyncio.timeout(10):
            while (trouble := await projection.check()) is None:
                await asyncio.sleep(0.05)
        assert "full" in trouble
        assert pages < 100
        await database.run(lambda c: c.execute("PRAGMA max_page_count = 100000"))
        await projection.wait_for(last, timeout_s=10)
        assert await projection.check() is None
        assert len(await rows(database)) == 799


async def test_a_file_that_is_locked_is_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "a.sqlite3"
    database = Database(path, SCHEMA)
    await database.open()
    await database.run(lambda c: c.execute("INSERT INTO seen VALUES (1, 'x')"))
    await database.close()
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("PRAGMA locking_mode = EXCLUSIVE")
    other.execute("BEGIN EXCLUSIVE")
    locked = Database(path, SCHEMA)
    with pytest.raises(sqlite3.OperationalError, match="locked"):
        await locked.open()
    await locked.close()
    other.execute("ROLLBACK")
    other.close()
    again = Database(path, SCHEMA)
    await again.open()
    assert await rows(again) == [(1, "x")]
    await again.close()


async def test_a_file_of_a_newer_version_is_rebuilt(tmp_path: Path) -> None:
    path = tmp_path / "a.sqlite3"
    newer = Database(path, (*SCHEMA, "CREATE TABLE later (id INTEGER) STRICT"))
    await newer.open()
    await newer.run(lambda c: c.execute("INSERT INTO seen VALUES (1, 'x')"))
    await newer.close()
    database = Database(path, SCHEMA)
    await database.open()
    assert await rows(database) == []
    await database.close()


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
