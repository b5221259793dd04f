"""The sandbox's TMDB over HTTP, without films."""

import asyncio
import io
import socket
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from PIL import Image

from libs.sandbox.faults import Counters, Faults, FaultSwitch, TmdbFaults
from libs.sandbox.series import load_broadcasts
from libs.sandbox.titles import Programme, load_titles
from libs.sandbox.tmdb import Tmdb
from libs.sandbox.web import WebServer


@pytest.fixture
def faults() -> FaultSwitch:
    return FaultSwitch()


@pytest.fixture
def programme() -> Programme:
    return Programme(load_titles())


@pytest.fixture
async def tmdb(programme: Programme, faults: FaultSwitch) -> AsyncIterator[Tmdb]:
    served = Tmdb(programme, faults, Counters(), token="token", broadcasts=load_broadcasts())
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = WebServer(served.handle, listener)
        served.base_url = server.url
        serving = asyncio.create_task(server.serve())
        yield served
        server.close()
        await serving


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    headers = {"authorization": "Bearer token"}
    async with httpx.AsyncClient(headers=headers, trust_env=False) as client:
        yield client


async def get_tmdb(http: httpx.AsyncClient, tmdb: Tmdb, path: str) -> dict:
    answer = await http.get(f"{tmdb.base_url}/3{path}")
    assert answer.status_code == 200
    return answer.json()


@pytest.mark.parametrize(
    ("query", "titles"),
    [
        ("long intermission", ["The Long Intermission"]),
        ("LONG INTER", ["The Long Intermission"]),
        ("cartographers", ["The Cartographer's Apology"]),
        ("ntermission", []),
        ("", []),
        ("no such film", []),
    ],
)
async def test_a_search_matches_beginnings_of_words(
    tmdb: Tmdb, http: httpx.AsyncClient, query: str, titles: list[str]
) -> None:
    page = await get_tmdb(http, tmdb, f"/search/movie?query={query}")
    assert [result["title"] for result in page["results"]] == titles
    assert page["total_results"] == len(titles)


async def test_lists_have_pages_of_twenty(tmdb: Tmdb, http: httpx.AsyncClient) -> None:
    first = await get_tmdb(http, tmdb, "/movie/popular")
    second = await get_tmdb(http, tmdb, "/movie/popular?page=2")
    results = first["results"] + second["results"]
    assert (first["page"], first["total_pages"], len(first["results"])) == (1, 2, 20)
    assert first["total_results"] == len({result["id"] for result in results}) == len(results) == 40
    popularity = [result["popularity"] for result in results]
    assert popularity == sorted(popularity, reverse=True)


async def test_top_rated_is_ordered_by_rating(tmdb: Tmdb, http: httpx.AsyncClient) -> None:
    ratings = [r["vote_average"] for r in (await get_tmdb(http, tmdb, "/movie/top_rated"))["results"]]
    assert ratings == sorted(ratings, reverse=True)


async def test_details_have_what_was_asked_to_be_appended(tmdb: Tmdb, http: httpx.AsyncClient) -> None:
    plain = await get_tmdb(http, tmdb, "/movie/900001")
    full = await get_tmdb(http, tmdb, "/movie/900001?append_to_response=credits,external_ids,unknown")
    assert plain["imdb_id"] == full["external_ids"]["imdb_id"] == "tt9000001"
    assert plain["genres"] == [{"id": 18, "name": "Drama"}, {"id": 35, "name": "Comedy"}]
    assert set(full) - set(plain) == {"credits", "external_ids"}
    assert full["credits"]["cast"][0]["character"] == "Marthe"
    assert [member["job"] for member in full["credits"]["crew"]] == ["Director", "Screenplay"]


async def test_a_series_has_the_seasons_that_were_asked_to_be_appended(
    tmdb: Tmdb, http: httpx.AsyncClient
) -> None:
    plain = await get_tmdb(http, tmdb, "/tv/910003")
    full = await get_tmdb(http, tmdb, "/tv/910003?append_to_response=external_ids,season/0,season/2,season/7")
    season = await get_tmdb(http, tmdb, "/tv/910003/season/2")
    assert [(s["season_number"], s["episode_count"]) for s in plain["seasons"]] == [(0, 1), (1, 12), (2, 24)]
    assert set(full) - set(plain) == {"external_ids", "season/0", "season/2"}
    assert full["season/2"] == season
    assert [e["episode_number"] for e in season["episodes"]] == list(range(1, 25))
    days = [e["air_date"] for e in season["episodes"]]
    assert (days[0], days[11], days[12]) == ("2022-04-03", "2022-06-19", "2022-09-25")
    ids = await get_tmdb(http, tmdb, "/tv/910003/external_ids")
    assert ids == {"id": 910003} | full["external_ids"]


