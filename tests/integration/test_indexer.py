"""The indexer over its real wires: requests and questions over NATS, searches at the sandbox's index."""

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
from msgspec.structs import replace
from structlog.testing import capture_logs

from libs.common import queries, streams
from libs.common.bus import Bus
from libs.common.errors import ErrorCode, ServiceError
from libs.common.events import (
    Candidate,
    JobEvent,
    Mode,
    Quality,
    Queued,
    Requested,
    TitleRef,
    Unavailable,
    encode,
)
from libs.common.indexers import FindReleases, Releases
from libs.common.jobs import JobState, Phase, event_id
from libs.common.projection import Database
from libs.common.service import Service, connect
from libs.common.settings import IndexerSettings, Nats, Settings
from libs.sandbox.control import NewPost
from libs.sandbox.faults import Faults, NewznabFaults
from libs.sandbox.sandbox import Sandbox
from services.indexer.app import body
from services.indexer.candidates import Candidates
from services.indexer.handlers import Handlers
from services.indexer.learned import SCHEMA, Learned
from services.indexer.search import Search
from services.indexer.store import FRESH_S, Searches
from tests.conftest import NatsServer
from tests.support.service import running

JOB = "job_1_a"
TITLE = TitleRef(
    key="tmdb:movie:900001", movie_id=900001, name="The Long Intermission", year=2024, imdb_id="tt9000001"
)
STEM = "The.Long.Intermission.2024"
BEST = f"{STEM}.1080p.BluRay.x264-LANTERNA"
STREAM = f"{STEM}.1080p.WEBRip.x264-USHER"
TELEVISION = f"{STEM}.720p.HDTV.x264-BALCONY"
LARGE = f"{STEM}.2160p.UHD.BluRay.HDR.x265.10bit-GRANDLOGE"
FILMED = f"{STEM}.HDCAM.x264-POPKORN"
WAIT_S = 30.0


@pytest.fixture
async def sandbox(tmp_path: Path) -> AsyncIterator[Sandbox]:
    async with Sandbox(tmp_path / "sandbox", films=(), nntp_tls=False) as running:
        yield running


@pytest.fixture
async def posted(sandbox: Sandbox, tmp_path: Path) -> None:
    for size, name in enumerate((FILMED, LARGE, TELEVISION, STREAM, BEST), start=1):
        film = tmp_path / f"{name}.mkv"
        film.write_bytes(b"\x00" * 1000 * size)
        await sandbox.post(
            NewPost(paths=(str(film),), title=name, imdb_id=TITLE.imdb_id, age_days=40, grabs=10)
        )


def index_of(sandbox: Sandbox, name: str = "Sandbox Index") -> IndexerSettings:
    return IndexerSettings(name=name, url=sandbox.newznab_url, api_key=sandbox.newznab_api_key)


@asynccontextmanager
async def indexer_of(
    nats_server: NatsServer, directory: Path, *indexers: IndexerSettings
) -> AsyncGenerator[Service]:
    settings = Settings(
        data_dir=str(directory / "data"), nats=Nats(url=nats_server.url), indexers=tuple(indexers)
    )
    bus = await connect(settings, "indexer")
    async with running("indexer", settings, bus, body) as service:
        # Endpoints are subscribed a moment after the task starts.
        await asyncio.sleep(0.2)
        yield service
    await bus.close()


@pytest.fixture
async def indexer(nats_server: NatsServer, sandbox: Sandbox, tmp_path: Path) -> AsyncIterator[Service]:
    async with indexer_of(nats_server, tmp_path, index_of(sandbox)) as service:
        yield service


def request(
    mode: Mode = "auto",
    *,
    release_id: str | None = None,
    quality: Quality | None = None,
    title: TitleRef = TITLE,
    job_id: str = JOB,
) -> Requested:
    return Requested(
        id=event_id(job_id, "requested"),
        at=datetime.now(UTC),
        job_id=job_id,
        title=title,
        mode=mode,
        release_id=release_id,
        quality=quality,
    )


async def answer_to(bus: Bus, event: Requested) -> JobEvent:
    """What the indexer says to the request."""
    await bus.publish(event)
    async with asyncio.timeout(WAIT_S):
        subjects = [f"jobs.{event.job_id}.queued", f"jobs.{event.job_id}.unavailable"]
        async for stored in bus.tail(streams.JOBS, subjects):
            assert stored.event
            return stored.event
    raise AssertionError("a tail has no end")


