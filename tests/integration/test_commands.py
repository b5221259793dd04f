"""The commands that read the log, as processes on a real broker."""

import asyncio
import json
import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from libs.cli.replay import rebuild
from libs.common.bus import Bus
from libs.common.events import Deleted
from libs.common.streams import EVENT_SUBJECTS, JOBS
from tests.conftest import NatsServer
from tests.unit.janitor.story import Story

JOB = "job_1_a"


class Matinee:
    """Runs commands on one data directory and one broker."""

    def __init__(self, data: Path, url: str) -> None:
        self.database = data / "db" / "janitor.sqlite3"
        self._environment = os.environ | {"MATINEE_DATA_DIR": str(data), "MATINEE_NATS_URL": url}

    async def __call__(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        command = [sys.executable, "-m", "libs.cli.main", *arguments]
        return await asyncio.to_thread(
            lambda: subprocess.run(
                command, env=self._environment, capture_output=True, text=True, check=False, timeout=60
            )
        )


@pytest.fixture
def matinee(nats_server: NatsServer, tmp_path: Path) -> Matinee:
    return Matinee(tmp_path / "data", nats_server.url)


async def tell(bus: Bus) -> int:
    """A log of two jobs; the sequence of its last event."""
    for event in [*Story(JOB).until_ready(), Story(JOB).watched(), *Story("job_2_b").until_failure("world")]:
        await bus.publish(event)
    return await bus.last_sequence(JOBS, EVENT_SUBJECTS)


async def test_a_job_is_explained(bus: Bus, matinee: Matinee) -> None:
    await tell(bus)
    shown = await matinee("explain", JOB)
    assert shown.returncode == 0
    lines = shown.stdout.splitlines()
    assert lines[0] == "2026-03-01 12:00:00  The Matrix (1999) was asked for."
    assert lines[-2:] == ["2026-03-01 12:00:00  Someone watched it.", "Now: ready."]
    as_json = await matinee("explain", JOB, "--json")
    assert [json.loads(line)["type"] for line in as_json.stdout.splitlines()] == [
        *("requested", "queued", "started", "ready", "watched")
    ]


async def test_a_job_that_is_not_there(bus: Bus, matinee: Matinee) -> None:
    shown = await matinee("explain", "job_9_z")
    assert shown.returncode == 1
    assert "The log has no job job_9_z" in shown.stderr


async def test_a_replay_of_nothing_makes_the_file(bus: Bus, matinee: Matinee) -> None:
    await tell(bus)
    shown = await matinee("replay", "janitor")
    assert (shown.returncode, shown.stdout) == (0, "made anew: 2 rows\n")
    again = await matinee("replay", "janitor")
    assert (again.returncode, again.stdout) == (0, "same: 2 rows\n")
    assert [path.name for path in matinee.database.parent.iterdir()] == ["janitor.sqlite3"]


async def test_what_the_indexer_learned_is_replayed(bus: Bus, matinee: Matinee) -> None:
    await tell(bus)
    made = await matinee("replay", "indexer")
    assert made.returncode == 0
    again = await matinee("replay", "indexer")
    assert (again.returncode, again.stdout) == (0, made.stdout.replace("made anew", "same"))
    assert "made anew: 0" not in made.stdout


async def test_a_replay_compares_as_of_the_same_message(bus: Bus, matinee: Matinee) -> None:
    """What came after the service's last message makes no difference."""
    until = await tell(bus)
    await rebuild(bus, "janitor", matinee.database, until)
    await bus.publish(Deleted(id="d", at=Story().at, job_id=JOB))
    shown = await matinee("replay", "janitor")
    assert (shown.returncode, shown.stdout) == (0, "same: 2 rows\n")


async def test_a_replay_finds_and_mends_a_row_that_is_wrong(bus: Bus, matinee: Matinee) -> None:
    await rebuild(bus, "janitor", matinee.database, await tell(bus))
    with closing(sqlite3.connect(matinee.database)) as connection, connection:
        connection.execute("UPDATE ledger SET phase = 'deleted' WHERE job_id = ?", (JOB,))
    shown = await matinee("replay", "janitor")
    assert shown.returncode == 1
    assert "ledger: only the service has ('job_1_a', 'deleted'" in shown.stdout
    assert (await matinee("replay", "janitor")).stdout == "same: 2 rows\n"


async def test_a_replay_only_reads_a_file_in_use(bus: Bus, matinee: Matinee) -> None:
    await rebuild(bus, "janitor", matinee.database, await tell(bus))
    with closing(sqlite3.connect(matinee.database)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("UPDATE ledger SET phase = 'deleted' WHERE job_id = ?", (JOB,))
        connection.commit()
        assert (await matinee("replay", "janitor")).returncode == 1
        phases = connection.execute("SELECT phase FROM ledger ORDER BY job_id").fetchall()
    assert phases == [("deleted",), ("waiting",)]


async def test_a_file_of_another_log_is_said(bus: Bus, matinee: Matinee) -> None:
    until = await tell(bus)
    await rebuild(bus, "janitor", matinee.database, until)
    with closing(sqlite3.connect(matinee.database)) as connection, connection:
        connection.execute("UPDATE applied SET sequence = sequence + 1")
    shown = await matinee("replay", "janitor")
    assert shown.returncode == 1
    assert "it belongs to another log" in shown.stderr


async def test_a_broker_that_is_gone_is_said(bus: Bus, matinee: Matinee, nats_server: NatsServer) -> None:
    nats_server.kill()
    shown = await matinee("explain", JOB)
    assert shown.returncode == 1
    assert shown.stderr.startswith("NATS does not answer at ")
    assert "Traceback" not in shown.stderr