async def test_similar_titles_share_a_genre(tmdb: Tmdb, http: httpx.AsyncClient) -> None:
    results = (await get_tmdb(http, tmdb, "/movie/900004/similar"))["results"]
    assert 900004 not in [result["id"] for result in results]
    assert all({878, 9648} & set(result["genre_ids"]) for result in results)


@pytest.mark.parametrize(
    ("size", "suffix", "pixels"),
    [
        ("w342", "poster_path", (342, 513)),
        ("original", "poster_path", (500, 750)),
        ("w1280", "backdrop_path", (1280, 720)),
    ],
)
async def test_images_are_where_the_configuration_says(
    tmdb: Tmdb, http: httpx.AsyncClient, size: str, suffix: str, pixels: tuple[int, int]
) -> None:
    base = (await get_tmdb(http, tmdb, "/configuration"))["images"]["secure_base_url"]
    path = (await get_tmdb(http, tmdb, "/movie/900005"))[suffix]
    image = await http.get(f"{base}{size}{path}")
    assert image.headers["content-type"] == "image/jpeg"
    assert Image.open(io.BytesIO(image.content)).size == pixels
    assert (await http.get(f"{base}w13{path}")).status_code == 404


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/movie/1", 404, 34),
        ("/nowhere", 404, 34),
        ("/tv/1", 404, 34),
        ("/tv/910001/season/9", 404, 34),
        ("/tv/910001?append_to_response=" + ",".join(f"season/{n}" for n in range(21)), 400, 27),
        ("/movie/900001/secrets", 404, 34),
        ("/movie/popular?page=0", 400, 22),
        ("/movie/popular?page=501", 400, 22),
        ("/movie/changes?page=0", 400, 22),
        ("/movie/changes?start_date=2026-01-01&end_date=2026-01-16", 400, 20),
        ("/movie/changes?start_date=2026-01-02&end_date=2026-01-01", 400, 20),
    ],
)
async def test_tmdb_errors_have_its_shape(
    tmdb: Tmdb, http: httpx.AsyncClient, path: str, status: int, code: int
) -> None:
    answer = await http.get(f"{tmdb.base_url}/3{path}")
    assert (answer.status_code, answer.json()["status_code"], answer.json()["success"]) == (
        status,
        code,
        False,
    )


async def test_a_wrong_token_is_refused(tmdb: Tmdb, http: httpx.AsyncClient) -> None:
    answer = await http.get(f"{tmdb.base_url}/3/movie/popular", headers={"authorization": "Bearer x"})
    assert (answer.status_code, answer.json()["status_code"]) == (401, 7)


@pytest.mark.parametrize(("status", "code"), [(401, 7), (404, 34), (429, 25), (500, 11)])
async def test_tmdb_can_fail(
    tmdb: Tmdb, http: httpx.AsyncClient, faults: FaultSwitch, status, code: int
) -> None:
    faults.set(Faults(tmdb=TmdbFaults(status=status)))
    answer = await http.get(f"{tmdb.base_url}/3/movie/popular")
    assert (answer.status_code, answer.json()["status_code"]) == (status, code)
    assert ("retry-after" in answer.headers) is (status == 429)


async def test_beyond_its_limit_it_says_when_to_come_again(
    tmdb: Tmdb, http: httpx.AsyncClient, faults: FaultSwitch
) -> None:
    faults.set(Faults(tmdb=TmdbFaults(requests_per_s=2, retry_after_s=7)))
    answers = [await http.get(f"{tmdb.base_url}/3/configuration") for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert answers[-1].headers["retry-after"] == "7"


async def test_changes_name_what_was_replaced_on_those_days(
    tmdb: Tmdb, http: httpx.AsyncClient, programme: Programme
) -> None:
    today = datetime.now(UTC).date()
    assert (await get_tmdb(http, tmdb, "/movie/changes"))["results"] == []
    for title in list(programme)[:2]:
        programme.add(title)
    told = await get_tmdb(http, tmdb, f"/movie/changes?start_date={today}&end_date={today}")
    assert [change["id"] for change in told["results"]] == [title.id for title in list(programme)[:2]]
    assert (told["page"], told["total_pages"], told["total_results"]) == (1, 1, 2)
    before = today - timedelta(days=3)
    told = await get_tmdb(http, tmdb, f"/movie/changes?start_date={before}&end_date={before}")
    assert told["results"] == []


async def test_genres_have_names_in_languages_and_films(tmdb: Tmdb, http: httpx.AsyncClient) -> None:
    told = await get_tmdb(http, tmdb, "/genre/movie/list?language=de-DE")
    assert {"id": 35, "name": "Komödie"} in told["genres"]
    films = (await get_tmdb(http, tmdb, "/discover/movie?with_genres=35,18"))["results"]
    assert films
    assert all({35, 18} <= set(film["genre_ids"]) for film in films)
    trending = (await get_tmdb(http, tmdb, "/trending/movie/week"))["results"]
    votes = [film["vote_count"] for film in trending]
    assert votes == sorted(votes, reverse=True)