async def queued(bus: Bus, event: Requested) -> Queued:
    answer = await answer_to(bus, event)
    assert isinstance(answer, Queued), answer
    return answer


async def unavailable(bus: Bus, event: Requested) -> Unavailable:
    answer = await answer_to(bus, event)
    assert isinstance(answer, Unavailable), answer
    return answer


async def releases(bus: Bus, title: TitleRef = TITLE, quality: Quality | None = None) -> list[Candidate]:
    answer = await queries.ask(bus, FindReleases(title=title, quality=quality), Releases)
    return list(answer.releases)


async def everything_stored(bus: Bus) -> bytes:
    last = await bus.last_sequence(streams.JOBS, streams.EVENT_SUBJECTS)
    return b"".join([s.data async for s in bus.tail(streams.JOBS, streams.EVENT_SUBJECTS, until=last)])


@pytest.mark.usefixtures("indexer", "posted")
async def test_the_list_of_releases(bus: Bus, sandbox: Sandbox) -> None:
    found = await releases(bus)
    assert [one.title for one in found] == [BEST, STREAM, TELEVISION, LARGE, FILMED]
    best, filmed = found[0], found[-1]
    assert (best.quality, best.source, best.group, best.age_days) == ("1080p", "BluRay", "LANTERNA", 40)
    assert best.indexer == "Sandbox Index"
    assert best.size_bytes > 5000
    assert best.nzb_url.startswith(f"{sandbox.newznab_url}/api?t=get&id=")
    assert best.nzb_url.endswith("&apikey={api_key}")
    assert best.score.reasons[0] == "1080p, as wanted"
    assert (filmed.score.total, filmed.score.reasons) == (
        0.0,
        ("Never taken by itself: filmed or leaked before its release (CAM).",),
    )


@pytest.mark.usefixtures("indexer", "posted")
async def test_no_more_than_20_releases(bus: Bus, sandbox: Sandbox, tmp_path: Path) -> None:
    film = tmp_path / "film.mkv"
    film.write_bytes(b"\x00" * 1000)
    for number in range(30):
        name = f"{STEM}.1080p.BluRay.x264-GROUP{number}"
        await sandbox.post(NewPost(paths=(str(film),), title=name, imdb_id=TITLE.imdb_id))
    assert len(await releases(bus)) == 20


@pytest.mark.usefixtures("indexer", "posted")
@pytest.mark.parametrize("imdb_id", [None, "", "tt1&t=caps"])
async def test_a_title_without_imdb_id_is_searched_for_by_its_name(
    bus: Bus, sandbox: Sandbox, imdb_id: str | None
) -> None:
    unknown = TitleRef(key="tmdb:movie:5", movie_id=5, name="The Long Intermission 2", imdb_id=imdb_id)
    known = replace(unknown, name="Long Intermission", year=2024)
    assert [await releases(bus, unknown), len(await releases(bus, known))] == [[], 5]
    assert sandbox.counters.http == {"newznab t=caps": 1, "newznab t=movie": 2, "newznab t=search": 1}


@pytest.mark.usefixtures("indexer", "posted")
@pytest.mark.parametrize(
    ("quality", "expected"),
    [
        (None, [BEST, STREAM, TELEVISION, LARGE]),
        ("1080p", [BEST, STREAM, TELEVISION, LARGE]),
        ("720p", [TELEVISION, BEST, STREAM, LARGE]),
        ("4K", [LARGE, BEST, STREAM, TELEVISION]),
    ],
)
async def test_watch_picks_the_best(bus: Bus, quality: Quality | None, expected: list[str]) -> None:
    event = request(quality=quality)
    answer = await queued(bus, event)
    assert [c.title for c in (answer.pick, *answer.alternatives)] == expected
    assert (answer.id, answer.attempt, answer.title) == (event_id(JOB, "queued", 1), 1, TITLE)
    state = JobState(job_id=JOB).apply(event).apply(answer)
    assert (state.phase, state.attempt) == (Phase.QUEUED, 1)


@pytest.mark.usefixtures("indexer", "posted")
async def test_a_release_chosen_by_hand_needs_no_second_search(bus: Bus, sandbox: Sandbox) -> None:
    filmed = (await releases(bus))[-1]
    answer = await queued(bus, request("manual", release_id=filmed.release_id))
    assert (answer.pick.title, answer.alternatives) == (FILMED, ())
    assert sandbox.counters.http["newznab t=movie"] == 1


