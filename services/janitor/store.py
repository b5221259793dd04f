"""The ledger: the state of every job, folded from the log into SQLite."""

import sqlite3
from collections.abc import Iterable

from libs.common.bus import Bus, Stored
from libs.common.events import decode, encode
from libs.common.jobs import JobState, Phase
from libs.common.projection import APPLIED_TABLE, Database, Projection
from libs.common.streams import EVENT_SUBJECTS, JOBS

SCHEMA = (
    f"""{APPLIED_TABLE};
    CREATE TABLE ledger (job_id TEXT PRIMARY KEY, phase TEXT NOT NULL, state BLOB NOT NULL) STRICT;
    CREATE INDEX ledger_by_phase ON ledger (phase)""",
)


def projection(bus: Bus, database: Database) -> Projection:
    return Projection(bus, database, JOBS, EVENT_SUBJECTS, apply)


def apply(connection: sqlite3.Connection, message: Stored) -> None:
    event = message.event
    if event is None:
        return
    row = connection.execute("SELECT state FROM ledger WHERE job_id = ?", (event.job_id,)).fetchone()
    before = decode(row["state"], JobState) if row else JobState(job_id=event.job_id)
    after = before.apply(event)
    if after is not before:
        connection.execute(
            "INSERT INTO ledger (job_id, phase, state) VALUES (?, ?, ?) "
            "ON CONFLICT (job_id) DO UPDATE SET phase = excluded.phase, state = excluded.state",
            (event.job_id, after.phase.value, encode(after)),
        )


class Ledger:
    """What the janitor asks of it."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def films(self) -> list[JobState]:
        """The jobs that have a film in the store: ready, or expired and not yet deleted."""
        return await self._in_phase(Phase.READY, Phase.EXPIRED)

    async def undecided(self) -> list[JobState]:
        """The jobs with a release that is being fetched, or will be."""
        return await self._in_phase(Phase.QUEUED, Phase.DOWNLOADING, Phase.PREPARING, Phase.WAITING)

    async def _in_phase(self, *phases: Phase) -> list[JobState]:
        marks = ", ".join("?" * len(phases))
        sql = f"SELECT state FROM ledger WHERE phase IN ({marks}) ORDER BY job_id"  # noqa: S608  (only marks)

        def read(connection: sqlite3.Connection) -> list[JobState]:
            return [decode(row["state"], JobState) for row in connection.execute(sql, phases)]

        return await self._database.run(read)

    async def phases(self, job_ids: Iterable[str]) -> dict[str, Phase]:
        """The phase of those jobs that the log knows."""

        def read(connection: sqlite3.Connection) -> dict[str, Phase]:
            found: dict[str, Phase] = {}
            for job_id in job_ids:
                row = connection.execute("SELECT phase FROM ledger WHERE job_id = ?", (job_id,)).fetchone()
                if row:
                    found[job_id] = Phase(row["phase"])
            return found

        return await self._database.run(read)
