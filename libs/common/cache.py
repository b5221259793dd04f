"""What somebody else answered, for a while: an SQLite file that may be deleted at any time."""

import sqlite3
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
import structlog

from libs.common.projection import Database

log = structlog.get_logger(__name__)

_SCHEMA = (
    "CREATE TABLE answers (key TEXT PRIMARY KEY, stored_at REAL NOT NULL, data BLOB NOT NULL) STRICT;"
    "CREATE INDEX answers_by_age ON answers (stored_at)",
)


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """An answer as it was stored."""

    age_s: float
    data: bytes


class Cache:
    """Answers by key, with their age. What is too old is for the asker to say.

    A file that can't be read or written (a full disk) makes its service slower, not silent: it has nothing.
    """

    def __init__(self, path: Path, *, rows_max: int, clock: Callable[[], float] = time.time) -> None:
        """Beyond `rows_max` rows the oldest go: the bound of the file is that times the size of a row."""
        self._database = Database(path, _SCHEMA)
        self._rows_max = rows_max
        self._clock = clock

    async def open(self) -> None:
        await self._database.open()

    async def close(self) -> None:
        await self._database.close()

    async def get(self, key: str) -> Kept | None:
        def work(connection: sqlite3.Connection) -> Kept | None:
            row = connection.execute("SELECT stored_at, data FROM answers WHERE key = ?", (key,)).fetchone()
            return Kept(age_s=self._clock() - row["stored_at"], data=row["data"]) if row else None

        try:
            return await self._database.run(work)
        except sqlite3.Error as error:
            log.warning("cache_unreadable", error=str(error))
            return None

    async def put(self, key: str, data: bytes) -> None:
        """Store or replace."""

        def work(connection: sqlite3.Connection) -> None:
            connection.execute("INSERT OR REPLACE INTO answers VALUES (?, ?, ?)", (key, self._clock(), data))
            connection.execute(
                "DELETE FROM answers WHERE key IN "
                "(SELECT key FROM answers ORDER BY stored_at DESC LIMIT -1 OFFSET ?)",
                (self._rows_max,),
            )

        try:
            await self._database.run(work)
        except sqlite3.Error as error:
            log.warning("cache_unwritable", error=str(error))