@pytest.mark.usefixtures("indexer", "posted")
async def test_a_release_that_nobody_offers(bus: Bus) -> None:
    answer = await unavailable(bus, request("manual", release_id="rel_0000000000000000"))
    assert (answer.id, answer.code) == (event_id(JOB, "unavailable"), "NOT_FOUND")
    assert "isn't offered" in answer.message


@pytest.mark.usefixtures("indexer")
async def test_no_release_at_all(bus: Bus) -> None:
    answer = await unavailable(bus, request())
    assert (answer.code, answer.message) == (
        "NOT_FOUND",
        "No indexer has a release of 'The Long Intermission' yet.",
    )


@pytest.mark.usefixtures("indexer")
async def test_only_releases_that_are_never_taken(bus: Bus, sandbox: Sandbox, tmp_path: Path) -> None:
    film = tmp_path / "film.mkv"
    film.write_bytes(b"\x00" * 1000)
    await sandbox.post(NewPost(paths=(str(film),), title=FILMED, imdb_id=TITLE.imdb_id))
    answer = await unavailable(bus, request())
    assert answer.code == "NOT_FOUND"
    assert "None of the 1 releases" in answer.message


@pytest.mark.usefixtures("indexer", "posted")
@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (NewznabFaults(wrong_key=True), "Sandbox Index does not accept the API key"),
        (NewznabFaults(status=401), "Sandbox Index does not accept the API key"),
        (NewznabFaults(status=403), "Sandbox Index does not accept the API key"),
        (NewznabFaults(limit_reached=True), "Sandbox Index allows no more searches for now"),
        (NewznabFaults(status=429), "Sandbox Index allows no more searches for now"),
        (NewznabFaults(status=500), "Sandbox Index has trouble of its own (500)"),
        (NewznabFaults(status=503), "Sandbox Index has trouble of its own (503)"),
        (NewznabFaults(html=True), "Sandbox Index sent a web page instead of a list"),
        (NewznabFaults(malformed=True), "Sandbox Index sent something that can't be read as XML"),
        (NewznabFaults(hang=True), "Sandbox Index didn't finish within 15 s"),
    ],
    ids=["key", "401", "403", "limit", "429", "500", "503", "html", "malformed", "hang"],
)
async def test_each_fault_has_its_code(bus: Bus, sandbox: Sandbox, fault: NewznabFaults, words: str) -> None:
    sandbox.faults.set(Faults(newznab=fault))
    with capture_logs() as logs:
        answer = await unavailable(bus, request())
    assert answer.code == "NZBGEEK_ERROR"
    assert words in answer.message
    assert any(line["event"] == "indexer_failed" for line in logs)
    assert sandbox.newznab_api_key not in answer.message + json.dumps(logs, default=repr)


@pytest.mark.usefixtures("indexer", "posted")
async def test_a_question_gets_the_same_code(bus: Bus, sandbox: Sandbox) -> None:
    sandbox.faults.set(Faults(newznab=NewznabFaults(wrong_key=True)))
    with pytest.raises(ServiceError, match="does not accept the API key") as raised:
        await releases(bus)
    assert raised.value.code is ErrorCode.NZBGEEK_ERROR


@pytest.mark.usefixtures("indexer", "posted")
async def test_the_key_is_nowhere(bus: Bus, sandbox: Sandbox) -> None:
    with capture_logs() as logs:
        await queued(bus, request())
        told = await releases(bus)
    assert any(line["event"] == "upstream.request" for line in logs)
    assert sandbox.newznab_api_key not in json.dumps(logs, default=repr)
    assert sandbox.newznab_api_key not in repr(told)
    assert sandbox.newznab_api_key.encode() not in await everything_stored(bus)


@pytest.mark.parametrize(
    ("indexers", "words"),
    [
        ((), "No indexer is set up"),
        ((IndexerSettings(name="Geek", url="http://127.0.0.1:1"),), "Geek has no API key"),
        (
            (IndexerSettings(name="Y", kind="yts", url="http://127.0.0.1:1", api_key="k"),),
            "No indexer is set up",
        ),
    ],
    ids=["none", "no key", "other kind"],
)
async def test_what_the_owner_has_to_set(
    nats_server: NatsServer, bus: Bus, tmp_path: Path, indexers: tuple[IndexerSettings, ...], words: str
) -> None:
    async with indexer_of(nats_server, tmp_path, *indexers) as service:
        answer = await unavailable(bus, request())
        assert await service.health.troubles() == []
    assert answer.code == "INTERNAL_ERROR"
    assert words in answer.message


