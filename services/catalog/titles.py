"""The titles that the catalog knows, in an SQLite file of their own: what TMDB said of each, and until when
that is known to hold; and how far the background tasks are. It may be deleted at any time.
"""

import sqlite3
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final, TypeVar

import msgspec
import structlog

from libs.common.events import MovieDetails, decode, encode
from libs.common.projection import Database

log = structlog.get_logger(__name__)

FRESH_S: Final = 24 * 3600.0
SEEN_AGAIN_S: Final = 24 * 3600.0
"""How exactly it is kept when somebody saw a title: a page that is opened seldom costs a write."""
UNSEEN_S: Final = 90 * 24 * 3600.0
"""A title that nobody and no list asked for so long is forgotten."""
TITLES_MAX: Final = 20_000
"""At some 4 KiB each, about 80 MiB. Beyond, those that were not seen for longest go."""
PRUNED_EVERY: Final = 256
"""New titles: counting the rows at every one would cost more than what is done with it."""

_SCHEMA: Final = (
    "CREATE TABLE titles (movie_id INTEGER PRIMARY KEY, data BLOB, stored_at REAL NOT NULL,"
    " checked_at REAL NOT NULL, seen_at REAL NOT NULL, is_due INTEGER NOT NULL) STRICT;"
    "CREATE INDEX titles_by_check ON titles (checked_at);"
    "CREATE INDEX titles_by_seen ON titles (seen_at);"
    "CREATE INDEX titles_due ON titles (checked_at) WHERE is_due;"
    "CREATE TABLE notes (name TEXT PRIMARY KEY, data BLOB NOT NULL) STRICT",
)

T = TypeVar("T")


class KnownTitle(msgspec.Struct, frozen=True, kw_only=True):
    details: MovieDetails
    is_fresh: bool


class Feed(msgspec.Struct, frozen=True, kw_only=True):
    """How far TMDB's feed of changes is read: for titles checked from `since` on, up to before `page`."""

    since: float
    until: float
    page: int


class Counted(msgspec.Struct, frozen=True, kw_only=True):
    stored: int
    due: int
    """Known by their numbers only, or changed since."""


