"""The catalog over its real wires: asked over NATS, asking the sandbox's TMDB over HTTP."""

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from msgspec.structs import replace
from structlog.testing import capture_logs

from libs.common import queries
from libs.common.bus import Bus
from libs.common.catalog import GenreMovies, ListGenres
from libs.common.errors import ErrorCode, ServiceError
from libs.common.events import (
    GetMovie,
    ListMovies,
    MovieDetails,
    MoviePage,
    Query,
    SearchMovies,
    SimilarMovies,
)
from libs.common.sections import Tmdb
from libs.common.service import Service, connect
from libs.common.settings import Nats, Settings
from libs.sandbox.faults import Faults, TmdbFaults
from libs.sandbox.sandbox import Sandbox
from services.catalog import tmdb
from services.catalog.app import body
from services.catalog.kept import Kept
from services.catalog.queries import LISTS_FRESH_S, Catalog
from services.catalog.store import Cache
from services.catalog.titles import FRESH_S, Titles
from tests.conftest import NatsServer
from tests.support.service import running

LANTERNS = 900002


@pytest.fixture
async def sandbox(tmp_path: Path) -> AsyncIterator[Sandbox]:
    async with Sandbox(tmp_path / "sandbox", films=(), nntp_tls=False) as running:
        yield running


@pytest.fixture
def settings(sandbox: Sandbox, nats_server: NatsServer, tmp_path: Path) -> Settings:
    return Settings(
        data_dir=str(tmp_path / "data"),
        nats=Nats(url=nats_server.url),
        tmdb=Tmdb(url=sandbox.tmdb_url, token=sandbox.tmdb_token),
    )


@asynccontextmanager
async def catalog_of(settings: Settings) -> AsyncGenerator[Service]:
    bus = await connect(settings, "catalog")
    async with running("catalog", settings, bus, body) as service:
        yield service
    await bus.close()


@pytest.fixture
async def catalog(settings: Settings, bus: Bus) -> AsyncIterator[Service]:
    async with catalog_of(settings) as service:
        # Endpoints are subscribed a moment after the task starts.
        await asyncio.sleep(0.2)
        yield service


async def page_of(bus: Bus, query: Query) -> MoviePage:
    return await queries.ask(bus, query, MoviePage)


async def movie(bus: Bus, movie_id: int) -> MovieDetails:
    return await queries.ask(bus, GetMovie(movie_id=movie_id), MovieDetails)


async def refusal(bus: Bus, query: Query) -> ServiceError:
    with pytest.raises(ServiceError) as raised:
        await queries.ask(bus, query, MoviePage)
    return raised.value


@pytest.mark.usefixtures("catalog")
async def test_search_lists_and_similar_titles(bus: Bus, sandbox: Sandbox) -> None:
    found = await page_of(bus, SearchMovies(query="  paper   LANT "))
    popular = await page_of(bus, ListMovies(list="popular"))
    top = await page_of(bus, ListMovies(list="top"))
    similar = await page_of(bus, SimilarMovies(movie_id=900002))
    assert [title.title for title in found.results] == ["Paper Lanterns"]
    assert found.results[0].year == 2023
    assert found.results[0].poster_url == f"{sandbox.tmdb_url}/t/p/w342/p900002.jpg"
    assert found.results[0].backdrop_url == f"{sandbox.tmdb_url}/t/p/w1280/b900002.jpg"
    assert popular.results[0].id == 900001
    assert len(popular.results) == 20
    assert popular.total_results > popular.page == 1
    assert [t.rating for t in top.results] == sorted((t.rating for t in top.results), reverse=True)
    assert similar.results
    assert 900002 not in [title.id for title in similar.results]


@pytest.mark.usefixtures("catalog")
async def test_further_pages_and_pages_that_do_not_exist(bus: Bus) -> None:
    first = await page_of(bus, ListMovies(list="popular", page=1))
    second = await page_of(bus, ListMovies(list="popular", page=2))
    assert second.page == 2
    assert not {title.id for title in first.results} & {title.id for title in second.results}
    for number in (0, -1, 501, 10**9):
        assert await page_of(bus, ListMovies(list="popular", page=number)) == first


