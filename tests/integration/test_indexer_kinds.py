"""Indexers of every kind at the sandbox: how they are asked, when they are left alone, what is believed."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from prometheus_client import generate_latest
from structlog.testing import capture_logs

from libs.common import queries
from libs.common.bus import Bus
from libs.common.errors import ServiceError
from libs.common.events import AttemptFailed, Candidate, Queued, Score, Started, TitleRef, Unavailable
from libs.common.indexers import Indexers, ListIndexers
from libs.common.jobs import event_id
from libs.common.settings import IndexerSettings
from libs.sandbox.control import NewPost
from libs.sandbox.faults import Faults, NewznabFaults
from libs.sandbox.sandbox import Sandbox
from libs.sandbox.web import Request, Response, WebServer
from services.downloader.errors import NzbRefused
from services.downloader.usenet.listing import fetch_nzb
from services.indexer.offers import Offer
from services.indexer.search import Search
from services.indexer.store import Searches
from tests.conftest import NatsServer
from tests.integration.test_indexer import answer_to, everything_stored, indexer_of, releases, request

TITLE = TitleRef(
    key="tmdb:movie:900001", movie_id=900001, name="The Long Intermission", year=2024, imdb_id="tt9000001"
)
BEST = "The.Long.Intermission.2024.1080p.BluRay.x264-LANTERNA"
SECOND = "The.Long.Intermission.2024.1080p.WEBRip.x264-USHER"
OTHER = "Paper.Lanterns.2023.1080p.WEB-DL.H.264-LANTERNA"
KINDS = ("newznab", "torznab", "prowlarr")


class Clock:
    def __init__(self) -> None:
        self.now = datetime(2026, 11, 20, 12, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
async def sandbox(tmp_path: Path) -> AsyncIterator[Sandbox]:
    async with Sandbox(tmp_path / "sandbox", films=(), nntp_tls=False) as running:
        film = tmp_path / "film.mkv"
        for number, (name, imdb_id) in enumerate(
            ((BEST, "tt9000001"), (SECOND, "tt9000001"), (OTHER, "tt9000002"))
        ):
            film.write_bytes(bytes(5000 + 500 * number))
            await running.post(NewPost(paths=(str(film),), title=name, imdb_id=imdb_id, age_days=3, grabs=9))
        yield running


@pytest.fixture
def clock() -> Clock:
    return Clock()


Make = Callable[..., Search]


@pytest.fixture
async def make(tmp_path: Path, clock: Clock) -> AsyncIterator[Make]:
    """Searches that share a cache which keeps nothing that was found."""
    cache = Searches(tmp_path / "cache.sqlite3")
    await cache.open()
    made: list[Search] = []

    def search(*settings: IndexerSettings) -> Search:
        made.append(Search(settings, cache, user_agent="test", now=clock))
        return made[-1]

    yield search
    for one in made:
        await one.close()
    await cache.close()


def index(sandbox: Sandbox, kind: Any = "newznab", **more: Any) -> IndexerSettings:
    urls = {"newznab": sandbox.newznab_url, "torznab": sandbox.torznab_url, "prowlarr": sandbox.prowlarr_url}
    return IndexerSettings(name=kind, kind=kind, url=urls[kind], api_key=sandbox.newznab_api_key, **more)


def titles(offers: tuple[Offer, ...]) -> list[str]:
    return sorted(offer.title for offer in offers)


def searches_of(sandbox: Sandbox) -> dict[str, int]:
    return {name: count for name, count in sandbox.counters.http.items() if "t=get" not in name}


@pytest.mark.parametrize("kind", KINDS)
async def test_each_kind_finds_the_film_and_hands_out_its_nzb(
    sandbox: Sandbox, make: Make, kind: str
) -> None:
    settings = index(sandbox, kind)
    with capture_logs() as logs:
        offers = await make(settings).offers(TITLE)
    assert titles(offers) == [BEST, SECOND]
    assert all(offer.size_bytes > 5000 and offer.grabs == 9 and offer.certainty == "sure" for offer in offers)
    told = repr(offers) + json.dumps(logs, default=repr)
    assert sandbox.newznab_api_key not in told
    assert "{api_key}" in told
    pick = offers[0].candidate(Score(total=1.0), datetime.now(UTC))
    assert b"<nzb" in await fetch_nzb(pick, [settings], "test")


@pytest.mark.parametrize(
    ("caps", "asked"),
    [
        (None, {"newznab t=caps": 1, "newznab t=movie": 1}),
        ("words", {"newznab t=caps": 1, "newznab t=movie": 1}),
        ("nothing", {"newznab t=caps": 1, "newznab t=search": 1}),
        ("refused", {"newznab t=caps": 1, "newznab t=movie": 1}),
    ],
)
async def test_capabilities_drive_the_question(
    sandbox: Sandbox, make: Make, caps: Any, asked: dict[str, int]
) -> None:
    sandbox.faults.set(Faults(newznab=NewznabFaults(caps=caps)))
    assert titles(await make(index(sandbox)).offers(TITLE)) == [BEST, SECOND]
    assert searches_of(sandbox) == asked


async def test_capabilities_are_asked_for_once_a_day(sandbox: Sandbox, make: Make) -> None:
    search = make(index(sandbox))
    for name in ("The Long Intermission", "Long Intermission"):
        await search.offers(replace(TITLE, name=name))
    await make(index(sandbox)).offers(replace(TITLE, name="Intermission"))
    assert searches_of(sandbox) == {"newznab t=caps": 1, "newznab t=movie": 3}


async def test_the_same_question_at_once_is_asked_once(sandbox: Sandbox, make: Make) -> None:
    sandbox.faults.set(Faults(newznab=NewznabFaults(delay_ms=100)))
    search = make(index(sandbox))
    asked = [asyncio.create_task(search.offers(TITLE)) for _ in range(5)]
    await asyncio.sleep(0.05)
    asked[0].cancel()
    await asyncio.wait(asked)
    assert [task.cancelled() or len(task.result()) for task in asked] == [True, 2, 2, 2, 2]
    assert searches_of(sandbox) == {"newznab t=caps": 1, "newznab t=movie": 1}


async def test_what_isnt_found_by_id_is_searched_for_by_title(sandbox: Sandbox, make: Make) -> None:
    search = make(index(sandbox), index(sandbox, "prowlarr"))
    unlisted = replace(TITLE, imdb_id="tt7654321")
    found = await search.offers(unlisted)
    assert [(offer.certainty, "tt9000001" in offer.identity) for offer in found] == [("unsure", True)] * 2
    sandbox.faults.set(Faults(newznab=NewznabFaults(says_no_ids=True)))
    found = await search.offers(replace(unlisted, key="tmdb:movie:5"))
    assert [(offer.certainty, offer.also_at[0].indexer) for offer in found] == [("sure", "prowlarr")] * 2


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("says_no_ids", [False, True])
async def test_who_ignores_what_it_is_asked_for_is_not_believed(
    sandbox: Sandbox, make: Make, kind: str, says_no_ids: bool
) -> None:
    faults = NewznabFaults(ignores_parameters=True, says_no_ids=says_no_ids)
    sandbox.faults.set(Faults(newznab=faults))
    search = make(index(sandbox, kind))
    sure = [offer for offer in await search.offers(TITLE) if offer.certainty == "sure"]
    assert titles(tuple(sure)) == [BEST, SECOND]
    [health] = await search.health()
    assert health.dropped == ({} if says_no_ids else {"another film": 1})


@pytest.mark.parametrize("kind", KINDS)
async def test_torrents_are_dropped_with_the_reason(sandbox: Sandbox, make: Make, kind: str) -> None:
    sandbox.faults.set(Faults(newznab=NewznabFaults(torrents=True)))
    search = make(index(sandbox, kind))
    assert await search.offers(TITLE) == ()
    [health] = await search.health()
    assert health.dropped == {"a torrent": 2}


@pytest.mark.parametrize(
    ("fault", "words", "rest_s"),
    [
        (NewznabFaults(status=429, retry_after_s=1200), "allows no more searches", 1200),
        (NewznabFaults(status=429), "allows no more searches", 300),
        (NewznabFaults(limit_reached=True), "allows no more searches", 300),
        (NewznabFaults(error=501), "allows no more searches", 300),
        (NewznabFaults(error=101), "does not accept the API key", 300),
        (NewznabFaults(status=500, retry_after_s=77), "has trouble of its own (500)", 77),
        (NewznabFaults(error=900), "refuses the search: Unknown error (its error 900)", 0),
        (NewznabFaults(html=True), "sent a web page", 0),
    ],
)
async def test_who_fails_is_left_alone(
    sandbox: Sandbox, make: Make, clock: Clock, fault: NewznabFaults, words: str, rest_s: int
) -> None:
    sandbox.faults.set(Faults(newznab=fault))
    search = make(index(sandbox))
    with pytest.raises(ServiceError) as raised:
        await search.offers(TITLE)
    assert words in raised.value.message
    [health] = await search.health()
    until = clock.now + timedelta(seconds=rest_s) if rest_s else None
    assert (health.resting_until, health.last_error_at, health.last_success) == (until, clock.now, None)
    assert words in (health.last_error or "")
    asked = searches_of(sandbox)
    sandbox.faults.clear()
    clock.now += timedelta(seconds=max(rest_s - 1, 0))
    # Also in another process: it is kept.
    again = make(index(sandbox))
    if rest_s:
        with pytest.raises(ServiceError, match="not asked again before"):
            await again.offers(TITLE)
        assert searches_of(sandbox) == asked
    clock.now += timedelta(seconds=1)
    assert titles(await again.offers(TITLE)) == [BEST, SECOND]


async def test_prowlarr_with_a_wrong_key(sandbox: Sandbox, make: Make) -> None:
    wrong = replace(index(sandbox, "prowlarr"), api_key="another-key")
    with pytest.raises(ServiceError, match="prowlarr does not accept the API key"):
        await make(wrong).offers(TITLE)


async def test_other_settings_begin_anew(sandbox: Sandbox, make: Make) -> None:
    with pytest.raises(ServiceError, match="does not accept"):
        await make(replace(index(sandbox), api_key="another-key")).offers(TITLE)
    assert len(await make(index(sandbox)).offers(TITLE)) == 2


async def test_no_more_searches_than_the_budget(sandbox: Sandbox, make: Make, clock: Clock) -> None:
    search = make(index(sandbox, queries_per_day=3))
    for name in ("The Long Intermission", "Long Intermission"):
        await search.offers(replace(TITLE, name=name))
    with pytest.raises(ServiceError, match="has had its 3 searches of 24 hours"):
        await search.offers(replace(TITLE, name="Intermission"))
    [health] = await search.health()
    assert (health.queries_today, health.queries_per_day, health.last_error) == (3, 3, None)
    clock.now += timedelta(hours=24)
    assert (await search.health())[0].queries_today == 0
    await search.offers(replace(TITLE, name="Intermission"))


async def test_a_spent_budget_is_no_empty_answer(sandbox: Sandbox, make: Make) -> None:
    search = make(index(sandbox, queries_per_day=2))
    await search.offers(TITLE)
    with pytest.raises(ServiceError, match="has had its 2 searches of 24 hours"):
        await search.offers(replace(TITLE, imdb_id=None))


async def test_who_rests_does_not_make_the_others_be_asked_again(sandbox: Sandbox, make: Make) -> None:
    tired = replace(index(sandbox, "torznab"), queries_per_day=1)
    search = make(index(sandbox), tired)
    for _ in range(4):
        assert len(await search.offers(TITLE)) == 2
    assert sandbox.counters.http["newznab t=movie"] == 1


@pytest.mark.usefixtures("clock")
async def test_a_slow_indexer_costs_its_time_and_is_said(sandbox: Sandbox, make: Make) -> None:
    sandbox.faults.set(Faults(newznab=NewznabFaults(delay_ms=8000)))
    search = make(index(sandbox))
    begun = asyncio.get_running_loop().time()
    with pytest.raises(ServiceError, match="newznab didn't finish within 15 s"):
        await search.offers(TITLE)
    assert 14 < asyncio.get_running_loop().time() - begun < 17


async def test_indexers_are_visible(
    nats_server: NatsServer, bus: Bus, sandbox: Sandbox, tmp_path: Path
) -> None:
    down = IndexerSettings(name="Down", url="http://127.0.0.1:1", api_key="some-key")
    async with indexer_of(nats_server, tmp_path, index(sandbox, grabs_per_day=5), down):
        assert len(await releases(bus, TITLE)) == 2
        told = (await queries.ask(bus, ListIndexers(), Indexers)).indexers
    assert [(one.name, one.kind, one.queries_today, one.grabs_per_day) for one in told] == [
        ("newznab", "newznab", 2, 5),
        ("Down", "newznab", 1, 0),
    ]
    assert told[0].last_success
    assert told[0].last_error is None
    assert "can't be reached" in (told[1].last_error or "")
    assert sandbox.newznab_api_key not in repr(told)
    metrics = generate_latest().decode()
    assert 'matinee_indexer_queries_today{indexer="newznab"} 2.0' in metrics
    assert 'matinee_indexer_searches_total{indexer="Down",outcome="failed"}' in metrics
    assert "search_latency_ms_count" in metrics
    assert "score_latency_ms_count" in metrics


async def test_a_release_that_was_dead_is_not_picked_again(
    nats_server: NatsServer, bus: Bus, sandbox: Sandbox, tmp_path: Path
) -> None:
    async with indexer_of(nats_server, tmp_path, index(sandbox, grabs_per_day=2)):
        first = await answer_to(bus, request(title=TITLE, job_id="job_1_a"))
        assert isinstance(first, Queued)
        await _attempt(bus, "job_1_a", fails=True)
        second = await _picked(bus, "job_2_b", SECOND)
        shown = await releases(bus, TITLE)
        await _attempt(bus, "job_2_b", fails=False)
        third = await _unavailable(bus)
    assert (first.pick.title, second.pick.title, second.alternatives) == (BEST, SECOND, ())
    refused = next(candidate for candidate in shown if candidate.title == BEST)
    assert refused.score.total == 0
    assert "its articles are gone" in refused.score.reasons[0]
    assert "None of the 2 releases" in third.message
    assert sandbox.newznab_api_key.encode() not in await everything_stored(bus)


async def _picked(bus: Bus, job_id: str, expected: str) -> Queued:
    answer = await answer_to(bus, request(title=TITLE, job_id=job_id))
    assert isinstance(answer, Queued), answer
    assert answer.pick.title == expected
    return answer


async def _unavailable(bus: Bus) -> Unavailable:
    answer = await answer_to(bus, request(title=TITLE, job_id="job_3_c"))
    assert isinstance(answer, Unavailable), answer
    return answer


async def _attempt(bus: Bus, job_id: str, *, fails: bool) -> None:
    """What an instance tells; returns once the indexer knows."""
    at = datetime.now(UTC)
    grabs = (await queries.ask(bus, ListIndexers(), Indexers)).indexers[0].grabs_today
    await bus.publish(
        Started(
            id=event_id(job_id, "started", 1, 1), at=at, job_id=job_id, attempt=1, delivery=1, instance="i"
        )
    )
    if fails:
        await bus.publish(
            AttemptFailed(
                id=event_id(job_id, "attempt_failed", 1, 1),
                at=at,
                job_id=job_id,
                attempt=1,
                delivery=1,
                code="USENET_ERROR",
                message="its articles are gone.",
                blame="release",
            )
        )
    async with asyncio.timeout(10):
        while (await queries.ask(bus, ListIndexers(), Indexers)).indexers[0].grabs_today == grabs:
            await asyncio.sleep(0.05)
    await asyncio.sleep(0.2)


@pytest.mark.parametrize("kind", ["newznab", "prowlarr"])
async def test_no_nzb_comes_out_of_our_own_network_by_a_redirect(sandbox: Sandbox, kind: Any) -> None:
    async def lead_on(_request: Request) -> Response:
        location = f"{sandbox.newznab_url}/api?t=get&id=1&apikey={sandbox.newznab_api_key}"
        return Response(status=301, headers={"location": location})

    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = WebServer(lead_on, listener)
        serving = asyncio.create_task(server.serve())
        pick = Candidate(
            release_id="rel_1",
            title=BEST,
            indexer="It",
            nzb_url=f"{server.url}/1/download?apikey={{api_key}}",
            size_bytes=1,
            age_days=1,
            quality="1080p",
            score=Score(total=1.0),
        )
        settings = IndexerSettings(name="It", kind=kind, url=server.url, api_key="some-key")
        with pytest.raises(NzbRefused, match="It leads"):
            await fetch_nzb(pick, [settings], "test")
        elsewhere = replace(pick, nzb_url=f"{sandbox.newznab_url}/api?t=get&id=1")
        with pytest.raises(NzbRefused, match="leads to a host that the settings don't name"):
            await fetch_nzb(elsewhere, [settings], "test")
        server.close()
        await serving
    assert not sandbox.counters.http
