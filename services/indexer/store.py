"""The indexer's SQLite slice: what searches found, for 15 minutes. The file may be deleted at any time."""

import sqlite3
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
import structlog

from libs.common.projection import Database
from services.indexer.offers import Offer

log = structlog.get_logger(__name__)

FRESH_S = 900.0
ROWS_MAX = 500
"""At some 50 KiB a row, about 25 MiB; the oldest go first."""

_SCHEMA = (
    "CREATE TABLE searches (key TEXT PRIMARY KEY, stored_at REAL NOT NULL, offers BLOB NOT NULL) STRICT;"
    "CREATE INDEX searches_by_age ON searches (stored_at)",
)


class Cache:
    """Offers by search. A file that can't be read or written (a full disk) only means more searches."""

    def __init__(self, path: Path, clock: Callable[[], float] = time.time) -> None:
        self._database = Database(path, _SCHEMA)
        self._clock = clock

    async def open(self) -> None:
        await self._database.open()

    async def close(self) -> None:
        await self._database.close()

    async def get(self, key: str) -> tuple[Offer, ...] | None:
        """What was found in the last 15 minutes, if anything."""

        def work(connection: sqlite3.Connection) -> bytes | None:
            row = connection.execute(
                "SELECT offers FROM searches WHERE key = ? AND stored_at BETWEEN ? AND ?",
                (key, self._clock() - FRESH_S, self._clock()),
            ).fetchone()
            return row["offers"] if row else None

        try:
            data = await self._database.run(work)
            return msgspec.json.decode(data, type=tuple[Offer, ...]) if data else None
        except sqlite3.Error as error:
            log.warning("cache_unreadable", error=str(error))
            return None
        except ValueError:
            # Another version wrote it, or the file is damaged; the next search replaces it.
            return None

    async def put(self, key: str, offers: tuple[Offer, ...]) -> None:
        """Store or replace; what is too old, and the oldest beyond `ROWS_MAX`, are dropped."""
        data = msgspec.json.encode(offers)

        def work(connection: sqlite3.Connection) -> None:
            connection.execute("INSERT OR REPLACE INTO searches VALUES (?, ?, ?)", (key, self._clock(), data))
            connection.execute("DELETE FROM searches WHERE stored_at < ?", (self._clock() - FRESH_S,))
            connection.execute(
                "DELETE FROM searches WHERE key IN "
                "(SELECT key FROM searches ORDER BY stored_at DESC LIMIT -1 OFFSET ?)",
                (ROWS_MAX,),
            )

        try:
            await self._database.run(work)
        except sqlite3.Error as error:
            log.warning("cache_unwritable", error=str(error))
