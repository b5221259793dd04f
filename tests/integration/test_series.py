"""Series over the catalog's real wires: asked over NATS, asking the sandbox's TMDB over HTTP."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from datetime import date
from pathlib import Path

import pytest
from msgspec.structs import replace

from libs.common import queries
from libs.common.bus import Bus
from libs.common.cache import Cache
from libs.common.errors import ErrorCode, ServiceError
from libs.common.sections import Jikan, Tmdb
from libs.common.series import GetEpisodes, SeriesEpisodes
from libs.common.service import connect
from libs.common.settings import Nats, Settings
from libs.sandbox.faults import Faults, JikanFaults, TmdbFaults
from libs.sandbox.sandbox import Sandbox
from services.catalog.app import body
from services.catalog.jikan import Jikan as JikanClient
from services.catalog.jikan_series import PARTS_FRESH_S, JikanEpisodes
from services.catalog.kept import Kept
from services.catalog.series_queries import EPISODES_FRESH_S, SeriesCatalog
from services.catalog.tmdb import Tmdb as TmdbClient
from services.catalog.tmdb_series import TmdbEpisodes
from tests.conftest import NatsServer
from tests.support.service import running


@pytest.fixture
async def sandbox(tmp_path: Path) -> AsyncIterator[Sandbox]:
    async with Sandbox(tmp_path / "sandbox", films=(), nntp_tls=False) as running:
        yield running


@pytest.fixture
async def catalog(sandbox: Sandbox, nats_server: NatsServer, tmp_path: Path) -> AsyncIterator[None]:
    settings = Settings(
        data_dir=str(tmp_path / "data"),
        nats=Nats(url=nats_server.url),
        tmdb=Tmdb(url=sandbox.tmdb_url, token=sandbox.tmdb_token),
        jikan=Jikan(url=sandbox.jikan_url),
    )
    bus = await connect(settings, "catalog")
    async with running("catalog", settings, bus, body):
        # Endpoints are subscribed a moment after the task starts.
        await asyncio.sleep(0.2)
        yield
    await bus.close()


async def episodes(bus: Bus, series_id: str) -> SeriesEpisodes:
    return await queries.ask(bus, GetEpisodes(series_id=series_id), SeriesEpisodes)


async def refusal(bus: Bus, series_id: str) -> ServiceError:
    with pytest.raises(ServiceError) as raised:
        await episodes(bus, series_id)
    return raised.value


@pytest.mark.usefixtures("catalog")
async def test_a_series_with_specials_and_a_season_to_come(bus: Bus) -> None:
    found = await episodes(bus, "tmdb:tv:910001")
    assert (found.title, found.kind, found.external.imdb_id) == ("Harbour Lights", "series", "tt9100001")
    assert [(e.season, e.episode, e.absolute_ep) for e in found.episodes] == [
        *((1, n, n) for n in range(1, 7)),
        *((2, n, 6 + n) for n in range(1, 6)),
        *((3, n, 11 + n) for n in range(1, 4)),
        (0, 1, None),
        (0, 2, None),
    ]
    assert [e.is_aired for e in found.episodes] == [True] * 11 + [False] * 3 + [True] * 2
    assert found.episodes[6].air_date is None
    assert found.episodes[0].runtime_s == 48 * 60


@pytest.mark.usefixtures("catalog")
async def test_an_anime_with_a_split_season(bus: Bus) -> None:
    found = await episodes(bus, "tmdb:tv:910003")
    assert found.kind == "anime"
    split = found.mapping[1]
    assert (split.season, split.episode_from, split.episode_to) == (2, 1, 24)
    assert (split.absolute_from, split.absolute_to) == (13, 36)
    assert "12 episodes came before" in split.why


@pytest.mark.usefixtures("catalog")
async def test_many_at_once_cost_two_requests(bus: Bus, sandbox: Sandbox) -> None:
    found = await asyncio.gather(*(episodes(bus, "tmdb:tv:910001") for _ in range(12)))
    assert all(one == found[0] for one in found)
    assert dict(sandbox.counters.http) == {"tmdb /3/tv/910001": 2}


@pytest.mark.usefixtures("catalog")
@pytest.mark.parametrize(
    "series_id",
    [
        "",
        "1399",
        "tmdb:tv:",
        "tmdb:tv:0",
        "tmdb:tv:2147483648",
        "tmdb:movie:603",
        "tmdb:tv:1:2",
        "tmdb:tv:١",
        "mal:anime:0",
        "mal:manga:1",
    ],
)
async def test_wrong_ids(bus: Bus, sandbox: Sandbox, series_id: str) -> None:
    assert (await refusal(bus, series_id)).code is ErrorCode.INVALID_INPUT
    assert not sandbox.counters.http


@pytest.mark.usefixtures("catalog")
@pytest.mark.parametrize(
    ("status", "code"),
    [
        (401, ErrorCode.TMDB_ERROR),
        (404, ErrorCode.NOT_FOUND),
        (429, ErrorCode.TMDB_ERROR),
        (500, ErrorCode.TMDB_ERROR),
    ],
)
async def test_each_fault_has_its_code(bus: Bus, sandbox: Sandbox, status: int, code: ErrorCode) -> None:
    sandbox.faults.set(Faults(tmdb=TmdbFaults(status=status)))  # pyright: ignore[reportArgumentType]  (one of its statuses)
    error = await refusal(bus, "tmdb:tv:910001")
    assert error.code is code
    assert sandbox.tmdb_token not in error.message


@pytest.mark.usefixtures("catalog")
async def test_a_series_that_is_not_there(bus: Bus) -> None:
    assert (await refusal(bus, "tmdb:tv:1")).code is ErrorCode.NOT_FOUND


@pytest.mark.usefixtures("catalog")
async def test_a_split_half_of_an_anime_is_placed_by_its_prequels(bus: Bus) -> None:
    found = await episodes(bus, "mal:anime:920004")
    assert (found.series_id, found.kind, found.external.mal_id) == ("mal:anime:920004", "anime", 920004)
    assert [(run.season, run.episode_from, run.absolute_from, run.absolute_to) for run in found.mapping] == [
        (1, 1, 1, 12),
        (2, 1, 13, 24),
        (2, 13, 25, 36),
    ]
    first = found.episodes[0]
    assert (first.episode_key, first.season, first.episode) == ("mal:anime:920004:2:13", 2, 13)
    assert (first.absolute_ep, first.air_date, first.runtime_s) == (25, "2022-09-25", 1440)
    assert len(found.episodes) == 12
    assert all(e.is_aired for e in found.episodes)


@pytest.mark.usefixtures("catalog")
async def test_both_sites_number_the_same_episodes_alike(bus: Bus) -> None:
    of_tmdb = await episodes(bus, "tmdb:tv:910003")
    by_absolute = {e.absolute_ep: (e.season, e.episode) for e in of_tmdb.episodes if e.absolute_ep}
    for number in (920001, 920003, 920004):
        for one in (await episodes(bus, f"mal:anime:{number}")).episodes:
            assert by_absolute.pop(one.absolute_ep or 0) == (one.season, one.episode)
    assert not by_absolute


@pytest.mark.usefixtures("catalog")
async def test_a_part_that_was_not_broadcast_is_a_special(bus: Bus) -> None:
    found = await episodes(bus, "mal:anime:920002")
    assert [(e.season, e.episode, e.absolute_ep, e.is_special) for e in found.episodes] == [
        (0, 1, None, True)
    ]


@pytest.mark.usefixtures("catalog")
async def test_what_comes_has_no_episodes_yet(bus: Bus) -> None:
    found = await episodes(bus, "mal:anime:920011")
    assert found.episodes == ()
    assert [(run.absolute_from, run.absolute_to) for run in found.mapping] == [(1, 230)]


@pytest.mark.usefixtures("catalog")
async def test_long_lists_come_in_pages_at_the_pace_that_is_allowed(bus: Bus, sandbox: Sandbox) -> None:
    several = [f"mal:anime:{number}" for number in (920010, 920001, 920002)]
    found = await asyncio.gather(*(episodes(bus, one) for one in several * 4))
    assert len(found[0].episodes) == 230
    assert [e.absolute_ep for e in found[0].episodes] == list(range(1, 231))
    assert dict(sandbox.counters.http) == {
        "jikan /v4/anime/920010/full": 1,
        "jikan /v4/anime/920010/episodes": 3,
        "jikan /v4/anime/920001/full": 1,
        "jikan /v4/anime/920001/episodes": 1,
        "jikan /v4/anime/920002/full": 1,
        "jikan /v4/anime/920002/episodes": 1,
    }


@pytest.mark.usefixtures("catalog")
@pytest.mark.parametrize(
    ("status", "code", "words"),
    [
        (404, ErrorCode.NOT_FOUND, "isn't on MyAnimeList"),
        (429, ErrorCode.JIKAN_ERROR, "Jikan asks us to slow down"),
        (500, ErrorCode.JIKAN_ERROR, "Jikan has trouble of its own"),
        (503, ErrorCode.JIKAN_ERROR, "Jikan has trouble of its own"),
    ],
)
async def test_each_fault_of_jikan_has_its_code(
    bus: Bus, sandbox: Sandbox, status: int, code: ErrorCode, words: str
) -> None:
    sandbox.faults.set(Faults(jikan=JikanFaults(status=status)))  # pyright: ignore[reportArgumentType]  (one of its statuses)
    error = await refusal(bus, "mal:anime:920001")
    assert error.code is code
    assert words in error.message


@pytest.mark.usefixtures("catalog")
async def test_an_anime_that_is_not_there(bus: Bus) -> None:
    assert (await refusal(bus, "mal:anime:1")).code is ErrorCode.NOT_FOUND


class Clock:
    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


class Direct:
    """The catalog's series without its wires, so that its clock can be moved."""

    def __init__(self, series: SeriesCatalog, clock: Clock) -> None:
        self._series = series
        self.clock = clock

    async def episodes(self, series_id: str) -> SeriesEpisodes:
        return await self._series.episodes(GetEpisodes(series_id=series_id))