@pytest.mark.usefixtures("catalog")
async def test_details(bus: Bus) -> None:
    told = await movie(bus, 900002)
    assert (told.title, told.runtime_min, told.imdb_id) == ("Paper Lanterns", 96, "tt9000002")
    assert told.genres == ("Animation", "Adventure", "Family")
    assert (told.cast[0].name, told.cast[0].role) == ("Mei Tarrant", "Suyin")
    assert [person.role for person in told.crew] == ["Director", "Original Music Composer"]


@pytest.mark.usefixtures("catalog")
@pytest.mark.parametrize(
    "query",
    [
        SearchMovies(query=""),
        SearchMovies(query=" \t\n"),
        SearchMovies(query="x" * 201),
        GetMovie(movie_id=0),
        GetMovie(movie_id=-603),
        GetMovie(movie_id=2**31),
        SimilarMovies(movie_id=0),
    ],
    ids=repr,
)
async def test_wrong_questions(bus: Bus, sandbox: Sandbox, query: Query) -> None:
    assert (await refusal(bus, query)).code is ErrorCode.INVALID_INPUT
    assert not sandbox.counters.http


@pytest.mark.usefixtures("catalog")
@pytest.mark.parametrize(
    ("status", "code", "words"),
    [
        (401, ErrorCode.TMDB_ERROR, "TMDB does not accept the key"),
        (404, ErrorCode.NOT_FOUND, "isn't on TMDB"),
        (429, ErrorCode.TMDB_ERROR, "TMDB asks us to slow down"),
        (500, ErrorCode.TMDB_ERROR, "TMDB has trouble of its own"),
    ],
)
async def test_each_fault_has_its_code(
    bus: Bus, sandbox: Sandbox, status: int, code: ErrorCode, words: str
) -> None:
    sandbox.faults.set(Faults(tmdb=TmdbFaults(status=status)))  # pyright: ignore[reportArgumentType]  (one of its statuses)
    with capture_logs() as logs:
        error = await refusal(bus, GetMovie(movie_id=900001))
    assert error.code is code
    assert words in error.message
    assert sandbox.tmdb_token not in error.message + json.dumps(logs, default=repr)


@pytest.mark.usefixtures("catalog")
@pytest.mark.parametrize("query", [SearchMovies(query="lanterns"), ListMovies(list="popular")], ids=repr)
async def test_a_list_that_is_not_there_is_a_wrong_address(bus: Bus, sandbox: Sandbox, query: Query) -> None:
    sandbox.faults.set(Faults(tmdb=TmdbFaults(status=404)))
    error = await refusal(bus, query)
    assert error.code is ErrorCode.TMDB_ERROR
    assert "check [tmdb] url" in error.message


@pytest.mark.usefixtures("catalog")
async def test_a_title_that_is_not_there(bus: Bus) -> None:
    assert (await refusal(bus, GetMovie(movie_id=1))).code is ErrorCode.NOT_FOUND


@pytest.mark.parametrize(
    ("token", "code", "words"),
    [
        ("", ErrorCode.INTERNAL_ERROR, "No TMDB key is set: put it into [tmdb] token or TMDB_API_KEY"),
        ("not-the-token", ErrorCode.TMDB_ERROR, "TMDB does not accept the key"),
    ],
)
async def test_wrong_keys(
    bus: Bus, settings: Settings, sandbox: Sandbox, token: str, code: ErrorCode, words: str
) -> None:
    wrong = Settings(
        data_dir=settings.data_dir, nats=settings.nats, tmdb=Tmdb(url=sandbox.tmdb_url, token=token)
    )
    async with catalog_of(wrong) as service:
        await asyncio.sleep(0.2)
        error = await refusal(bus, ListMovies(list="popular"))
        assert await service.health.troubles() == []
    assert error.code is code
    assert words in error.message
    assert not token or token not in error.message


class Clock:
    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


