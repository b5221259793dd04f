"""The page, the reference, the health endpoints, and what keeps a browser safe."""

import json

import httpx

from tests.support.gateway import (
    MOVIES,
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