@asynccontextmanager
async def direct(
    tmdb_url: str, jikan_url: str, token: str, directory: Path, *, patience_s: float = 15.0
) -> AsyncGenerator[Direct]:
    clock = Clock()
    cache = Cache(directory / "series.sqlite3", rows_max=1000, clock=clock)
    await cache.open()
    tmdb = TmdbClient(Tmdb(url=tmdb_url, token=token), user_agent="test")
    jikan = JikanClient(Jikan(url=jikan_url), user_agent="test")
    of_tmdb, of_jikan = Kept(cache, tmdb_url), Kept(cache, jikan_url)
    series = SeriesCatalog(
        TmdbEpisodes(tmdb),
        of_tmdb,
        JikanEpisodes(jikan, of_jikan),
        of_jikan,
        today=lambda: date(2023, 1, 20),
        patience_s=patience_s,
    )
    yield Direct(series, clock)
    await of_tmdb.close()
    await of_jikan.close()
    await jikan.close()
    await tmdb.close()
    await cache.close()


@pytest.fixture
async def box(sandbox: Sandbox, tmp_path: Path) -> AsyncIterator[Direct]:
    async with direct(sandbox.tmdb_url, sandbox.jikan_url, sandbox.tmdb_token, tmp_path) as box:
        yield box