class Direct:
    """The catalog without its wires, so that its clock can be moved."""

    def __init__(self, catalog: Catalog, kept: Kept, clock: Clock) -> None:
        self.catalog = catalog
        self.kept = kept
        self.clock = clock

    async def popular(self) -> MoviePage:
        return await self.catalog.list(ListMovies(list="popular"))

    async def lanterns(self) -> MovieDetails:
        return await self.catalog.movie(GetMovie(movie_id=LANTERNS))


@asynccontextmanager
async def direct(url: str, token: str, directory: Path) -> AsyncGenerator[Direct]:
    clock = Clock()
    cache = Cache(directory / "catalog.sqlite3", rows_max=1000, clock=clock)
    await cache.open()
    titles = Titles(directory / "titles.sqlite3", url, clock=clock)
    await titles.open()
    client = tmdb.Tmdb(Tmdb(url=url, token=token), user_agent="test")
    kept = Kept(cache, url)
    yield Direct(Catalog(client, kept, titles), kept, clock)
    await kept.close()
    await client.close()
    await titles.close()
    await cache.close()


@pytest.fixture
async def box(sandbox: Sandbox, tmp_path: Path) -> AsyncIterator[Direct]:
    async with direct(sandbox.tmdb_url, sandbox.tmdb_token, tmp_path) as box:
        yield box


async def test_asks_again_only_after_an_hour(box: Direct, sandbox: Sandbox) -> None:
    counted = [0]
    for seconds in (0.0, 0.0, LISTS_FRESH_S - 1, 2.0):
        box.clock.now += seconds
        await box.popular()
        counted.append(sandbox.counters.http["tmdb /3/movie/popular"])
    assert counted == [0, 1, 1, 1, 2]
    assert sandbox.counters.http["tmdb /3/configuration"] == 1


async def test_many_at_once_cost_one_request(box: Direct, sandbox: Sandbox) -> None:
    first = await asyncio.gather(*(box.popular() for _ in range(20)))
    box.clock.now += 2 * LISTS_FRESH_S
    again = await asyncio.gather(*(box.popular() for _ in range(20)))
    assert all(page == first[0] for page in first + again)
    assert sandbox.counters.http["tmdb /3/movie/popular"] == 2


async def test_many_at_once_share_a_failure_and_the_next_one_tries_again(
    box: Direct, sandbox: Sandbox
) -> None:
    sandbox.faults.set(Faults(tmdb=TmdbFaults(status=500)))
    failed = await asyncio.gather(*(box.popular() for _ in range(20)), return_exceptions=True)
    asked = sandbox.counters.http["tmdb /3/movie/popular"]
    sandbox.faults.clear()
    assert all(isinstance(error, ServiceError) for error in failed)
    assert asked == 1
    assert (await box.popular()).results


async def test_who_goes_away_takes_no_answer_from_the_others(box: Direct, sandbox: Sandbox) -> None:
    sandbox.faults.set(Faults(tmdb=TmdbFaults(hang=True)))
    impatient = asyncio.create_task(box.popular())
    patient = asyncio.create_task(box.popular())
    async with asyncio.timeout(5):
        while not sandbox.counters.http["tmdb /3/movie/popular"]:
            await asyncio.sleep(0.01)
    impatient.cancel()
    await asyncio.wait((impatient,))
    assert not patient.done()
    await box.kept.close()
    await asyncio.wait((patient,))
    assert impatient.cancelled()
    assert patient.cancelled()
    assert sandbox.counters.http["tmdb /3/movie/popular"] == 1


@pytest.mark.parametrize("fault", [TmdbFaults(status=500), TmdbFaults(status=429), TmdbFaults(hang=True)])
async def test_stale_is_better_than_nothing(box: Direct, sandbox: Sandbox, fault: TmdbFaults) -> None:
    fresh = await box.popular()
    box.clock.now += 10 * LISTS_FRESH_S
    sandbox.faults.set(Faults(tmdb=fault))
    assert await box.popular() == replace(fresh, is_stale=True)
    sandbox.faults.clear()
    assert not (await box.popular()).is_stale


async def test_a_known_title_costs_no_request_for_a_day(box: Direct, sandbox: Sandbox) -> None:
    counted = [0]
    for seconds in (0.0, 0.0, FRESH_S - 1, 2.0):
        box.clock.now += seconds
        await box.lanterns()
        counted.append(sandbox.counters.http[f"tmdb /3/movie/{LANTERNS}"])
    assert counted == [0, 1, 1, 1, 2]


