"""A cache: bounded, and worth nothing to anybody once it is gone."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from libs.common.cache import Cache, Kept

ROWS_MAX = 20


class Clock:
    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def cache(tmp_path: Path, clock: Clock) -> AsyncIterator[Cache]:
    cache = Cache(tmp_path / "cache.sqlite3", rows_max=ROWS_MAX, clock=clock)
    await cache.open()
    yield cache
    await cache.close()


async def test_keeps_the_answer_and_its_age(cache: Cache, clock: Clock) -> None:
    await cache.put("movie/1", b"old")
    await cache.put("movie/1", b"new")
    clock.now += 90
    kept = await cache.get("movie/1")
    assert kept == Kept(age_s=90.0, data=b"new")
    assert await cache.get("movie/2") is None


async def test_drops_the_oldest_beyond_its_bound(cache: Cache, clock: Clock) -> None:
    for number in range(ROWS_MAX + 2):
        clock.now += 1
        await cache.put(str(number), b"")
    assert await cache.get("1") is None
    assert await cache.get("2") is not None
    assert await cache.get(str(ROWS_MAX + 1)) is not None


async def test_a_file_deleted_while_in_use_is_no_trouble(cache: Cache, tmp_path: Path) -> None:
    await cache.put("movie/1", b"answer")
    (tmp_path / "cache.sqlite3").unlink()
    await cache.put("movie/2", b"answer")
    assert await cache.get("movie/2") is not None


async def test_a_file_deleted_between_two_runs_is_made_anew(tmp_path: Path) -> None:
    for _ in range(2):
        cache = Cache(tmp_path / "cache.sqlite3", rows_max=ROWS_MAX)
        await cache.open()
        assert await cache.get("movie/1") is None
        await cache.put("movie/1", b"answer")
        await cache.close()
        (tmp_path / "cache.sqlite3").unlink()


async def test_an_unusable_file_is_an_empty_cache(tmp_path: Path, clock: Clock) -> None:
    cache = Cache(tmp_path / "cache.sqlite3", rows_max=ROWS_MAX, clock=clock)
    await cache.open()
    await cache.put("movie/1", b"answer")
    with (tmp_path / "cache.sqlite3").open("r+b") as file:
        file.write(b"\xff" * 8192)
    (tmp_path / "cache.sqlite3-wal").unlink(missing_ok=True)
    second = Cache(tmp_path / "cache.sqlite3", rows_max=ROWS_MAX, clock=clock)
    await second.open()
    assert await second.get("movie/1") is None
    await second.put("movie/2", b"answer")
    await second.close()
    await cache.close()