@pytest.mark.parametrize("series_id", ["tmdb:tv:910001", "mal:anime:920001"])
async def test_what_is_known_is_asked_again_only_when_it_is_old_and_served_if_that_fails(
    box: Direct, sandbox: Sandbox, series_id: str
) -> None:
    first = await box.episodes(series_id)
    asked = sandbox.counters.http.total()
    box.clock.now += EPISODES_FRESH_S - 1
    assert await box.episodes(series_id) == first
    assert sandbox.counters.http.total() == asked
    box.clock.now += 10 * PARTS_FRESH_S
    sandbox.faults.set(Faults(tmdb=TmdbFaults(status=500), jikan=JikanFaults(status=500)))
    assert await box.episodes(series_id) == replace(first, is_stale=True)
    assert sandbox.counters.http.total() > asked
    sandbox.faults.clear()
    assert await box.episodes(series_id) == first


async def test_what_has_been_on_is_a_matter_of_the_day_not_of_the_cache(box: Direct) -> None:
    found = await box.episodes("tmdb:tv:910001")
    second = [e.is_aired for e in found.episodes if e.season == 2]
    assert second == [True, True, True, False, False]


@pytest.mark.parametrize(
    ("series_id", "code"),
    [("tmdb:tv:910001", ErrorCode.TMDB_ERROR), ("mal:anime:920010", ErrorCode.JIKAN_ERROR)],
)
async def test_what_takes_too_long_is_there_for_who_asks_later(
    sandbox: Sandbox, tmp_path: Path, series_id: str, code: ErrorCode
) -> None:
    sandbox.faults.set(Faults(tmdb=TmdbFaults(hang=True), jikan=JikanFaults(hang=True)))
    async with direct(
        sandbox.tmdb_url, sandbox.jikan_url, sandbox.tmdb_token, tmp_path, patience_s=0.3
    ) as box:
        with pytest.raises(ServiceError, match="try again in a moment") as raised:
            await box.episodes(series_id)
        with pytest.raises(ServiceError):
            await box.episodes(series_id)
    assert raised.value.code is code
    assert sandbox.counters.http.total() == 1


@pytest.mark.parametrize("series_id", ["tmdb:tv:910001", "mal:anime:920010"])
async def test_what_is_kept_is_served_while_the_site_takes_its_time(
    sandbox: Sandbox, tmp_path: Path, series_id: str
) -> None:
    async with direct(sandbox.tmdb_url, sandbox.jikan_url, sandbox.tmdb_token, tmp_path) as box:
        first = await box.episodes(series_id)
    async with direct(
        sandbox.tmdb_url, sandbox.jikan_url, sandbox.tmdb_token, tmp_path, patience_s=0.5
    ) as box:
        box.clock.now += 10 * PARTS_FRESH_S
        sandbox.faults.set(Faults(tmdb=TmdbFaults(hang=True), jikan=JikanFaults(hang=True)))
        assert await box.episodes(series_id) == replace(first, is_stale=True)


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"<html>Log in</html>",
        b"[1]",
        b'{"data": null}',
        b'{"data": {"mal_id": 1, "title": "\xff"}}',
        b'{"x":' + b"[" * 100_000,
    ],
    ids=["empty", "html", "list", "null", "utf-8", "deep"],
)
@pytest.mark.parametrize(
    ("series_id", "code"),
    [("tmdb:tv:1399", ErrorCode.TMDB_ERROR), ("mal:anime:5114", ErrorCode.JIKAN_ERROR)],
)
async def test_answers_that_are_none(tmp_path: Path, answer: bytes, series_id: str, code: ErrorCode) -> None:
    async def say(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n" % len(answer)
        writer.write(head + answer)
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(say, "127.0.0.1", 0)
    async with server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        async with direct(url, url, "token", tmp_path) as box:
            with pytest.raises(ServiceError, match="can't be read") as raised:
                await box.episodes(series_id)
    assert raised.value.code is code
