"""The sandbox's Jikan over HTTP."""

import asyncio
import socket
from collections.abc import AsyncIterator

import httpx
import pytest

from libs.sandbox.faults import Counters, Faults, FaultSwitch, JikanFaults
from libs.sandbox.jikan import Jikan
from libs.sandbox.series import load_broadcasts
from libs.sandbox.web import WebServer


@pytest.fixture
def faults() -> FaultSwitch:
    return FaultSwitch()


@pytest.fixture
async def http(faults: FaultSwitch) -> AsyncIterator[httpx.AsyncClient]:
    jikan = Jikan(load_broadcasts(), faults, Counters())
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = WebServer(jikan.handle, listener)
        serving = asyncio.create_task(server.serve())
        async with httpx.AsyncClient(base_url=f"{server.url}/jikan/v4", trust_env=False) as client:
            yield client
        server.close()
        await serving


async def test_an_entry_and_what_it_is_related_to(http: httpx.AsyncClient) -> None:
    plain = (await http.get("/anime/920003")).json()["data"]
    full = (await http.get("/anime/920003/full")).json()["data"]
    assert (plain["title_english"], plain["type"], plain["episodes"]) == (
        "Clockwork Tanuki Season 2",
        "TV",
        12,
    )
    assert {r["relation"]: [e["mal_id"] for e in r["entry"]] for r in full["relations"]} == {
        "Prequel": [920001, 920002],
        "Sequel": [920004],
    }
    assert "relations" not in plain


async def test_episodes_have_pages_of_a_hundred(http: httpx.AsyncClient) -> None:
    last = (await http.get("/anime/920010/episodes?page=3")).json()
    assert [e["mal_id"] for e in last["data"]] == list(range(201, 231))
    assert last["pagination"] == {"last_visible_page": 3, "has_next_page": False}
    assert (await http.get("/anime/920010/episodes")).json()["pagination"]["has_next_page"]


async def test_a_fourth_request_in_a_second_is_too_much(http: httpx.AsyncClient) -> None:
    answers = [await http.get("/anime/920001") for _ in range(4)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    assert answers[3].json()["type"] == "RateLimitException"


@pytest.mark.parametrize(
    ("path", "status"),
    [("/anime/1", 404), ("/nowhere", 404), ("/anime/920001/episodes?page=0", 400)],
)
async def test_errors(http: httpx.AsyncClient, path: str, status: int) -> None:
    answer = await http.get(path)
    assert (answer.status_code, answer.json()["status"]) == (status, status)


@pytest.mark.parametrize("status", [404, 429, 500, 503])
async def test_jikan_can_fail(http: httpx.AsyncClient, faults: FaultSwitch, status) -> None:
    faults.set(Faults(jikan=JikanFaults(status=status)))
    assert (await http.get("/anime/920001")).status_code == status