class Titles:
    """Answers None, or does nothing, where it says so, if its file can't be used; else raises sqlite3.Error.

    Times are Unix times. A title is `due` if TMDB must be asked of it; it is `checked` at a time if what is
    stored was right then: it was fetched, or was not among the changes up to then.
    """

    def __init__(self, path: Path, origin: str, *, clock: Callable[[], float]) -> None:
        """`origin`: whose numbers these are. What was known of another's is forgotten."""
        self._database = Database(path, _SCHEMA)
        self._origin = origin
        self._clock = clock
        self._puts = 0

    async def open(self) -> None:
        await self._database.open()
        if await self.note("origin", str) != self._origin:
            await self._database.run(_forget_all)
            await self.write_note("origin", self._origin)

    async def close(self) -> None:
        await self._database.close()

    async def get(self, movie_id: int) -> KnownTitle | None:
        """A title that somebody asks for. None if nothing is stored, or the file can't be read."""
        now = self._clock()

        def work(connection: sqlite3.Connection) -> sqlite3.Row | None:
            row = connection.execute("SELECT * FROM titles WHERE movie_id = ?", (movie_id,)).fetchone()
            if row and now - row["seen_at"] > SEEN_AGAIN_S:
                # A full disk is no reason not to tell what is there.
                with suppress(sqlite3.OperationalError):
                    connection.execute("UPDATE titles SET seen_at = ? WHERE movie_id = ?", (now, movie_id))
            return row

        try:
            row = await self._database.run(work)
        except sqlite3.Error as error:
            log.warning("titles_unreadable", error=str(error))
            return None
        details = _readable(row["data"], MovieDetails) if row and row["data"] else None
        if row is None or details is None:
            return None
        age_s = now - row["checked_at"]
        return KnownTitle(details=details, is_fresh=not row["is_due"] and 0 <= age_s < FRESH_S)

    async def put(self, details: MovieDetails) -> None:
        """What TMDB says of a title now. Nothing happens if the file can't be written."""
        try:
            await self.refresh(details)
        except sqlite3.Error as error:
            log.warning("titles_unwritable", error=str(error))

    async def refresh(self, details: MovieDetails) -> None:
        now = self._clock()
        self._puts += 1
        prunes = self._puts % PRUNED_EVERY == 0

        def work(connection: sqlite3.Connection) -> None:
            connection.execute(
                "INSERT INTO titles VALUES (:id, :data, :now, :now, :now, 0) ON CONFLICT (movie_id) DO UPDATE"
                " SET data = :data, stored_at = :now, checked_at = :now, is_due = 0",
                {"id": details.id, "data": encode(details), "now": now},
            )
            if prunes:
                _prune(connection, now)

        await self._database.run(work)

    async def forget(self, movie_id: int) -> None:
        """Nothing happens if the file can't be written."""

        def work(connection: sqlite3.Connection) -> None:
            connection.execute("DELETE FROM titles WHERE movie_id = ?", (movie_id,))

        try:
            await self._database.run(work)
        except sqlite3.Error as error:
            log.warning("titles_unwritable", error=str(error))

    async def seen(self, movie_ids: Sequence[int]) -> None:
        """Titles that a list names; those that are new are due."""
        now = self._clock()

        def work(connection: sqlite3.Connection) -> None:
            connection.executemany(
                "INSERT INTO titles VALUES (:id, NULL, :now, :now, :now, 1)"
                " ON CONFLICT (movie_id) DO UPDATE SET seen_at = :now",
                [{"id": movie_id, "now": now} for movie_id in movie_ids],
            )

        await self._database.run(work)

    async def prune(self) -> None:
        """Forget what nobody saw for long, and what is too much."""
        now = self._clock()
        await self._database.run(lambda connection: _prune(connection, now))

    async def unchecked(self, before: float) -> tuple[int, float]:
        """Of the stored titles that were last checked before: how many, and when the first of them was."""

        def work(connection: sqlite3.Connection) -> tuple[int, float]:
            row = connection.execute(
                "SELECT count(*) AS many, coalesce(min(checked_at), 0) AS first FROM titles"
                " WHERE checked_at < ? AND NOT is_due",
                (before,),
            ).fetchone()
            return int(row["many"]), float(row["first"])

        return await self._database.run(work)

    async def changed(self, movie_ids: Iterable[int], feed: Feed) -> None:
        """A page of the feed is read: those on it are due. In one with it goes how far the feed is read."""

        def work(connection: sqlite3.Connection) -> None:
            connection.executemany(
                "UPDATE titles SET is_due = 1 WHERE movie_id = ?", [(number,) for number in movie_ids]
            )
            _write(connection, "feed", feed)

        await self._database.run(work)

    async def checked(self, feed: Feed) -> None:
        """The feed is read to its end: what it doesn't name holds."""

        def work(connection: sqlite3.Connection) -> None:
            connection.execute(
                "UPDATE titles SET checked_at = max(checked_at, ?) WHERE NOT is_due AND checked_at >= ?",
                (feed.until, feed.since),
            )
            connection.execute("DELETE FROM notes WHERE name = 'feed'")

        await self._database.run(work)

    async def feed(self) -> Feed | None:
        return await self.note("feed", Feed)

    async def age(self, *, checked_before: float, stored_before: float) -> None:
        """What was checked or stored so long ago is due."""

        def work(connection: sqlite3.Connection) -> None:
            connection.execute(
                "UPDATE titles SET is_due = 1 WHERE checked_at < ? OR stored_at < ?",
                (checked_before, stored_before),
            )

        await self._database.run(work)

    async def due(self, at_most: int) -> tuple[int, ...]:
        """Those that wait for longest."""

        def work(connection: sqlite3.Connection) -> tuple[int, ...]:
            rows = connection.execute(
                "SELECT movie_id FROM titles WHERE is_due ORDER BY checked_at LIMIT ?", (at_most,)
            )
            return tuple(row["movie_id"] for row in rows)

        return await self._database.run(work)

    async def postpone(self, movie_id: int) -> None:
        """It stays due, after all others: one that TMDB can't be read of must not hold them up."""
        now = self._clock()

        def work(connection: sqlite3.Connection) -> None:
            connection.execute("UPDATE titles SET checked_at = ? WHERE movie_id = ?", (now, movie_id))

        await self._database.run(work)

    async def count(self) -> Counted:
        def work(connection: sqlite3.Connection) -> Counted:
            row = connection.execute(
                "SELECT count(data) AS stored, coalesce(sum(is_due), 0) AS due FROM titles"
            ).fetchone()
            return Counted(stored=row["stored"], due=row["due"])

        return await self._database.run(work)

    async def note(self, name: str, kind: type[T]) -> T | None:
        """What was written under that name; None if it can't be read as such."""

        def work(connection: sqlite3.Connection) -> bytes | None:
            row = connection.execute("SELECT data FROM notes WHERE name = ?", (name,)).fetchone()
            return row["data"] if row else None

        data = await self._database.run(work)
        return _readable(data, kind) if data else None

    async def write_note(self, name: str, note: object) -> None:
        await self._database.run(lambda connection: _write(connection, name, note))


def _write(connection: sqlite3.Connection, name: str, note: object) -> None:
    connection.execute("INSERT OR REPLACE INTO notes VALUES (?, ?)", (name, msgspec.json.encode(note)))


def _prune(connection: sqlite3.Connection, now: float) -> None:
    connection.execute("DELETE FROM titles WHERE seen_at < ?", (now - UNSEEN_S,))
    connection.execute(
        "DELETE FROM titles WHERE movie_id IN"
        " (SELECT movie_id FROM titles ORDER BY seen_at DESC LIMIT -1 OFFSET ?)",
        (TITLES_MAX,),
    )


def _forget_all(connection: sqlite3.Connection) -> None:
    connection.execute("DELETE FROM titles")
    connection.execute("DELETE FROM notes")


def _readable(data: bytes, kind: type[T]) -> T | None:
    try:
        return decode(data, kind)
    except ValueError:
        # Another version wrote it, or the file is damaged; what TMDB says now replaces it.
        return None
