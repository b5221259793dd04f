"""What is sent to the gateway, and its answers when that is wrong."""

import itertools
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx

from libs.common.bus import Bus
from tests.support.gateway import (
    BROKEN_CATALOG_MOVIE,
    MOVIE_WITHOUT_IMDB,
    MOVIES,
    UNKNOWN_MOVIE,
    bearer,
    gateway,
    refusal,
)

WRONG_ORDERS: list[tuple[object, str]] = [
    (None, "body"),
    ([], "object"),
    ({}, "mode is missing"),
    ({"mode": "later"}, "'auto' or 'manual'"),
    ({"mode": 1}, "mode must be a text."),
    ({"mode": "manual", "release_id": 5}, "release_id must be a text."),
    ({"mode": "auto", "quality_preference": []}, "quality_preference must be a text."),
    ({"mode": "manual"}, "release_id"),
    ({"mode": "manual", "release_id": ""}, "release_id"),
    ({"mode": "manual", "release_id": "x" * 301}, "release_id"),
    ({"mode": "auto", "quality_preference": "8K"}, "'720p', '1080p' or '4K'"),
    ({"mode": "auto", "quality": "4K"}, "quality is not a field"),
]


async def test_a_wrong_order_is_refused_in_words(owner: httpx.AsyncClient) -> None:
    for order, sentence in WRONG_ORDERS:
        response = await owner.post(f"{MOVIES}/movies/5/fetch", json=order)
        assert refusal(response) == (400, "INVALID_INPUT"), order
        assert sentence in response.json()["error"]
    assert (await owner.get(f"{MOVIES}/jobs")).json()["total"] == 0


REFUSED = [
    ("/movies/0", 400, "INVALID_INPUT"),
    ("/movies/-1", 400, "INVALID_INPUT"),
    ("/movies/abc", 400, "INVALID_INPUT"),
    ("/movies/1.5", 400, "INVALID_INPUT"),
    ("/movies/٣", 400, "INVALID_INPUT"),
    ("/movies/99999999999999999999", 400, "INVALID_INPUT"),
    ("/movies/abc/similar", 400, "INVALID_INPUT"),
    ("/genres/0/movies", 400, "INVALID_INPUT"),
    ("/genres/action/movies", 400, "INVALID_INPUT"),
    ("/movies/abc/releases", 400, "INVALID_INPUT"),
    ("/movies/abc/stream", 400, "INVALID_INPUT"),
    ("/movies/job_x/stream", 400, "INVALID_INPUT"),
    ("/movies/5/stream", 404, "NOT_FOUND"),
    ("/movies/job_1_ab/stream", 404, "NOT_FOUND"),
    (f"/movies/{UNKNOWN_MOVIE}", 404, "NOT_FOUND"),
    (f"/movies/{UNKNOWN_MOVIE}/releases", 404, "NOT_FOUND"),
    (f"/movies/{BROKEN_CATALOG_MOVIE}", 502, "TMDB_ERROR"),
    ("/search", 400, "INVALID_INPUT"),
    ("/search?query=%20%20", 400, "INVALID_INPUT"),
    (f"/search?query={'x' * 201}", 400, "INVALID_INPUT"),
    ("/jobs/job_1", 400, "INVALID_INPUT"),
    ("/jobs/..%2f..%2fsecret.key", 404, "NOT_FOUND"),
    ("/jobs/job_1_AB", 400, "INVALID_INPUT"),
    ("/jobs/job_1_ab", 404, "NOT_FOUND"),
    ("/jobs?limit=0", 400, "INVALID_INPUT"),
    ("/jobs?limit=101", 400, "INVALID_INPUT"),
    ("/jobs?limit=x", 400, "INVALID_INPUT"),
    ("/jobs?offset=-1", 400, "INVALID_INPUT"),
    ("/jobs?offset=99999999999999999999", 400, "INVALID_INPUT"),
    ("/jobs?status=sleeping", 400, "INVALID_INPUT"),
    ("/nothing", 404, "NOT_FOUND"),
]


async def test_errors_have_their_status_and_code(owner: httpx.AsyncClient) -> None:
    for path, status, code in REFUSED:
        assert refusal(await owner.get(f"{MOVIES}{path}")) == (status, code), path


async def test_an_empty_status_is_none_and_an_unknown_one_is_told_which_there_are(
    owner: httpx.AsyncClient,
) -> None:
    assert (await owner.get(f"{MOVIES}/jobs?status=")).status_code == 200
    error = (await owner.get(f"{MOVIES}/jobs?status=sleeping")).json()["error"]
    assert error == "status can be queued, downloading, preparing, ready, error, deleted."


PAGED = ("/popular", "/top", "/trending", "/genres/28/movies", "/movies/5/similar")
PAGES = [("", 1), ("?page=3", 3), ("?page=x", 1), ("?page=0", 1), (f"?page={10**30}", 1)]


