"""Who gets into the gateway, how, and how they are put out."""

import asyncio
import re
from pathlib import Path

import httpx
import pytest

from libs.common.bus import Bus
from tests.support.gateway import (
    MOVIES,
    PASSWORD,
    Running,
    bearer,
    gateway,
    refusal,
    sign_in,
)


async def test_two_set_ups_at_once_give_one_owner(house: Running) -> None:
    async def set_up(password: str) -> int:
        async with house.client() as client:
            return (await client.post("/auth/setup", json={"password": password})).status_code

    passwords = [f"password {number}" for number in range(5)]
    statuses = await asyncio.gather(*map(set_up, passwords))
    assert sorted(statuses) == [200, 409, 409, 409, 409]
    winner = passwords[statuses.index(200)]
    for password in passwords:
        async with house.client() as client:
            response = await client.post("/auth/login", json={"password": password})
            assert response.status_code == (200 if password == winner else 401)


async def test_a_password_has_8_to_200_characters(stranger: httpx.AsyncClient) -> None:
    for password in ("", "seven77", "x" * 201, " " * 8, "\t\u3000\xa0" * 4, None, 5):
        response = await stranger.post("/auth/setup", json={"password": password})
        assert refusal(response) == (400, "INVALID_INPUT"), password
    assert (await stranger.get("/auth/state")).json()["setup_required"] is True


async def test_the_state_says_where_one_stands(stranger: httpx.AsyncClient) -> None:
    assert (await stranger.get("/auth/state")).json() == {
        "mode": "owner",
        "setup_required": True,
        "signed_in": False,
        "csrf_token": None,
    }
    ticket = (await stranger.post("/auth/setup", json={"password": PASSWORD})).json()
    assert (ticket["token_type"], ticket["expires_in"]) == ("Bearer", 900)
    assert (await stranger.get("/auth/state")).json() == {
        "mode": "owner",
        "setup_required": False,
        "signed_in": True,
        "csrf_token": ticket["csrf_token"],
    }


@pytest.mark.parametrize(
    ("public_url", "secure"), [("https://films.example", True), ("http://box:8080", False)]
)
async def test_cookies_are_for_the_browser_only(
    bus: Bus, tmp_path: Path, public_url: str, secure: bool
) -> None:
    async with gateway(bus, tmp_path / "data", public_url=public_url) as running, running.client() as client:
        response = await client.post("/auth/setup", json={"password": PASSWORD})
    cookies = response.headers.get_list("set-cookie")
    assert [cookie.partition("=")[0] for cookie in cookies] == ["matinee_session", "matinee_refresh"]
    for cookie in cookies:
        attributes = {part.strip().lower() for part in cookie.split(";")[1:]}
        assert {"httponly", "samesite=strict", "path=/"} <= attributes
        assert ("secure" in attributes) is secure


async def test_a_refresh_token_is_good_once_and_its_reuse_ends_the_session(
    house: Running, browser: httpx.AsyncClient
) -> None:
    first = browser.cookies["matinee_refresh"]
    renewed = await browser.post("/auth/refresh")
    assert renewed.status_code == 200
    second = browser.cookies["matinee_refresh"]
    assert second != first
    access = {"authorization": f"Bearer {renewed.json()['access_token']}"}
    async with house.client() as thief:
        assert (await thief.get(f"{MOVIES}/jobs", headers=access)).status_code == 200
        thief.cookies.set("matinee_refresh", first)
        assert refusal(await thief.post("/auth/refresh")) == (401, "UNAUTHORIZED")
        assert refusal(await thief.get(f"{MOVIES}/jobs", headers=access)) == (401, "UNAUTHORIZED")
    assert refusal(await browser.post("/auth/refresh")) == (401, "UNAUTHORIZED")
    assert (await browser.get("/auth/state")).json()["signed_in"] is False


async def test_one_of_many_refreshes_at_once_wins_at_most(house: Running, browser: httpx.AsyncClient) -> None:
    token = browser.cookies["matinee_refresh"]

    async def refresh() -> int:
        async with house.client() as client:
            client.cookies.set("matinee_refresh", token)
            return (await client.post("/auth/refresh")).status_code

    statuses = await asyncio.gather(*(refresh() for _ in range(8)))
    assert statuses.count(200) <= 1
    assert set(statuses) <= {200, 401}


async def test_signing_out_ends_the_session_for_good(house: Running, browser: httpx.AsyncClient) -> None:
    access, refresh = browser.cookies["matinee_session"], browser.cookies["matinee_refresh"]
    response = await browser.post("/auth/logout")
    assert response.status_code == 204
    assert not browser.cookies
    async with house.client() as client:
        headers = {"authorization": f"Bearer {access}"}
        assert refusal(await client.get(f"{MOVIES}/jobs", headers=headers)) == (401, "UNAUTHORIZED")
        client.cookies.set("matinee_refresh", refresh)
        assert refusal(await client.post("/auth/refresh")) == (401, "UNAUTHORIZED")


