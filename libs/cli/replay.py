"""`matinee replay SERVICE`: a service's state, folded anew from the log and compared with what it has."""

import argparse
import asyncio
import importlib
import sqlite3
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

from libs.cli.configuration import settings_of
from libs.cli.failure import FAILED, CommandFailed
from libs.cli.log import reading
from libs.common.bus import Bus
from libs.common.projection import Database, Projection
from libs.common.streams import EVENT_SUBJECTS, JOBS

# Where a service keeps its schema, and the function that folds one event.
_PROJECTIONS = {
    "streamer": ("services.streamer.store", "services.streamer.projections.jobs"),
    "indexer": ("services.indexer.learned", "services.indexer.learned"),
    "janitor": ("services.janitor.store", "services.janitor.store"),
}
SHOWN = 10
"""Differences printed of one table; the rest is counted."""

Tables = dict[str, set[tuple[Any, ...]]]


def run(arguments: argparse.Namespace) -> int:
    settings = settings_of(arguments)
    name: str = arguments.service
    if name not in _PROJECTIONS:
        print(f"The {name} service has no projection; its cache can be deleted any time.")
        return 0
    live = settings.database(name)
    fresh = live.with_name(f"{name}.replay.sqlite3")

    async def replay() -> tuple[Tables, Tables] | None:
        async with reading(settings) as bus:
            # The service goes on meanwhile, so both are compared as of the same message.
            before = read_tables(live) if live.exists() else None
            until = await bus.last_sequence(JOBS, EVENT_SUBJECTS)
            if before is not None and (applied := applied_sequence(before)) > until:
                raise CommandFailed(
                    f"{live} has applied message {applied}, but the log ends at {until}: "
                    "it belongs to another log. Stop the service and delete the file; it is made anew."
                )
            await rebuild(bus, name, fresh, until if before is None else applied_sequence(before))
            return None if before is None else (before, read_tables(fresh))

    try:
        compared = asyncio.run(replay())
        if compared is None:
            print(f"made anew: {_count(read_tables(fresh))} rows")
        different = compared is not None and _tell(*compared)
        _replace(live, fresh)
    finally:
        _remove(fresh)
    return FAILED if different else 0


async def rebuild(bus: Bus, name: str, path: Path, until: int) -> None:
    """Fold the log up to sequence `until` into a new file."""
    _remove(path)
    schema, fold = (importlib.import_module(module) for module in _PROJECTIONS[name])
    database = Database(path, schema.SCHEMA)
    await database.open()
    try:
        await Projection(bus, database, JOBS, EVENT_SUBJECTS, fold.apply).rebuild(until)
    finally:
        await database.close()


def read_tables(path: Path) -> Tables:
    """Every row of every table, as of one moment; the file is only read."""
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, isolation_level=None)) as connection:
        connection.execute("BEGIN")
        names = connection.execute(
            "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
        ).fetchall()
        return {
            name: set(connection.execute(f'SELECT * FROM "{name}"').fetchall())  # noqa: S608  (out of the schema)
            for (name,) in names
        }


def applied_sequence(tables: Tables) -> int:
    return next((int(sequence) for stream, sequence in tables["applied"] if stream == JOBS), 0)


def differences(live: Tables, fresh: Tables) -> Iterator[str]:
    """What is in one and not in the other, a line each; nothing if they are the same."""
    for table in sorted(live.keys() | fresh.keys()):
        only_live = live.get(table, set()) - fresh.get(table, set())
        only_fresh = fresh.get(table, set()) - live.get(table, set())
        lines = [f"{table}: only the service has {row!r}" for row in sorted(only_live, key=repr)]
        lines += [f"{table}: only the log gives {row!r}" for row in sorted(only_fresh, key=repr)]
        yield from lines[:SHOWN]
        if len(lines) > SHOWN:
            yield f"{table}: … and {len(lines) - SHOWN} more"


def _tell(live: Tables, fresh: Tables) -> bool:
    found = list(differences(live, fresh))
    print("\n".join(found) if found else f"same: {_count(fresh)} rows")
    return bool(found)


def _count(tables: Tables) -> int:
    return sum(len(rows) for table, rows in tables.items() if table != "applied")


def _replace(live: Path, fresh: Path) -> None:
    """The new file takes the old one's place, unless somebody is using that."""
    if _in_use(live) or _in_use(fresh):
        return
    fresh.replace(live)


def _in_use(path: Path) -> bool:
    """Leaving WAL mode needs the file to oneself, and makes it one file without companions."""
    with closing(sqlite3.connect(path, timeout=0)) as connection:
        try:
            return connection.execute("PRAGMA journal_mode = DELETE").fetchone()[0] != "delete"
        except sqlite3.OperationalError:
            return True


def _remove(path: Path) -> None:
    for companion in ("", "-wal", "-shm", "-journal"):
        with suppress(FileNotFoundError):
            path.with_name(path.name + companion).unlink()