@pytest.mark.parametrize("fault", [TmdbFaults(status=500), TmdbFaults(status=429)])
async def test_a_known_title_is_told_though_tmdb_is_down_and_marked_once_it_is_old(
    box: Direct, sandbox: Sandbox, fault: TmdbFaults
) -> None:
    fresh = await box.lanterns()
    sandbox.faults.set(Faults(tmdb=fault))
    assert await box.lanterns() == fresh
    box.clock.now += 30 * FRESH_S
    assert await box.lanterns() == replace(fresh, is_stale=True)


async def test_a_title_that_left_tmdb_leaves_the_catalog(box: Direct, sandbox: Sandbox) -> None:
    await box.lanterns()
    box.clock.now += 2 * FRESH_S
    for status, words in ((404, "isn't on TMDB"), (500, "trouble of its own")):
        sandbox.faults.set(Faults(tmdb=TmdbFaults(status=status)))  # pyright: ignore[reportArgumentType]  (one of its statuses)
        with pytest.raises(ServiceError, match=words):
            await box.lanterns()


async def test_titles_outlive_a_restart_and_not_another_tmdb(
    box: Direct, sandbox: Sandbox, tmp_path: Path
) -> None:
    await box.lanterns()
    for url, known in ((sandbox.tmdb_url, True), ("http://127.0.0.1:1", False), (sandbox.tmdb_url, False)):
        titles = Titles(tmp_path / "titles.sqlite3", url, clock=box.clock)
        await titles.open()
        assert bool(await titles.get(LANTERNS)) is known
        await titles.close()


async def test_genres_in_a_language_and_their_films(box: Direct) -> None:
    english, german = [
        {genre.id: genre.name for genre in (await box.catalog.genres(ListGenres(language=language))).genres}
        for language in ("en", "de-DE")
    ]
    found = await box.catalog.genre(GenreMovies(genre_id=16))
    assert (english[16], german[16], german[12]) == ("Animation", "Animation", "Abenteuer")
    assert english.keys() == german.keys()
    assert LANTERNS in [movie.id for movie in found.results]
    assert found.total_results < (await box.popular()).total_results


@pytest.mark.parametrize("language", ["", "english", "DE", "de_DE", "de-DE&page=2"])
async def test_what_is_no_language_is_not_asked(box: Direct, sandbox: Sandbox, language: str) -> None:
    with pytest.raises(ServiceError, match="A language is such as"):
        await box.catalog.genres(ListGenres(language=language))
    assert not sandbox.counters.http


async def test_a_refused_key_is_not_hidden_by_old_answers(box: Direct, sandbox: Sandbox) -> None:
    await box.popular()
    box.clock.now += 10 * LISTS_FRESH_S
    sandbox.faults.set(Faults(tmdb=TmdbFaults(status=401)))
    with pytest.raises(ServiceError, match="does not accept the key"):
        await box.popular()


async def test_another_address_gets_none_of_the_first_ones_answers(box: Direct, tmp_path: Path) -> None:
    await box.popular()
    async with direct("http://127.0.0.1:1", "token", tmp_path) as other:
        other.clock.now = box.clock.now
        with pytest.raises(ServiceError) as raised:
            await other.popular()
    assert raised.value.code is ErrorCode.TMDB_ERROR


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>Log in</html>",
        b"[1, 2]",
        b'{"results": [{"id": "x"}]}',
        b'{"results": [{"id": 1, "title": "\xff"}]}',
        b'{"x":' + b"[" * 100_000,
    ],
    ids=["empty", "html", "list", "types", "utf-8", "deep"],
)
async def test_answers_that_are_none(tmp_path: Path, body: bytes) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n" % len(body)
        writer.write(head + body)
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        async with direct(f"http://127.0.0.1:{port}", "token", tmp_path) as box:
            with pytest.raises(ServiceError) as raised:
                await box.popular()
    assert raised.value.code is ErrorCode.TMDB_ERROR
    assert "can't be read" in raised.value.message