async def test_a_cookie_changes_nothing_without_its_csrf_token(browser: httpx.AsyncClient) -> None:
    del browser.headers["x-csrf-token"]
    for headers in ({}, {"x-csrf-token": b""}, {"x-csrf-token": b"wrong"}, {"x-csrf-token": "é".encode()}):
        response = await browser.post(f"{MOVIES}/movies/5/fetch", json={"mode": "auto"}, headers=headers)
        assert refusal(response) == (403, "FORBIDDEN"), headers
    assert (await browser.get(f"{MOVIES}/jobs")).json()["total"] == 0


async def test_a_bearer_token_needs_no_csrf_token(stranger: httpx.AsyncClient) -> None:
    stranger.headers["authorization"] = bearer("cli")
    assert (await stranger.post(f"{MOVIES}/movies/5/fetch", json={"mode": "auto"})).status_code == 202


async def test_another_sites_page_can_not_sign_in(stranger: httpx.AsyncClient) -> None:
    for site in ("cross-site", "same-site"):
        headers = {"sec-fetch-site": site}
        response = await stranger.post("/auth/setup", json={"password": PASSWORD}, headers=headers)
        assert refusal(response) == (403, "FORBIDDEN"), site
    for origin in ("null", "http://evil.example", "https://127.0.0.1", "http://127.0.0.1:1", "garbage"):
        response = await stranger.post("/auth/setup", json={"password": PASSWORD}, headers={"origin": origin})
        assert refusal(response) == (403, "FORBIDDEN"), origin
    assert (await stranger.get("/auth/state", headers=headers)).json()["setup_required"] is True


async def test_the_gateways_own_page_can_sign_in_by_each_of_its_names(bus: Bus, tmp_path: Path) -> None:
    async with (
        gateway(bus, tmp_path / "data", public_url="https://films.example") as running,
        running.client() as client,
    ):
        await client.post("/auth/setup", json={"password": PASSWORD})
        for host, origin in (
            ("films.example", "https://films.example"),
            ("127.0.0.1:8080", "http://127.0.0.1:8080"),
            ("localhost:8080", "http://localhost:8080"),
            ("[::1]:8080", "http://[::1]:8080"),
        ):
            headers = {"host": host, "origin": origin}
            response = await client.post("/auth/login", json={"password": PASSWORD}, headers=headers)
            assert response.status_code == 200, host


async def test_a_name_that_is_not_the_gateways_is_refused(stranger: httpx.AsyncClient) -> None:
    for host in ("evil.example", "evil.example:8080", "localhost.evil.example", "x@localhost", ""):
        for path in ("/", "/auth/state", f"{MOVIES}/jobs", "/files/x", "/docs"):
            response = await stranger.get(path, headers={"host": host})
            assert refusal(response) == (421, "INVALID_INPUT"), (host, path)
        assert (await stranger.get("/healthz", headers={"host": host})).status_code == 200


async def test_guessing_passwords_gets_slower_for_who_guesses(house: Running) -> None:
    async with house.client() as client:
        await sign_in(client)
    wrong = {"password": "not the password"}
    async with house.client(address="127.0.0.6") as guesser:
        statuses = [(await guesser.post("/auth/login", json=wrong)).status_code for _ in range(5)]
        assert statuses == [401] * 5
        response = await guesser.post("/auth/login", json={"password": PASSWORD})
        assert refusal(response) == (429, "RATE_LIMITED")
        assert int(response.headers["retry-after"]) >= 1
        disguised = {"x-forwarded-for": "10.1.2.3", "forwarded": "for=10.1.2.3"}
        response = await guesser.post("/auth/login", json=wrong, headers=disguised)
        assert refusal(response) == (429, "RATE_LIMITED")
    async with house.client(address="127.0.0.7") as neighbour:
        assert (await neighbour.post("/auth/login", json={"password": PASSWORD})).status_code == 200


NOBODY = {
    "none": {},
    "garbage": {"authorization": "Bearer not.a.token"},
    "basic": {"authorization": "Basic b3duZXI6eA=="},
    "forged": {"authorization": bearer("cli", secret=b"another")},
    "expired": {"authorization": bearer("cli", ttl_s=-60)},
    "session gone": {"authorization": bearer("0" * 32)},
    "bad cookie": {"cookie": "matinee_session=x"},
}


async def test_nobody_else_gets_in(stranger: httpx.AsyncClient) -> None:
    document = (await stranger.get("/docs/openapi.json")).json()
    open_to_all = {"/auth/state", "/auth/setup", "/auth/login", "/auth/refresh", "/auth/logout"}
    operations = [(path, method) for path, item in document["paths"].items() for method in item]
    guarded = [(path, method) for path, method in operations if path not in open_to_all]
    assert len(guarded) == 23
    for who, credentials in NOBODY.items():
        for path, method in guarded:
            response = await stranger.request(method, re.sub("[{}]", "", path), headers=credentials)
            assert refusal(response) == (401, "UNAUTHORIZED"), (who, method, path)
