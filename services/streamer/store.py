"""The gateway's slice of SQLite: every job's state, and what was watched.

A state is kept whole as JSON; the columns beside it are what lists are filtered and sorted by. Moments are
whole microseconds since 1970, so that they sort.
"""

import sqlite3
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import msgspec

from libs.common.events import TitleRef, encode
from libs.common.jobs import JobState, MovieStatus
from libs.common.projection import APPLIED_TABLE, Database

ACTIVE: tuple[MovieStatus, ...] = ("queued", "downloading", "preparing", "ready")
MAX_HISTORY = 100

SCHEMA = (
    f"""
    {APPLIED_TABLE};
    CREATE TABLE jobs (
        job_id TEXT PRIMARY KEY,
        movie_id INTEGER,
        status TEXT NOT NULL,
        created_at INTEGER NOT NULL,
        updated_at INTEGER NOT NULL,
        sequence INTEGER NOT NULL,
        state BLOB NOT NULL
    ) STRICT;
    CREATE INDEX jobs_by_movie ON jobs (movie_id, created_at, job_id);
    CREATE INDEX jobs_by_status ON jobs (status, updated_at, job_id);
    CREATE UNIQUE INDEX jobs_by_sequence ON jobs (sequence);
    CREATE TABLE watch_history (
        sequence INTEGER PRIMARY KEY,
        movie_id INTEGER NOT NULL,
        job_id TEXT NOT NULL,
        title TEXT NOT NULL,
        poster_url TEXT,
        watched_at INTEGER NOT NULL
    ) STRICT;
    CREATE INDEX history_by_movie ON watch_history (movie_id, sequence)
    """,
)

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_states = msgspec.json.Decoder(JobState)


class Kept(msgspec.Struct, frozen=True):
    """A state, and the sequence of the event that last changed it."""

    state: JobState
    sequence: int


class Watch(msgspec.Struct, frozen=True, kw_only=True):
    """The last time a film was watched."""

    movie_id: int
    title: str
    poster_url: str | None
    last_watched_at: datetime
    job_id: str
    status: MovieStatus


# Writing: only the projection does ------------------------------------------------------------------------


def load_state(connection: sqlite3.Connection, job_id: str) -> JobState | None:
    row = connection.execute("SELECT state FROM jobs WHERE job_id = ?", (job_id,)).fetchone()
    return _states.decode(row["state"]) if row else None


def save_state(connection: sqlite3.Connection, state: JobState, sequence: int) -> None:
    updated_at = state.updated_at or _EPOCH
    connection.execute(
        "INSERT OR REPLACE INTO jobs (job_id, movie_id, status, created_at, updated_at, sequence, state) "
        "VALUES (?, ?, ?, ?, ?, ?, ?)",
        (
            state.job_id,
            state.title.movie_id if state.title else None,
            state.movie_status,
            _microseconds(state.created_at or updated_at),
            _microseconds(updated_at),
            sequence,
            encode(state),
        ),
    )


def append_watch(
    connection: sqlite3.Connection, sequence: int, job_id: str, title: TitleRef, at: datetime
) -> None:
    connection.execute(
        "INSERT INTO watch_history (sequence, movie_id, job_id, title, poster_url, watched_at) "
        "VALUES (?, ?, ?, ?, ?, ?)",
        (sequence, title.movie_id, job_id, title.name, title.poster_url, _microseconds(at)),
    )


# Reading --------------------------------------------------------------------------------------------------


