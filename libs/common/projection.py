"""A service's slice of state: an SQLite file that is folded from the log and can be thrown away.

One function is one transaction is one hop to the database's own thread. The sequence up to which the log is
applied is stored in the same transaction as what was applied, so a crash loses nothing and applies nothing
twice; a file that is missing, or of another schema version, is rebuilt from the first message.
"""

import asyncio
import sqlite3
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import structlog

from libs.common.bus import Bus, Stored

log = structlog.get_logger(__name__)

BATCH = 500
"""Messages applied in one transaction at most, while catching up."""

R = TypeVar("R")


class Database:
    """One SQLite file and the one thread that uses it."""

    def __init__(self, path: Path, schema: Sequence[str]) -> None:
        """`schema`: the statements of each version, oldest first; `user_version` counts those applied."""
        self._path = path
        self._schema = schema
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix=f"sqlite-{path.stem}")
        self._connection: sqlite3.Connection | None = None

    async def open(self) -> None:
        await asyncio.get_running_loop().run_in_executor(self._thread, self._open)

    def _open(self) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        try:
            self._connection = self._connect()
        except sqlite3.DatabaseError as error:
            # A projection can be rebuilt, so a damaged file is not worth anybody's evening.
            log.warning("database_rebuilt", path=self._path.name, error=str(error))
            for leftover in self._path.parent.glob(f"{self._path.name}*"):
                leftover.unlink()
            self._connection = self._connect()

    def _connect(self) -> sqlite3.Connection:
        # A connection is only ever used by the one thread; closing happens there too.
        connection = sqlite3.connect(self._path, isolation_level=None, check_same_thread=True)
        connection.row_factory = sqlite3.Row
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute("PRAGMA foreign_keys = ON")
        version = int(connection.execute("PRAGMA user_version").fetchone()[0])
        if version > len(self._schema):
            raise sqlite3.DatabaseError("the file is of a newer version")
        for number, statements in enumerate(self._schema[version:], start=version + 1):
            connection.executescript(f"BEGIN; {statements}; PRAGMA user_version = {number}; COMMIT;")
        return connection

    async def run(self, work: Callable[[sqlite3.Connection], R]) -> R:
        """Run `work` in one transaction on the database's thread; rolled back if it raises."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._transaction, work)

    def _transaction(self, work: Callable[[sqlite3.Connection], R]) -> R:
        if self._connection is None:
            raise RuntimeError("the database is not open")
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            result = work(self._connection)
        except BaseException:
            self._connection.execute("ROLLBACK")
            raise
        self._connection.execute("COMMIT")
        return result

    async def close(self) -> None:
        connection = self._connection
        if connection is not None:
            await asyncio.get_running_loop().run_in_executor(self._thread, connection.close)
        self._thread.shutdown(wait=False)


APPLIED_TABLE = "CREATE TABLE applied (stream TEXT PRIMARY KEY, sequence INTEGER NOT NULL) STRICT"
"""The first statement of every projection's schema."""

Apply = Callable[[sqlite3.Connection, Stored], None]


class Projection:
    """Keeps one stream folded into a database."""

    def __init__(
        self, bus: Bus, database: Database, stream: str, subjects: Sequence[str], apply: Apply
    ) -> None:
        """`apply(connection, message)` must be deterministic and look at nothing but its arguments."""
        self._bus = bus
        self._database = database
        self._stream = stream
        self._subjects = subjects
        self._apply = apply
        self._changed = asyncio.Condition()
        self.sequence = 0
        """Everything up to here is applied."""
        self.caught_up = asyncio.Event()
        """Set once all that was in the stream when `run` started is applied."""

    async def run(self, on_applied: Callable[[Sequence[Stored]], None] | None = None) -> None:
        """Follow the stream for ever; `on_applied` hears of each batch after its commit."""
        self.sequence = await self._database.run(self._read_sequence)
        goal = await self._bus.last_sequence(self._stream, self._subjects)
        if goal < self.sequence:
            log.warning(
                "log_is_shorter_than_projection", stream=self._stream, applied=self.sequence, log=goal
            )
            self.sequence = 0
            await self._database.run(self._forget)
        self._note(goal)
        queue: asyncio.Queue[Stored] = asyncio.Queue(maxsize=2 * BATCH)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._fill(queue), name=f"tail-{self._stream}")
            while True:
                batch = [await queue.get()]
                while len(batch) < BATCH and not queue.empty():
                    batch.append(queue.get_nowait())
                await self._commit(batch)
                if on_applied:
                    on_applied(batch)
                self._note(goal)
                async with self._changed:
                    self._changed.notify_all()

    async def rebuild(self, until: int) -> None:
        """Apply the stream up to sequence `until`, then return."""
        batch: list[Stored] = []
        async for message in self._bus.tail(self._stream, self._subjects, after=self.sequence, until=until):
            batch.append(message)
            if len(batch) == BATCH:
                await self._commit(batch)
                batch = []
        if batch:
            await self._commit(batch)

    async def wait_for(self, sequence: int, timeout_s: float = 5.0) -> None:
        """Return once the message with that sequence is applied. Raises TimeoutError."""
        async with asyncio.timeout(timeout_s), self._changed:
            await self._changed.wait_for(lambda: self.sequence >= sequence)

    async def _fill(self, queue: asyncio.Queue[Stored]) -> None:
        async for message in self._bus.tail(self._stream, self._subjects, after=self.sequence):
            await queue.put(message)

    async def _commit(self, batch: Sequence[Stored]) -> None:
        def work(connection: sqlite3.Connection) -> None:
            for message in batch:
                self._apply(connection, message)
            connection.execute(
                "INSERT INTO applied (stream, sequence) VALUES (?, ?) "
                "ON CONFLICT (stream) DO UPDATE SET sequence = excluded.sequence",
                (self._stream, batch[-1].sequence),
            )

        await self._database.run(work)
        self.sequence = batch[-1].sequence

    def _note(self, goal: int) -> None:
        if self.sequence >= goal:
            self.caught_up.set()

    def _read_sequence(self, connection: sqlite3.Connection) -> int:
        row = connection.execute("SELECT sequence FROM applied WHERE stream = ?", (self._stream,)).fetchone()
        return int(row[0]) if row else 0

    def _forget(self, connection: sqlite3.Connection) -> None:
        tables = connection.execute(
            "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
        ).fetchall()
        for (name,) in tables:
            connection.execute(f'DELETE FROM "{name}"')  # noqa: S608  (a name out of the schema itself)
