"""What became of releases, folded from the log."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from libs.common.bus import Stored
from libs.common.cache import Cache
from libs.common.events import (
    AttemptFailed,
    Blame,
    Candidate,
    Film,
    JobEvent,
    Queued,
    Ready,
    Score,
    Started,
    TitleRef,
)
from libs.common.projection import Database
from services.indexer.learned import SCHEMA, Learned, Verdict, apply
from services.indexer.merging import name_key
from tests.unit.indexer.test_scoring import ELSEWHERE, GB, offer

AT = datetime(2026, 11, 20, 12, tzinfo=UTC)
TITLE = TitleRef(key="tmdb:movie:7", movie_id=7, name="Salt Road")
NAME = offer().title
KEY = name_key(NAME)


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    opened = Database(tmp_path / "indexer.sqlite3", SCHEMA)
    await opened.open()
    yield opened
    await opened.close()


def queued(job: str = "job_1", attempt: int = 1, indexer: str = "Index", release_id: str = "rel_0") -> Queued:
    pick = Candidate(
        release_id=release_id,
        title=NAME,
        indexer=indexer,
        nzb_url="u",
        size_bytes=6 * GB,
        age_days=1,
        quality="1080p",
        score=Score(total=1.0),
    )
    return Queued(id=f"q{job}{attempt}", at=AT, job_id=job, attempt=attempt, pick=pick, title=TITLE)


def started(delivery: int = 1, hours: float = 0, job: str = "job_1", attempt: int = 1) -> Started:
    at = AT + timedelta(hours=hours)
    return Started(id="s", at=at, job_id=job, attempt=attempt, delivery=delivery, instance="i")


def failed(blame: Blame = "release", hours: float = 0, job: str = "job_1", attempt: int = 1) -> AttemptFailed:
    return AttemptFailed(
        id="f",
        at=AT + timedelta(hours=hours),
        job_id=job,
        attempt=attempt,
        delivery=1,
        code="USENET_ERROR",
        message="Gone. " + "x" * 500,
        blame=blame,
    )


def ready(hours: float = 0, job: str = "job_1") -> Ready:
    film = Film(key="k", size_bytes=1, content_type="video/mp4")
    return Ready(id="r", at=AT + timedelta(hours=hours), job_id=job, attempt=1, delivery=1, film=film)


async def fold(database: Database, *events: JobEvent | None) -> Learned:
    for number, event in enumerate(events, start=1):
        message = Stored(sequence=number, subject="s", data=b"", event=event)
        await database.run(lambda connection, message=message: apply(connection, message))
    return Learned(database)


async def kinds(learned: Learned) -> list[str]:
    return [verdict.kind for verdict in (await learned.verdicts([NAME])).get(KEY, [])]


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        ([queued()], []),
        ([queued(), failed()], ["dead"]),
        ([queued(), failed(), failed()], ["dead"]),
        ([queued(), failed("world")], []),
        ([queued(), failed("owner")], []),
        ([queued(), ready()], ["whole"]),
        ([queued(), failed(), queued("job_2"), ready(2, "job_2")], ["whole"]),
        ([queued(), ready(), queued("job_2"), failed(hours=2, job="job_2")], ["dead"]),
        ([queued(), ready(2), queued("job_2"), failed(hours=1, job="job_2")], ["whole"]),
        ([failed()], []),
        ([None], []),
    ],
)
async def test_verdicts(database: Database, events: list[JobEvent | None], expected: list[str]) -> None:
    assert await kinds(await fold(database, *events)) == expected


async def test_a_verdict_says_what_happened(database: Database) -> None:
    learned = await fold(database, queued(), failed(hours=3))
    [verdict] = (await learned.verdicts(["salt road 2024 1080p web-dl h 264 nobody", "other"]))[KEY]
    assert (verdict.at, len(verdict.message)) == (AT + timedelta(hours=3), 300)
    assert await learned.verdicts(["other"]) == {}


VERDICT = Verdict(kind="dead", release_id="rel_0", indexer="Index", size_bytes=6 * GB, message="Gone.", at=AT)


@pytest.mark.parametrize(
    ("changes", "about"),
    [
        ({"release_id": "rel_0", "size_bytes": GB}, True),
        ({"release_id": "rel_1", "indexer": "Index"}, False),
        ({"release_id": "rel_1", "indexer": "Other"}, True),
        ({"release_id": "rel_1", "indexer": "Other", "size_bytes": 7 * GB}, False),
    ],
    ids=["the very one", "posted again", "at another indexer", "of another size"],
)
def test_what_a_verdict_is_about(changes: dict[str, object], about: bool) -> None:
    assert VERDICT.is_about(offer(**changes)) is about


def test_a_verdict_is_about_the_release_wherever_it_is_taken_from() -> None:
    other = offer(release_id="rel_5", indexer="Index", size_bytes=6 * GB, also_at=(ELSEWHERE,))
    at_other = Verdict(
        kind="dead", release_id="rel_9", indexer="Other", size_bytes=6 * GB, message="Gone.", at=AT
    )
    assert at_other.is_about(other)


async def test_nzbs_of_24_hours_are_counted_once_for_each_delivery(database: Database) -> None:
    learned = await fold(
        database,
        queued(),
        started(),
        started(),
        started(delivery=2, hours=1),
        queued(attempt=2, indexer="Other"),
        started(attempt=2, hours=2),
        started(job="job_of_nobody"),
    )
    assert await learned.grabs_today(AT + timedelta(hours=3)) == {"Index": 2, "Other": 1}
    assert await learned.grabs_today(AT + timedelta(hours=24.5)) == {"Index": 1, "Other": 1}
    assert await learned.grabs_today(AT + timedelta(hours=27)) == {}


async def test_a_file_from_when_it_was_a_cache_is_taken_over(tmp_path: Path) -> None:
    path = tmp_path / "indexer.sqlite3"
    cache = Cache(path, rows_max=5)
    await cache.open()
    await cache.put("key", b"data")
    await cache.close()
    database = Database(path, SCHEMA)
    await database.open()
    assert await kinds(await fold(database, queued(), failed())) == ["dead"]
    await database.close()


async def test_old_grabs_are_forgotten(database: Database) -> None:
    await fold(database, queued(), started(), queued("job_2"), started(job="job_2", hours=49))
    rows = await database.run(
        lambda connection: connection.execute("SELECT COUNT(*) FROM grabs").fetchone()[0]
    )
    assert rows == 1