class JobStore:
    """What the projection has. A job whose title isn't known (yet) is not there for any of these."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def job(self, job_id: str) -> Kept | None:
        found = await self._select("job_id = ?", (job_id,))
        return found[0] if found else None

    async def some(self, job_ids: Sequence[str]) -> list[Kept]:
        marks = ", ".join("?" * len(job_ids))
        return await self._select(f"job_id IN ({marks}) ORDER BY sequence", tuple(job_ids))

    async def latest_of(self, movie_id: int) -> Kept | None:
        """The film's newest job, whatever became of it."""
        found = await self._select("movie_id = ? ORDER BY created_at DESC, job_id DESC LIMIT 1", (movie_id,))
        return found[0] if found else None

    async def changed_after(self, sequence: int, limit: int) -> list[Kept]:
        """The first jobs that changed after a sequence, in the order of their last change."""
        return await self._select("sequence > ? ORDER BY sequence LIMIT ?", (sequence, limit))

    async def active(self, limit: int) -> list[Kept]:
        """The jobs that changed last of those that are not over, in the order of their last change."""
        marks = ", ".join("?" * len(ACTIVE))
        newest = await self._select(f"status IN ({marks}) ORDER BY sequence DESC LIMIT ?", (*ACTIVE, limit))
        return newest[::-1]

    async def page(self, statuses: Sequence[MovieStatus], limit: int, offset: int) -> tuple[list[Kept], int]:
        """Jobs of these statuses, newest update first, and how many there are in all."""
        where = f"movie_id IS NOT NULL AND status IN ({', '.join('?' * len(statuses))})"

        def work(connection: sqlite3.Connection) -> tuple[list[Kept], int]:
            rows = connection.execute(
                f"SELECT state, sequence FROM jobs WHERE {where} "  # noqa: S608  (only marks are put in)
                "ORDER BY updated_at DESC, job_id DESC LIMIT ? OFFSET ?",
                (*statuses, limit, offset),
            ).fetchall()
            count = f"SELECT COUNT(*) FROM jobs WHERE {where}"  # noqa: S608  (as above)
            total = connection.execute(count, tuple(statuses)).fetchone()[0]
            return [_kept(row) for row in rows], int(total)

        return await self._database.run(work)

    async def totals(self) -> tuple[dict[str, int], int]:
        """How many jobs there are of each status, and the bytes of the films that are ready."""

        def work(connection: sqlite3.Connection) -> tuple[dict[str, int], int]:
            counts = connection.execute("SELECT status, COUNT(*) FROM jobs GROUP BY status").fetchall()
            film_bytes = connection.execute(
                "SELECT SUM(json_extract(CAST(state AS TEXT), '$.film.size_bytes')) FROM jobs "
                "WHERE status = 'ready'"
            ).fetchone()[0]
            return {str(row[0]): int(row[1]) for row in counts}, int(film_bytes or 0)

        return await self._database.run(work)

    async def history(self) -> list[Watch]:
        """The last watching of each film, newest first; `status` is what its job is now."""

        def work(connection: sqlite3.Connection) -> list[Watch]:
            rows = connection.execute(
                "SELECT h.*, j.status FROM watch_history h JOIN jobs j USING (job_id) WHERE h.sequence IN "
                "(SELECT MAX(sequence) FROM watch_history GROUP BY movie_id) "
                "ORDER BY h.sequence DESC LIMIT ?",
                (MAX_HISTORY,),
            ).fetchall()
            return [_watch(row) for row in rows]

        return await self._database.run(work)

    async def _select(self, condition: str, values: tuple[object, ...]) -> list[Kept]:
        sql = f"SELECT state, sequence FROM jobs WHERE movie_id IS NOT NULL AND {condition}"  # noqa: S608  (ours)

        def work(connection: sqlite3.Connection) -> list[Kept]:
            return [_kept(row) for row in connection.execute(sql, values).fetchall()]

        return await self._database.run(work)


def _kept(row: sqlite3.Row) -> Kept:
    return Kept(_states.decode(row["state"]), int(row["sequence"]))


def _watch(row: sqlite3.Row) -> Watch:
    return Watch(
        movie_id=row["movie_id"],
        title=row["title"],
        poster_url=row["poster_url"],
        last_watched_at=_EPOCH + timedelta(microseconds=row["watched_at"]),
        job_id=row["job_id"],
        status=row["status"],
    )


def _microseconds(moment: datetime) -> int:
    return (moment - _EPOCH) // timedelta(microseconds=1)
