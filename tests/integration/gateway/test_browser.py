"""The page, the reference, the health endpoints, and what keeps a browser safe."""

import json

import httpx

from services.streamer.push import MAX_OF_SESSION
from tests.support.gateway import (
    MOVIES,
    bearer,
    refusal,
)


async def test_every_answer_keeps_the_browser_safe(stranger: httpx.AsyncClient) -> None:
    for path in (
        "/",
        "/movie/5",
        "/api/nothing",
        "/auth/state",
        "/docs",
        "/healthz",
        "/files/x",
        "/v1/events",
    ):
        headers = (await stranger.get(path, headers={"accept": "text/html"})).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert "default-src 'self'" in headers["content-security-policy"]
        assert "unsafe" not in headers["content-security-policy"]


async def test_health_is_answered_in_the_gateway(stranger: httpx.AsyncClient) -> None:
    answered = [
        path
        for path in ("/healthz", "/readyz", "/version", "/metrics", "/readyz/x")
        if (await stranger.get(path)).status_code == 200
    ]
    assert answered == ["/healthz", "/readyz", "/version", "/metrics"]


async def test_head_is_get_without_the_body(stranger: httpx.AsyncClient) -> None:
    token = {"authorization": bearer("cli")}
    for path in (
        f"{MOVIES}/jobs",
        f"{MOVIES}/popular",
        "/auth/state",
        "/docs",
        "/docs/openapi.json",
        "/nothing",
    ):
        get, head = await stranger.get(path, headers=token), await stranger.head(path, headers=token)
        assert (head.status_code, head.content) == (get.status_code, b""), path
        assert head.headers["content-type"] == get.headers["content-type"]
        assert head.headers["content-length"] == str(len(get.content))
    assert (await stranger.head(f"{MOVIES}/jobs")).status_code == 401
    assert (await stranger.head(f"{MOVIES}/movies/5/fetch")).status_code == 405


async def test_head_of_a_stream_that_never_ends_does(stranger: httpx.AsyncClient) -> None:
    token = {"authorization": bearer("cli")}
    for _ in range(2 * MAX_OF_SESSION):
        head = await stranger.head("/v1/events", headers=token)
        assert (head.status_code, head.content) == (200, b"")
        assert head.headers["content-type"].startswith("text/event-stream")


NOT_THERE = [
    ("GET", "/v1/nothing", 404),
    ("GET", "/auth/nothing", 404),
    ("GET", "/docs/nothing", 404),
    ("GET", "/assets/nothing.js", 404),
    ("GET", "/nothing", 404),
    ("DELETE", "/auth/state", 405),
    ("POST", "/", 405),
    ("GET", f"{MOVIES}/movies/5/fetch", 405),
]


async def test_what_is_not_there_is_told_in_json(stranger: httpx.AsyncClient) -> None:
    for method, path, status in NOT_THERE:
        assert refusal(await stranger.request(method, path))[0] == status, path


async def test_the_reference_names_every_operation(stranger: httpx.AsyncClient) -> None:
    document = (await stranger.get("/docs/openapi.json")).json()
    page = (await stranger.get("/docs")).text
    for path in document["paths"]:
        assert path in page
    assert "<script" not in page
    assert "http://" not in page + json.dumps(document["servers"])
