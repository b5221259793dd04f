"""The whole box with its films in a real S3 server: fetched, played by a signed URL, deleted in its time."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.support.box import RunningBox, wait_for
from tests.support.internet import Internet
from tests.support.s3_server import KEY_ID, SECRET_KEY, rclone

MOVIE = 900001
KEPT_S = 8


@pytest.fixture
def bucket(tmp_path: Path) -> Path:
    path = tmp_path / "s3" / "films"
    path.mkdir(parents=True)
    return path


@pytest.fixture
def box(internet: Internet, bucket: Path, tmp_path: Path) -> Iterator[RunningBox]:
    with rclone(bucket.parent) as endpoint:
        storage = {
            "MATINEE_STORAGE_KIND": "s3",
            "MATINEE_STORAGE_ENDPOINT": endpoint,
            "MATINEE_STORAGE_BUCKET": bucket.name,
            "MATINEE_STORAGE_REGION": "us-east-1",
            "MATINEE_STORAGE_ACCESS_KEY_ID": KEY_ID,
            "MATINEE_STORAGE_SECRET_ACCESS_KEY": SECRET_KEY,
            "MATINEE_RETENTION_AFTER_READY_H": str(KEPT_S / 3600),
            "MATINEE_DOWNLOADER_PUBLISH": "original",
        }
        box = RunningBox(tmp_path / "data", internet.environment() | storage)
        box.start()
        box.sign_in()
        yield box
        box.close()


def test_a_film_lives_in_the_bucket_and_leaves_it(box: RunningBox, bucket: Path, internet: Internet) -> None:
    job_id = box.fetch(MOVIE)
    box.until(job_id, "ready")
    film = internet.film_of(MOVIE)
    url = box.get(f"/movies/{job_id}/stream").json()["url"]
    assert not url.startswith(box.url)
    assert httpx.get(url).content == film
    # rclone says 200 to a range where S3 and R2 say 206; the bytes are those of the range.
    assert httpx.get(url, headers={"Range": "bytes=10-19"}).content == film[10:20]
    assert httpx.get(url.replace("X-Amz-Signature=", "X-Amz-Signature=0")).status_code == 403
    assert {p.name for p in bucket.rglob("*") if p.is_file()} == {"movie.mkv", "movie.json"}
    box.until(job_id, "deleted")
    # rclone says that an object is deleted up to a second before its file is.
    wait_for(lambda: not [p for p in bucket.rglob("*") if p.is_file()], 5)
    assert box.get(f"/movies/{job_id}/stream").status_code == 404
    assert KEY_ID not in url.replace(f"X-Amz-Credential={KEY_ID}", "")
    assert SECRET_KEY not in url
