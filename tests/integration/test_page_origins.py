"""Which pages' scripts may read films from the store: the gateway's own, by each of its names."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from libs.common.bus import Bus
from libs.common.objects import StoreError
from libs.common.objects.files import FilesStore
from libs.common.objects.s3 import S3Store
from libs.common.settings import Settings, Storage
from services.streamer.api.shell import content_security_policy
from tests.support.asgi_server import serving
from tests.support.gateway import SECRET, gateway
from tests.support.s3_server import rclone

NO_RULES = (404, "NoSuchCORSConfiguration")


class Bucket:
    """What an S3 server says of its CORS rules; `told` are the rules that it was given."""

    def __init__(self, status: int, code: str, put_status: int = 200) -> None:
        self.status, self.code, self.put_status = status, code, put_status
        self.told: list[str] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        assert scope["query_string"] == b"cors"
        status = self.status if scope["method"] == "GET" else self.put_status
        if scope["method"] == "PUT":
            self.told.append((await receive())["body"].decode())
        body = (
            f"<Error><Code>{self.code}</Code></Error>".encode() if status >= 400 else b"<CORSConfiguration/>"
        )
        headers = [(b"content-length", str(len(body)).encode()), (b"content-type", b"application/xml")]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})


@asynccontextmanager
async def store_at(endpoint: str) -> AsyncIterator[S3Store]:
    store = S3Store(
        endpoint=endpoint, bucket="films", region="auto", access_key_id="k", secret_access_key="s"
    )
    yield store
    await store.close()


async def test_a_bucket_without_rules_gets_one() -> None:
    bucket = Bucket(*NO_RULES)
    async with serving(bucket) as url, store_at(url) as store:
        await store.let_pages_read("https://films.example")
    (rules,) = bucket.told
    for part in ("<AllowedOrigin>https://films.example<", "<AllowedMethod>GET<", "<AllowedHeader>range<"):
        assert part in rules


async def test_rules_that_are_there_stay() -> None:
    bucket = Bucket(200, "")
    async with serving(bucket) as url, store_at(url) as store:
        await store.let_pages_read("https://films.example")
    assert bucket.told == []


@pytest.mark.parametrize("bucket", [Bucket(403, "AccessDenied"), Bucket(*NO_RULES, put_status=403)])
async def test_keys_that_may_not_set_rules_are_told_with_what_to_do(bucket: Bucket) -> None:
    bucket.code = "AccessDenied" if bucket.status == 403 else bucket.code
    async with serving(bucket) as url, store_at(url) as store:
        with pytest.raises(
            StoreError, match=r"rule for the origin https://films\.example, methods GET and HEAD"
        ):
            await store.let_pages_read("https://films.example")


async def test_a_server_that_knows_no_rules_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "s3" / "films").mkdir(parents=True)
    with rclone(tmp_path / "s3") as endpoint:
        store = S3Store(
            endpoint=endpoint,
            bucket="films",
            region="auto",
            access_key_id="A-KEY-OF-THE-TESTS",
            secret_access_key="A-SECRET-OF-THE-TESTS",
        )
        await store.let_pages_read("https://films.example")
        await store.close()


async def test_a_folder_needs_nothing(tmp_path: Path) -> None:
    await FilesStore(tmp_path, public_url="http://x", secret=b"").let_pages_read("http://x")


@pytest.mark.parametrize(
    ("page", "is_ours"),
    [
        ("http://localhost:9", True),
        ("http://127.0.0.1:9", True),
        ("http://films.example", False),
        ("null", False),
        (None, False),
    ],
)
async def test_whose_pages_may_read_a_folders_films(
    bus: Bus, tmp_path: Path, page: str | None, is_ours: bool
) -> None:
    async with gateway(bus, tmp_path / "data") as house, house.client() as client:
        store = FilesStore(tmp_path / "data" / "store", public_url=house.url, secret=SECRET)
        await store.put("movies/x/movie.mp4", b"0123456789", content_type="video/mp4")
        url = await store.signed_url("movies/x/movie.mp4", ttl_s=60, content_type="video/mp4")
        origin = {"origin": page} if page else {}
        answer = await client.get(url, headers=origin | {"range": "bytes=2-4"})
        assert (answer.status_code, answer.content) == (206, b"234")
        asked = {"access-control-request-method": "GET", "access-control-request-headers": "range"}
        preflight = await client.options(url, headers=origin | asked)
    allowed: list[httpx.Response] = [answer, preflight]
    assert preflight.status_code == 204
    for response in allowed:
        assert response.headers.get("access-control-allow-origin") == (page if is_ours else None)
        assert ("range" in response.headers.get("access-control-allow-headers", "")) == is_ours


@pytest.mark.parametrize(
    ("storage", "origins"),
    [
        (Storage(), "http://127.0.0.1:8080"),
        (
            Storage(kind="s3", endpoint="https://a.r2.cloudflarestorage.com"),
            "http://127.0.0.1:8080 https://a.r2.cloudflarestorage.com",
        ),
        (
            Storage(kind="s3", region="eu-west-1", bucket="b"),
            "http://127.0.0.1:8080 https://b.s3.eu-west-1.amazonaws.com https://b.s3.amazonaws.com",
        ),
    ],
)
def test_the_page_may_read_films_from_the_store_and_nowhere_else(storage: Storage, origins: str) -> None:
    policy = content_security_policy(Settings(public_url="http://127.0.0.1:8080", storage=storage), []).split(
        "; "
    )
    assert f"connect-src 'self' {origins}" in policy
    assert f"media-src 'self' blob: {origins}" in policy
    assert "worker-src 'self' blob:" in policy
    assert not any("unsafe" in rule or "*" in rule or "script-src" in rule for rule in policy)