@pytest.mark.usefixtures("posted")
async def test_one_indexer_that_answers_is_enough(
    nats_server: NatsServer, bus: Bus, sandbox: Sandbox, tmp_path: Path
) -> None:
    down = IndexerSettings(name="Down", url="http://127.0.0.1:1", api_key="some-key")
    async with indexer_of(nats_server, tmp_path, down, index_of(sandbox)):
        answer = await queued(bus, request())
        await releases(bus)
    assert answer.pick.title == BEST
    assert sandbox.counters.http["newznab t=movie"] == 2, "half an answer was kept"


async def test_the_first_ones_error_if_all_fail(nats_server: NatsServer, bus: Bus, tmp_path: Path) -> None:
    down = [IndexerSettings(name=n, url="http://127.0.0.1:1", api_key="some-key") for n in ("One", "Two")]
    async with indexer_of(nats_server, tmp_path, *down):
        answer = await unavailable(bus, request())
    assert answer.code == "NZBGEEK_ERROR"
    assert answer.message.startswith("One ")


@pytest.mark.usefixtures("posted")
async def test_the_same_release_at_two_indexers_is_one_offer_of_the_first_in_priority(
    nats_server: NatsServer, bus: Bus, sandbox: Sandbox, tmp_path: Path
) -> None:
    one, two = index_of(sandbox, "One"), replace(index_of(sandbox, "Two"), priority=-1)
    async with indexer_of(nats_server, tmp_path, one, two):
        found = await releases(bus)
        other = found[0].also_at[0]
        answer = await queued(bus, request("manual", release_id=other.release_id))
    assert [candidate.indexer for candidate in found] == ["Two"] * 5
    assert [[source.indexer for source in candidate.also_at] for candidate in found] == [["One"]] * 5
    assert other.nzb_url.endswith("&apikey={api_key}")
    assert answer.pick.title == BEST


@pytest.mark.usefixtures("indexer", "posted")
async def test_a_request_told_again_is_answered_once(bus: Bus, sandbox: Sandbox) -> None:
    event = request()
    first = await queued(bus, event)
    sandbox.faults.set(Faults(newznab=NewznabFaults(limit_reached=True)))
    await bus.js.publish(event.subject, encode(event), headers={"Nats-Msg-Id": "told-again"})
    other = await queued(bus, request(job_id="job_2_b"))
    assert other.pick == first.pick
    async with asyncio.timeout(WAIT_S):
        while await bus.backlog(streams.INDEXER):
            await asyncio.sleep(0.05)
    last = await bus.last_sequence(streams.JOBS, ["jobs.*.queued"])
    told = [s.event async for s in bus.tail(streams.JOBS, ["jobs.*.queued"], until=last)]
    assert told == [first, other]


class Clock:
    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.usefixtures("posted")
async def test_asks_again_only_after_15_minutes(sandbox: Sandbox, tmp_path: Path) -> None:
    clock = Clock()
    cache = Searches(tmp_path / "indexer.sqlite3", clock)
    await cache.open()
    search = Search([index_of(sandbox)], cache, user_agent="test")
    counted: list[int] = []
    for seconds in (0.0, 0.0, FRESH_S, 1.0):
        clock.now += seconds
        assert len(await search.offers(TITLE)) == 5
        counted.append(sandbox.counters.http["newznab t=movie"])
    assert counted == [1, 1, 1, 2]
    await search.close()
    await cache.close()


async def test_what_fails_unexpectedly_is_given_up_at_the_last_delivery(
    bus: Bus, sandbox: Sandbox, tmp_path: Path
) -> None:
    never_opened = Searches(tmp_path / "indexer.sqlite3")
    search = Search([index_of(sandbox)], never_opened, user_agent="test")
    learned = Learned(Database(tmp_path / "learned.sqlite3", SCHEMA))
    handlers = Handlers(bus, Candidates(search, learned, Settings()))
    await bus.publish(request())
    raised = 0
    async with asyncio.timeout(WAIT_S), bus.pull(streams.INDEXER) as take:
        while await bus.last(streams.JOBS, f"jobs.{JOB}.unavailable") is None:
            delivery = await take()
            assert delivery
            try:
                await handlers.requested(delivery)
            except RuntimeError:
                raised += 1
                await delivery.again(0.01)
            else:
                await delivery.done()
    stored = await bus.last(streams.JOBS, f"jobs.{JOB}.unavailable")
    assert stored
    assert isinstance(stored.event, Unavailable)
    assert (raised, stored.event.code) == (streams.MAX_DELIVERIES - 1, "INTERNAL_ERROR")
    await search.close()
