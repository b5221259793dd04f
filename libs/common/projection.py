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

import msgspec
import structlog

from libs.common.bus import Bus, Stored
from libs.common.errors import BusUnavailable, LogReplaced

log = structlog.get_logger(__name__)

BATCH = 500
"""Messages applied in one transaction at most, while catching up."""

FIRST_RETRY_S = 1.0
LONGEST_RETRY_S = 5.0

_BROKEN = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)

R = TypeVar("R")


class _Newer(Exception):
    """The file was written by a newer version of the program."""


class Database:
    """One SQLite file and the one thread that uses it."""

    def __init__(self, path: Path, schema: Sequence[str]) -> None:
        """`schema`: the statements of each version, oldest first; `user_version` counts those applied."""
        self._path = path
        self._schema = schema
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix=f"sqlite-{path.stem}")
        self._connection: sqlite3.Connection | None = None

    async def open(self) -> None:
        """Raises sqlite3.OperationalError if the file can't be used now; what is in it stays as it is."""
        await asyncio.get_running_loop().run_in_executor(self._thread, self._open)

    def _open(self) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        try:
            self._connection = self._connect()
        except (sqlite3.DatabaseError, _Newer) as error:
            if not _is_worthless(error):
                raise
            # A projection can be rebuilt, so a damaged file is not worth anybody's evening.
            log.warning("database_rebuilt", path=self._path.name, error=str(error))
            for leftover in self._path.parent.glob(f"{self._path.name}*"):
                leftover.unlink()
            self._connection = self._connect()

    def _connect(self) -> sqlite3.Connection:
        # A connection is only ever used by the one thread; closing happens there too.
        connection = sqlite3.connect(self._path, isolation_level=None, check_same_thread=True)
        try:
            self._prepare(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def _prepare(self, connection: sqlite3.Connection) -> None:
        connection.row_factory = sqlite3.Row
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute("PRAGMA foreign_keys = ON")
        version = int(connection.execute("PRAGMA user_version").fetchone()[0])
        if version > len(self._schema):
            raise _Newer(f"it is of version {version}")
        for number, statements in enumerate(self._schema[version:], start=version + 1):
            connection.executescript(f"BEGIN; {statements}; PRAGMA user_version = {number}; COMMIT;")

    async def run(self, work: Callable[[sqlite3.Connection], R]) -> R:
        """Run `work` in one transaction on the database's thread; rolled back if it raises."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._transaction, work)

    def _transaction(self, work: Callable[[sqlite3.Connection], R]) -> R:
        if self._connection is None:
            raise RuntimeError("the database is not open")
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            result = work(self._connection)
            self._connection.execute("COMMIT")
        except BaseException:
            # On a full disk SQLite may have rolled back by itself.
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            raise
        return result

    async def close(self) -> None:
        connection = self._connection
        if connection is not None:
            await asyncio.get_running_loop().run_in_executor(self._thread, connection.close)
        self._thread.shutdown(wait=False)


def _is_worthless(error: Exception) -> bool:
    """Whether the file itself is at fault, and not a lock, a full disk or its permissions."""
    code = getattr(error, "sqlite_errorcode", None)
    return isinstance(error, _Newer) or (code is not None and code & 0xFF in _BROKEN)


APPLIED_TABLE = "CREATE TABLE applied (stream TEXT PRIMARY KEY, sequence INTEGER NOT NULL) STRICT"
"""The first statement of every projection's schema."""

Apply = Callable[[sqlite3.Connection, Stored], None]


class _Replaced(msgspec.Struct, frozen=True):
    """From here on it is another log, of which this much is there already."""

    goal: int


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
        """Set once all that was in the stream when `run` began to read it is applied."""
        self._goal = 0
        self._trouble: str | None = None

    async def check(self) -> str | None:
        """For readiness: why what is asked of the database may be old; None if it is up to date."""
        if self._trouble:
            return self._trouble
        if not self.caught_up.is_set():
            return f"the log is still being read ({self.sequence} of {self._goal})"
        return None

    async def run(self, on_applied: Callable[[Sequence[Stored]], None] | None = None) -> None:
        """Follow the stream for ever; `on_applied` hears of each batch after its commit.

        Waits while the database can't be written, and begins anew with a log that was replaced.
        """
        self.sequence = await self._patiently(self._read_sequence)
        self._goal = await self._end_of_log()
        if self._goal < self.sequence:
            await self._begin_anew(self._goal)
        self._note()
        queue: asyncio.Queue[Stored | _Replaced] = asyncio.Queue(maxsize=2 * BATCH)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._fill(queue), name=f"tail-{self._stream}")
            while True:
                batch, replaced = await _next_batch(queue)
                if batch:
                    await self._commit(batch)
                    if on_applied:
                        on_applied(batch)
                if replaced:
                    await self._begin_anew(replaced.goal)
                self._note()
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

    async def _fill(self, queue: asyncio.Queue[Stored | _Replaced]) -> None:
        after = self.sequence
        while True:
            try:
                async for message in self._bus.tail(self._stream, self._subjects, after=after):
                    await queue.put(message)
            except LogReplaced:
                await queue.put(_Replaced(await self._end_of_log()))
                after = 0

    async def _end_of_log(self) -> int:
        while True:
            try:
                return await self._bus.last_sequence(self._stream, self._subjects)
            except BusUnavailable:
                await asyncio.sleep(FIRST_RETRY_S)

    async def _begin_anew(self, goal: int) -> None:
        log.warning("log_replaced", stream=self._stream, applied=self.sequence, log=goal)
        self.caught_up.clear()
        await self._patiently(self._forget)
        self.sequence, self._goal = 0, goal

    async def _patiently(self, work: Callable[[sqlite3.Connection], R]) -> R:
        """Try until the database can do it: a full disk has room again some day."""
        pause_s = FIRST_RETRY_S
        while True:
            try:
                result = await self._database.run(work)
            except sqlite3.OperationalError as error:
                self._trouble = f"the database can't be written ({error}); make room on its disk"
                log.warning("commit_waits", stream=self._stream, error=str(error), next_try_s=pause_s)
                await asyncio.sleep(pause_s)
                pause_s = min(2 * pause_s, LONGEST_RETRY_S)
            else:
                self._trouble = None
                return result

    async def _commit(self, batch: Sequence[Stored]) -> None:
        def work(connection: sqlite3.Connection) -> None:
            for message in batch:
                self._apply(connection, message)
            connection.execute(
                "INSERT INTO applied (stream, sequence) VALUES (?, ?) "
                "ON CONFLICT (stream) DO UPDATE SET sequence = excluded.sequence",
                (self._stream, batch[-1].sequence),
            )

        await self._patiently(work)
        self.sequence = batch[-1].sequence

    def _note(self) -> None:
        if self.sequence >= self._goal:
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


async def _next_batch(queue: asyncio.Queue[Stored | _Replaced]) -> tuple[list[Stored], _Replaced | None]:
    """What waits in the queue, at least one, up to a change of the log."""
    batch: list[Stored] = []
    while not batch or (len(batch) < BATCH and not queue.empty()):
        item = await queue.get()
        if isinstance(item, _Replaced):
            return batch, item
        batch.append(item)
    return batch, None
