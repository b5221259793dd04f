"""Which file a path is: one of the built page, never another."""

from pathlib import Path

import httpx
import pytest
from litestar import Litestar

from services.streamer.api.errors import HANDLERS
from services.streamer.api.pages import find, page_routes


@pytest.fixture
def dist(tmp_path: Path) -> Path:
    root = tmp_path / "dist"
    (root / "assets").mkdir(parents=True)
    (root / "index.html").write_text("page")
    (root / "assets" / "a.js").write_text("script")
    (tmp_path / "secret.key").write_text("secret")
    (root / "link").symlink_to(tmp_path / "secret.key")
    return root


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("assets/a.js", True),
        ("index.html", True),
        ("", False),
        ("assets", False),
        ("assets/b.js", False),
        ("../secret.key", False),
        ("assets/../../secret.key", False),
        ("/etc/passwd", False),
        ("link", False),
        ("a\0b", False),
        ("x" * 5000, False),
    ],
)
def test_only_what_was_built_is_found(dist: Path, path: str, found: bool) -> None:
    assert (find(dist, path) is not None) is found


@pytest.mark.parametrize(
    ("method", "path", "accept", "status", "body", "cache"),
    [
        ("GET", "/", "*/*", 200, "page", "no-cache"),
        ("GET", "/movie/603", "text/html,*/*;q=0.8", 200, "page", "no-cache"),
        ("GET", "/index.html", "*/*", 200, "page", "no-cache"),
        ("GET", "/assets/a.js", "*/*", 200, "script", "public, max-age=31536000, immutable"),
        ("HEAD", "/movie/603", "text/html", 200, "", "no-cache"),
        ("GET", "/movie/603", "application/json", 404, None, None),
        ("GET", "/assets/gone.js", "text/html", 404, None, None),
        ("GET", "/api/nothing", "text/html", 404, None, None),
        ("GET", "/files/x", "text/html", 404, None, None),
        ("POST", "/movie/603", "text/html", 405, None, None),
    ],
)
async def test_the_page_is_for_its_own_addresses(
    dist: Path, method: str, path: str, accept: str, status: int, body: str | None, cache: str | None
) -> None:
    async with client_of(dist) as client:
        response = await client.request(method, path, headers={"accept": accept})
        assert response.status_code == status
        assert response.headers.get("cache-control") == cache
        assert body is None or response.text == body


async def test_a_browser_that_has_it_is_told_so(dist: Path) -> None:
    async with client_of(dist) as client:
        etag = (await client.get("/")).headers["etag"]
        again = await client.get("/", headers={"if-none-match": etag})
        assert (again.status_code, again.content) == (304, b"")
        (dist / "index.html").write_text("a newer page")
        assert (await client.get("/", headers={"if-none-match": etag})).text == "a newer page"


async def test_a_page_that_was_never_built_is_told_in_words(tmp_path: Path) -> None:
    async with client_of(tmp_path / "dist") as client:
        response = await client.get("/")
        assert (response.status_code, response.json()["code"]) == (404, "NOT_FOUND")


def client_of(dist: Path) -> httpx.AsyncClient:
    app = Litestar([page_routes(dist)], exception_handlers=HANDLERS, openapi_config=None, logging_config=None)
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://box")
