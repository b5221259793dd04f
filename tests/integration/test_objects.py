"""The promise of `ObjectStore`, kept by a folder and by a real S3 server."""

import asyncio
import os
import secrets
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from libs.common.objects import BadKey, NoSuchObject, ObjectStore, StoreError, StoreFull, open_store
from libs.common.objects.files import FilesStore
from libs.common.objects.s3 import S3Store
from libs.common.objects.serve import serve_signed
from tests.support.asgi_server import serving
from tests.support.s3_server import KEY_ID, SECRET_KEY, free_port, rclone

BUCKET = "matinee"
PART = 8 * 1024 * 1024
# rclone says 400 to a request that carries no signature, or one that is over.
REFUSED = (400, 403)


class Settings:
    """A `[storage]` table."""

    def __init__(self, kind: str, endpoint: str = "") -> None:
        self.kind = kind
        self.endpoint = endpoint
        self.bucket = BUCKET
        self.region = "auto"
        self.access_key_id = KEY_ID
        self.secret_access_key = SECRET_KEY


def files_in(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


@asynccontextmanager
async def files_store(folder: Path) -> AsyncIterator[FilesStore]:
    store: FilesStore

    async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
        await serve_signed(store, scope["path"].removeprefix("/files/"), scope, receive, send)

    async with serving(app) as url:
        store = FilesStore(folder, public_url=url, secret=secrets.token_bytes(32))
        yield store


@pytest.fixture(scope="module")
def s3_endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("s3") / "buckets"
    (folder / BUCKET).mkdir(parents=True)
    with rclone(folder) as endpoint:
        yield endpoint


@pytest.fixture(params=["files", "s3"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[ObjectStore]:
    if request.param == "files":
        async with files_store(tmp_path / "objects") as files:
            yield files
        return
    endpoint = request.getfixturevalue("s3_endpoint")
    s3 = open_store(Settings("s3", endpoint), files_root=tmp_path, public_url="", secret=b"")
    yield s3
    await s3.close()


@pytest.fixture
def job() -> str:
    """A folder of one's own in the store that the tests share."""
    return f"movies/job_{secrets.token_hex(6)}"


async def test_a_small_object_comes_back(store: ObjectStore, job: str) -> None:
    put = await store.put(f"{job}/movie.json", b'{"a": 1}', content_type="application/json")
    head = await store.head(f"{job}/movie.json")
    assert head == put
    assert (head.key, head.size_bytes, head.content_type) == (f"{job}/movie.json", 8, "application/json")
    assert head.etag
    assert '"' not in head.etag
    assert head.modified_at.tzinfo is UTC
    assert abs(datetime.now(UTC) - head.modified_at) < timedelta(minutes=1)
    assert await store.read(f"{job}/movie.json", 0, 100) == b'{"a": 1}'


@pytest.mark.parametrize(
    ("offset", "length", "expected"),
    [(0, 4, b"0123"), (3, 2, b"34"), (8, 10, b"89"), (10, 5, b""), (500, 5, b""), (2, 0, b"")],
)
async def test_reading_a_piece(
    store: ObjectStore, job: str, offset: int, length: int, expected: bytes
) -> None:
    await store.put(f"{job}/a.txt", b"0123456789", content_type="text/plain")
    assert await store.read(f"{job}/a.txt", offset, length) == expected


async def test_a_type_that_the_name_does_not_tell_is_kept(store: ObjectStore, job: str) -> None:
    await store.put(f"{job}/a.mp4", b"x", content_type="text/plain")
    assert (await store.head(f"{job}/a.mp4")).content_type == "text/plain"
    await store.put(f"{job}/a.mp4", b"x", content_type="video/mp4")
    assert (await store.head(f"{job}/a.mp4")).content_type == "video/mp4"


async def test_putting_again_replaces_and_changes_the_etag(store: ObjectStore, job: str) -> None:
    before = await store.put(f"{job}/a.vtt", b"one", content_type="text/vtt")
    after = await store.put(f"{job}/a.vtt", b"other", content_type="text/vtt")
    assert before.etag != after.etag
    assert await store.read(f"{job}/a.vtt", 0, 9) == b"other"


async def test_parts_in_any_order_several_at_once(store: ObjectStore, job: str) -> None:
    content = os.urandom(2 * PART + 12_345)
    upload = await store.start_upload(f"{job}/movie.mp4", size_bytes=len(content), content_type="video/mp4")
    assert upload.part_bytes == PART
    view = memoryview(content)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(upload.put_part(3, view[2 * PART :]))
        tasks.create_task(upload.put_part(1, bytearray(view[:PART])))
        tasks.create_task(upload.put_part(2, bytes(view[PART : 2 * PART])))
    with pytest.raises(NoSuchObject):
        await store.head(f"{job}/movie.mp4")
    info = await upload.complete()
    assert (info.size_bytes, info.content_type) == (len(content), "video/mp4")
    assert await store.read(f"{job}/movie.mp4", 0, len(content)) == content
    await upload.abort()
    assert await store.head(f"{job}/movie.mp4") == info


async def test_a_part_put_again_replaces_the_first_even_if_shorter(store: ObjectStore, job: str) -> None:
    """S3 replaces any part; rclone only one that still waits for an earlier one."""
    upload = await store.start_upload(f"{job}/a.mp4", size_bytes=PART + 9, content_type="video/mp4")
    await upload.put_part(2, b"a long last part")
    await upload.put_part(2, b"the end")
    await upload.put_part(1, b"x" * PART)
    assert (await upload.complete()).size_bytes == PART + 7
    assert await store.read(f"{job}/a.mp4", PART - 2, 100) == b"xxthe end"


async def test_a_film_may_turn_out_larger_than_expected(store: ObjectStore, job: str) -> None:
    upload = await store.start_upload(f"{job}/a.mp4", size_bytes=100, content_type="video/mp4")
    await upload.put_part(1, b"x" * PART)
    await upload.put_part(2, b"more")
    assert (await upload.complete()).size_bytes == PART + 4


@pytest.mark.parametrize(
    ("parts", "says"),
    [([], "part 1 is missing"), ([2], "part 1 is missing"), ([1, 2], "part 1 of 2 has 4 bytes")],
)
async def test_an_upload_with_a_gap_is_not_completed(
    store: ObjectStore, job: str, parts: list[int], says: str
) -> None:
    upload = await store.start_upload(f"{job}/a.mp4", size_bytes=2 * PART, content_type="video/mp4")
    for number in parts:
        await upload.put_part(number, b"part")
    with pytest.raises(StoreError, match=says):
        await upload.complete()
    await upload.abort()
    assert await store.list(job) == []


async def test_an_aborted_upload_leaves_nothing_and_is_over(store: ObjectStore, job: str) -> None:
    upload = await store.start_upload(f"{job}/a.mp4", size_bytes=5, content_type="video/mp4")
    await upload.put_part(1, b"abcde")
    await upload.abort()
    await upload.abort()
    with pytest.raises(StoreError):
        await upload.put_part(1, b"abcde")
    with pytest.raises(StoreError):
        await upload.complete()
    assert await store.list(job) == []


async def test_a_crashed_upload_is_invisible_and_deleted_with_its_job(store: ObjectStore, job: str) -> None:
    await store.put(f"{job}/a.json", b"{}", content_type="application/json")
    upload = await store.start_upload(f"{job}/a.mp4", size_bytes=2 * PART, content_type="video/mp4")
    await upload.put_part(1, b"x" * PART)
    assert [info.key for info in await store.list(job)] == [f"{job}/a.json"]
    assert await store.delete_prefix(f"{job}/") == 1
    with pytest.raises(StoreError):
        await upload.put_part(2, b"x" * PART)
    assert await store.list(job) == []


async def test_deleting_a_prefix_spares_its_neighbours_and_is_idempotent(
    store: ObjectStore, job: str
) -> None:
    keys = [f"{job}/a.txt", f"{job}/deep/er/b.txt", f"{job}-not/c.txt"]
    for key in keys:
        await store.put(key, b"x", content_type="application/x-subrip")
    assert await store.delete_prefix(f"{job}/") == 2
    assert await store.delete_prefix(f"{job}/") == 0
    assert [info.key for info in await store.list(job)] == [f"{job}-not/c.txt"]
    assert await store.delete_prefix(job) == 1


async def test_listing_is_by_key_and_by_prefix(store: ObjectStore, job: str) -> None:
    keys = [f"{job}/b.vtt", f"{job}/a/1.jpg", f"{job}/a.mp4", f"{job}/ab.json"]
    for key in keys:
        await store.put(key, key.encode(), content_type="text/plain")
    assert [info.key for info in await store.list(f"{job}/")] == sorted(keys)
    assert [(info.key, info.size_bytes) for info in await store.list(f"{job}/a.")] == [
        (f"{job}/a.mp4", len(f"{job}/a.mp4"))
    ]
    assert await store.list(f"{job}/nothing") == []


async def test_what_is_not_there(store: ObjectStore, job: str) -> None:
    with pytest.raises(NoSuchObject, match=job):
        await store.head(f"{job}/a.mp4")
    with pytest.raises(NoSuchObject, match=job):
        await store.read(f"{job}/a.mp4", 0, 1)


async def test_keys_that_leave_the_store(store: ObjectStore) -> None:
    bad = "movies/../../etc/passwd"
    with pytest.raises(BadKey):
        await store.head(bad)
    with pytest.raises(BadKey):
        await store.put(bad, b"x", content_type="text/plain")
    with pytest.raises(BadKey):
        await store.start_upload(bad, size_bytes=1, content_type="text/plain")
    with pytest.raises(BadKey):
        await store.delete_prefix("movies/../..")
    with pytest.raises(BadKey):
        await store.delete_prefix("")
    with pytest.raises(BadKey):
        await store.signed_url(bad, ttl_s=5, content_type="text/plain")


async def test_a_healthy_store_checks(store: ObjectStore) -> None:
    await store.check()


async def test_a_signed_url_answers_get_and_ranges_as_the_signed_type(store: ObjectStore, job: str) -> None:
    content = os.urandom(700_000)
    await store.put(f"{job}/a.mp4", content, content_type="video/mp4")
    url = await store.signed_url(f"{job}/a.mp4", ttl_s=60, content_type="video/webm")
    async with httpx.AsyncClient() as client:
        whole = await client.get(url)
        assert (whole.status_code, whole.headers["content-type"]) == (200, "video/webm")
        assert whole.content == content
        part = await client.get(url, headers={"Range": "bytes=300000-600000"})
        # rclone says 200 and Content-Range where others say 206.
        assert part.status_code in (200, 206)
        assert part.headers["content-range"] == "bytes 300000-600000/700000"
        assert part.content == content[300_000:600_001]
        tail = await client.get(url, headers={"Range": "bytes=-5"})
        assert tail.content == content[-5:]
        assert (await client.get(url, headers={"Range": "bytes=700000-"})).status_code == 416


async def test_a_signed_url_of_a_folder_answers_head(tmp_path: Path) -> None:
    async with files_store(tmp_path) as store, httpx.AsyncClient() as client:
        await store.put("a.mp4", b"x" * 1000, content_type="video/mp4")
        url = await store.signed_url("a.mp4", ttl_s=60, content_type="video/mp4")
        answer = await client.head(url)
        assert (answer.status_code, answer.headers["content-length"], answer.content) == (200, "1000", b"")
        again = await client.get(url, headers={"If-None-Match": answer.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")


async def test_a_refusal_of_a_folder_is_told_in_json_and_not_kept(tmp_path: Path) -> None:
    async with files_store(tmp_path) as store, httpx.AsyncClient() as client:
        await store.put("a.mp4", b"x" * 1000, content_type="video/mp4")
        url = await store.signed_url("a.mp4", ttl_s=60, content_type="video/mp4")
        gone = await store.signed_url("b.mp4", ttl_s=60, content_type="video/mp4")
        refused = {
            403: await client.get(url + "0"),
            404: await client.get(gone),
            405: await client.post(url),
            412: await client.get(url, headers={"If-Match": '"another"'}),
            416: await client.get(url, headers={"Range": "bytes=1000-"}),
        }
        for status, answer in refused.items():
            assert answer.status_code == status
            assert set(answer.json()) == {"error", "code"}
            assert answer.headers["cache-control"] == "private, no-store"
        assert refused[405].headers["allow"] == "GET, HEAD"
        assert refused[416].headers["content-range"] == "bytes */1000"
        head = await client.head(gone)
        assert (head.status_code, head.content) == (404, b"")


async def test_a_film_may_be_kept_as_long_as_its_url_is_good(tmp_path: Path) -> None:
    async with files_store(tmp_path) as store, httpx.AsyncClient() as client:
        await store.put("a.mp4", b"x" * 1000, content_type="video/mp4")
        url = await store.signed_url("a.mp4", ttl_s=60, content_type="video/mp4")
        for headers, status in (({}, 200), ({"Range": "bytes=0-9"}, 206)):
            answer = await client.get(url, headers=headers)
            assert answer.status_code == status
            kept = answer.headers["cache-control"]
            assert kept.startswith("private, max-age=")
            assert 50 < int(kept.rpartition("=")[2]) <= 60


@pytest.mark.parametrize(
    "tampering",
    [
        lambda url: url.replace("a.mp4", "b.mp4"),
        lambda url: url.replace("video", "audio"),
        lambda url: url[:-1] + ("0" if url[-1] != "0" else "1"),
        lambda url: url.partition("?")[0],
    ],
    ids=["another object", "another type", "another signature", "none"],
)
async def test_a_tampered_url_is_refused(
    store: ObjectStore, job: str, tampering: Callable[[str], str]
) -> None:
    for name in ("a.mp4", "b.mp4"):
        await store.put(f"{job}/{name}", b"film", content_type="video/mp4")
    url = await store.signed_url(f"{job}/a.mp4", ttl_s=60, content_type="video/mp4")
    async with httpx.AsyncClient() as client:
        assert (await client.get(tampering(url))).status_code in REFUSED


async def test_an_expired_url_is_refused(store: ObjectStore, job: str) -> None:
    await store.put(f"{job}/a.mp4", b"film", content_type="video/mp4")
    url = await store.signed_url(f"{job}/a.mp4", ttl_s=1, content_type="video/mp4")
    await asyncio.sleep(2.1)
    async with httpx.AsyncClient() as client:
        assert (await client.get(url)).status_code in REFUSED


async def test_a_signed_url_of_what_is_gone(store: ObjectStore, job: str) -> None:
    url = await store.signed_url(f"{job}/a.mp4", ttl_s=60, content_type="video/mp4")
    async with httpx.AsyncClient() as client:
        assert (await client.get(url)).status_code == 404


async def test_a_folder_is_left_as_it_was_found(tmp_path: Path) -> None:
    store = FilesStore(tmp_path, public_url="", secret=b"s" * 32)
    await store.put("movies/job/deep/a.bin", b"x", content_type="text/plain")
    await store.start_upload("movies/job/a.mp4", size_bytes=5, content_type="video/mp4")
    await store.delete_prefix("movies/job/")
    assert files_in(tmp_path) == []


async def test_a_full_disk_is_told_before_the_upload(tmp_path: Path) -> None:
    store = FilesStore(tmp_path, public_url="", secret=b"s" * 32)
    with pytest.raises(StoreFull, match="free some"):
        await store.start_upload("movies/a.mp4", size_bytes=1 << 60, content_type="video/mp4")
    assert files_in(tmp_path / "movies") == []


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=9m", "tmpfs", tmp_path], check=True)
    yield tmp_path
    subprocess.run(["umount", tmp_path], check=True)


@pytest.mark.skipif(os.geteuid() != 0, reason="a small disk is mounted as root")
async def test_a_full_disk_is_told_while_writing(small_disk: Path) -> None:
    store = FilesStore(small_disk, public_url="", secret=b"s" * 32)
    upload = await store.start_upload("a.mp4", size_bytes=1, content_type="video/mp4")
    await upload.put_part(1, b"x" * PART)
    with pytest.raises(StoreFull, match=r"a\.mp4"):
        await upload.put_part(2, b"x" * PART)
    await upload.abort()
    with pytest.raises(StoreFull, match=r"b\.json"):
        await store.put("b.json", b"x" * (2 * PART), content_type="application/json")
    assert files_in(small_disk) == []


async def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    store = FilesStore(tmp_path / "file" / "objects", public_url="", secret=b"s" * 32)
    with pytest.raises(StoreError, match="can't be written"):
        await store.check()


async def test_many_jobs_come_and_go_in_one_folder(tmp_path: Path) -> None:
    """A folder removed as empty by one job must not fail the other that is about to write there."""
    store = FilesStore(tmp_path, public_url="", secret=b"s" * 32)

    async def come_and_go(job: int) -> None:
        for _ in range(40):
            await store.put(f"movies/{job}/a.txt", b"x", content_type="text/plain")
            assert await store.delete_prefix(f"movies/{job}/") == 1

    async with asyncio.TaskGroup() as tasks:
        for job in range(4):
            tasks.create_task(come_and_go(job))


def s3_store(endpoint: str, *, bucket: str = BUCKET, secret: str = SECRET_KEY) -> S3Store:
    return S3Store(
        endpoint=endpoint, bucket=bucket, region="auto", access_key_id=KEY_ID, secret_access_key=secret
    )


async def assert_fails(store: S3Store, says: str, *, within_s: float) -> None:
    try:
        for attempt in (store.check(), store.put("a.txt", b"x", content_type="text/plain")):
            async with asyncio.timeout(within_s):
                with pytest.raises(StoreError, match=says) as failure:
                    await attempt
            assert SECRET_KEY not in str(failure.value)
            assert KEY_ID not in str(failure.value)
    finally:
        await store.close()


async def test_a_missing_bucket(s3_endpoint: str) -> None:
    await assert_fails(s3_store(s3_endpoint, bucket="nowhere"), "has no bucket nowhere", within_s=5)


async def test_wrong_keys(s3_endpoint: str) -> None:
    await assert_fails(s3_store(s3_endpoint, secret="WRONG-SECRET-OF-OURS"), "refused these keys", within_s=5)


async def test_a_dead_server() -> None:
    await assert_fails(s3_store(f"http://127.0.0.1:{free_port()}"), "can't be reached", within_s=12)


async def test_a_server_that_dies_while_in_use(tmp_path: Path) -> None:
    (tmp_path / "buckets" / BUCKET).mkdir(parents=True)
    with rclone(tmp_path / "buckets") as endpoint:
        store = s3_store(endpoint)
        await store.put("a.txt", b"x", content_type="text/plain")
        upload = await store.start_upload("b.mp4", size_bytes=9, content_type="video/mp4")
    try:
        async with asyncio.timeout(24):
            with pytest.raises(StoreError, match="can't be reached"):
                await upload.put_part(1, b"x")
            with pytest.raises(StoreError, match="can't be reached"):
                await store.read("a.txt", 0, 1)
    finally:
        await store.close()


async def test_a_server_that_never_answers() -> None:
    """Full accept queue: connections are never taken."""
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen(0)
        held = [socket.socket() for _ in range(4)]
        for client in held:
            client.setblocking(False)
            client.connect_ex(deaf.getsockname())
        store = s3_store(f"http://127.0.0.1:{deaf.getsockname()[1]}")
        try:
            async with asyncio.timeout(20):
                with pytest.raises(StoreError):
                    await store.check()
        finally:
            await store.close()
            for client in held:
                client.close()


def test_only_s3_pays_for_the_s3_library() -> None:
    code = "import sys, libs.common.objects; sys.exit('aioboto3' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_an_unknown_kind(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="ftp"):
        open_store(Settings("ftp"), files_root=tmp_path, public_url="", secret=b"")