async def test_a_page_that_is_none_is_the_first(owner: httpx.AsyncClient) -> None:
    for path, (asked, got) in itertools.product(PAGED, PAGES):
        assert (await owner.get(f"{MOVIES}{path}{asked}")).json()["page"] == got, (path, asked)


async def test_releases_are_shown_without_their_address(owner: httpx.AsyncClient) -> None:
    response = await owner.get(f"{MOVIES}/movies/5/releases")
    assert [release["id"] for release in response.json()["releases"]] == ["r1", "r2"]
    assert "nzb" not in response.text
    # It is looked for by its title and year.
    without = await owner.get(f"{MOVIES}/movies/{MOVIE_WITHOUT_IMDB}/releases")
    assert without.json() == response.json()


async def events_of(client: httpx.AsyncClient, movie_id: int) -> list[tuple[str, dict[str, Any]]]:
    """The events of a list of releases: names and data."""
    events = await client.get(f"{MOVIES}/movies/{movie_id}/releases/events")
    assert events.headers["content-type"].startswith("text/event-stream")
    assert "nzb" not in events.text
    told = [event.splitlines() for event in events.text.strip().split("\n\n")]
    return [(name.removeprefix("event: "), json.loads(data.removeprefix("data: "))) for name, data in told]


async def test_releases_come_as_indexers_answer(owner: httpx.AsyncClient) -> None:
    first, second, last = await events_of(owner, 5)
    asked = {"name": "A", "state": "asked", "found": 0, "message": ""}
    dead = {"name": "B", "state": "failed", "found": 0, "message": "B can't be reached."}
    assert first == ("releases", {"releases": [], "indexers": [asked, dead]})
    whole = (await owner.get(f"{MOVIES}/movies/5/releases")).json()
    answered = {"name": "A", "state": "answered", "found": 2, "message": ""}
    assert second == ("releases", {**whole, "indexers": [answered, dead]})
    assert last == ("done", {})


async def test_that_no_indexer_answered_is_the_last_event(owner: httpx.AsyncClient) -> None:
    first, last = await events_of(owner, MOVIE_WITHOUT_IMDB)
    assert first[0] == "releases"
    assert last == ("failed", {"error": "B can't be reached.", "code": "NZBGEEK_ERROR"})


async def test_events_of_releases_are_refused_as_everything_is(
    owner: httpx.AsyncClient, stranger: httpx.AsyncClient
) -> None:
    path = f"{MOVIES}/movies/{{}}/releases/events"
    assert refusal(await owner.get(path.format("abc"))) == (400, "INVALID_INPUT")
    assert refusal(await owner.get(path.format(UNKNOWN_MOVIE))) == (404, "NOT_FOUND")
    assert refusal(await stranger.get(path.format(5))) == (401, "UNAUTHORIZED")


async def test_a_service_that_is_away_is_told_in_words(bus: Bus, tmp_path: Path) -> None:
    async with gateway(bus, tmp_path / "data") as running, running.client() as client:
        response = await client.get(f"{MOVIES}/popular", headers={"authorization": bearer("cli")})
    assert refusal(response) == (500, "INTERNAL_ERROR")
    assert "catalog" in response.json()["error"]


UNREADABLE = [
    b"[" * 60_000,
    b'{"a":' * 10_000,
    b'{"password":"\xff"}',
    b"\xff",
    b"{",
    b'{"password":"\\ud800"}',
]


async def test_a_body_that_can_not_be_read_is_nobodys_fault_but_the_senders(
    owner: httpx.AsyncClient, stranger: httpx.AsyncClient
) -> None:
    doors = [(stranger, "/auth/login"), (stranger, "/auth/setup"), (owner, f"{MOVIES}/movies/5/fetch")]
    for (client, path), content in itertools.product(doors, UNREADABLE):
        response = await client.post(path, content=content, headers={"content-type": "application/json"})
        assert refusal(response) == (400, "INVALID_INPUT"), (path, content[:20])


async def test_a_body_that_does_not_say_it_is_json_is_refused(stranger: httpx.AsyncClient) -> None:
    content = b'{"password": "correct horse battery"}'
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", ""):
        response = await stranger.post("/auth/setup", content=content, headers={"content-type": kind})
        assert refusal(response) == (400, "INVALID_INPUT"), kind
        assert "application/json" in response.json()["error"]
    headers = {"content-type": "Application/JSON; charset=utf-8"}
    assert (await stranger.post("/auth/setup", content=content, headers=headers)).status_code == 200


async def test_a_body_has_a_bound(owner: httpx.AsyncClient) -> None:
    async def endless() -> AsyncIterator[bytes]:
        for _ in range(100):
            yield b"x" * 1024

    for content in (b"x" * 70_000, endless()):
        response = await owner.post(f"{MOVIES}/movies/5/fetch", content=content)
        assert refusal(response) == (413, "INVALID_INPUT")
