"""What became of releases: the indexer's slice of the log, folded into SQLite."""

import sqlite3
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Literal

import msgspec

from libs.common.bus import Bus, Stored
from libs.common.events import AttemptFailed, Queued, Ready, Started
from libs.common.projection import APPLIED_TABLE, Database, Projection
from libs.common.streams import EVENT_SUBJECTS, JOBS
from services.indexer.merging import name_key, similar_size
from services.indexer.offers import Offer

MESSAGE_CHARS_MAX = 300
GRABS_KEPT_S = 2 * 86_400
"""What is older is of no budget; the log's own clock says what is old."""
DAY = timedelta(days=1)

SCHEMA = (
    # The first version of this file was the cache of searches, which has its own now.
    "SELECT 1",
    f"""
    DROP TABLE IF EXISTS answers;
    {APPLIED_TABLE};
    CREATE TABLE picks (
        job_id TEXT NOT NULL,
        attempt INTEGER NOT NULL,
        release_id TEXT NOT NULL,
        indexer TEXT NOT NULL,
        name TEXT NOT NULL,
        size_bytes INTEGER NOT NULL,
        PRIMARY KEY (job_id, attempt)
    ) STRICT;
    CREATE TABLE verdicts (
        release_id TEXT PRIMARY KEY,
        indexer TEXT NOT NULL,
        name TEXT NOT NULL,
        size_bytes INTEGER NOT NULL,
        kind TEXT NOT NULL,
        message TEXT NOT NULL,
        at INTEGER NOT NULL
    ) STRICT;
    CREATE INDEX verdicts_by_name ON verdicts (name);
    CREATE TABLE grabs (
        job_id TEXT NOT NULL,
        attempt INTEGER NOT NULL,
        delivery INTEGER NOT NULL,
        indexer TEXT NOT NULL,
        at INTEGER NOT NULL,
        PRIMARY KEY (job_id, attempt, delivery)
    ) STRICT;
    CREATE INDEX grabs_by_time ON grabs (at)
    """,
)


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a release the last time."""

    kind: Literal["dead", "whole"]
    """It failed for a fault of its own; it was fetched and became ready."""
    release_id: str
    indexer: str
    size_bytes: int
    message: str
    """Why it failed, for people."""
    at: datetime

    def is_about(self, offer: Offer) -> bool:
        """The very one; or, at another indexer, one of the same name (for those this is asked) and size.

        The same indexer's other release of that name was posted again, so it is another one.
        """
        ids = {offer.release_id: offer.indexer} | {other.release_id: other.indexer for other in offer.also_at}
        if self.release_id in ids:
            return True
        return self.indexer not in ids.values() and similar_size(self.size_bytes, offer.size_bytes)


# Writing: only the projection does ------------------------------------------------------------------------


def projection(bus: Bus, database: Database) -> Projection:
    return Projection(bus, database, JOBS, EVENT_SUBJECTS, apply)


def apply(connection: sqlite3.Connection, message: Stored) -> None:
    """Apply one message of the log. Told twice, or late, it changes nothing more."""
    match message.event:
        case Queued() as event:
            pick = event.pick
            connection.execute(
                "INSERT OR IGNORE INTO picks (job_id, attempt, release_id, indexer, name, size_bytes) "
                "VALUES (?, ?, ?, ?, ?, ?)",
                (
                    event.job_id,
                    event.attempt,
                    pick.release_id,
                    pick.indexer,
                    name_key(pick.title),
                    pick.size_bytes,
                ),
            )
        case Started() as event:
            _grabbed(connection, event)
        case AttemptFailed(blame="release") as event:
            _judged(connection, event, "dead", event.message[:MESSAGE_CHARS_MAX])
        case Ready() as event:
            _judged(connection, event, "whole", "")
        case _:
            pass


def _grabbed(connection: sqlite3.Connection, event: Started) -> None:
    at = _seconds(event.at)
    connection.execute(
        "INSERT OR IGNORE INTO grabs (job_id, attempt, delivery, indexer, at) "
        "SELECT job_id, attempt, ?, indexer, ? FROM picks WHERE job_id = ? AND attempt = ?",
        (event.delivery, at, event.job_id, event.attempt),
    )
    connection.execute("DELETE FROM grabs WHERE at < ?", (at - GRABS_KEPT_S,))


def _judged(connection: sqlite3.Connection, event: AttemptFailed | Ready, kind: str, message: str) -> None:
    """The last word on a release is the one that counts."""
    connection.execute(
        "INSERT INTO verdicts (release_id, indexer, name, size_bytes, kind, message, at) "
        "SELECT release_id, indexer, name, size_bytes, ?, ?, ? FROM picks WHERE job_id = ? AND attempt = ? "
        "ON CONFLICT (release_id) DO UPDATE SET "
        "kind = excluded.kind, message = excluded.message, at = excluded.at WHERE excluded.at >= verdicts.at",
        (kind, message, _seconds(event.at), event.job_id, event.attempt),
    )


def _seconds(moment: datetime) -> int:
    return int(moment.timestamp())


# Reading --------------------------------------------------------------------------------------------------


class Learned:
    """What the choice asks of it."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def verdicts(self, titles: Iterable[str]) -> dict[str, list[Verdict]]:
        """By the key of the name (`name_key`), the newest first: a name may be posted several times."""
        names = sorted({name_key(title) for title in titles})

        def read(connection: sqlite3.Connection) -> dict[str, list[Verdict]]:
            found: dict[str, list[Verdict]] = {}
            for name in names:
                rows = connection.execute(
                    "SELECT * FROM verdicts WHERE name = ? ORDER BY at DESC, release_id",
                    (name,),
                ).fetchall()
                if rows:
                    found[name] = [_verdict(row) for row in rows]
            return found

        return await self._database.run(read)

    async def grabs_today(self, now: datetime) -> dict[str, int]:
        """How many NZBs were fetched of each indexer in the last 24 hours."""

        def read(connection: sqlite3.Connection) -> dict[str, int]:
            rows = connection.execute(
                "SELECT indexer, COUNT(*) FROM grabs WHERE at > ? GROUP BY indexer", (_seconds(now - DAY),)
            ).fetchall()
            return {str(indexer): int(count) for indexer, count in rows}

        return await self._database.run(read)


def _verdict(row: sqlite3.Row) -> Verdict:
    return Verdict(
        kind=row["kind"],
        release_id=row["release_id"],
        indexer=row["indexer"],
        size_bytes=row["size_bytes"],
        message=row["message"],
        at=datetime.fromtimestamp(row["at"], UTC),
    )
