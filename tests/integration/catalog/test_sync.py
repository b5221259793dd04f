"""The background tasks' work against the sandbox's TMDB: what they ask for, and what they needn't."""

import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from prometheus_client import REGISTRY

from libs.common.catalog import GenreMovies
from libs.common.events import ListMovies
from libs.sandbox.faults import Faults, TmdbFaults
from libs.sandbox.sandbox import Sandbox
from services.catalog.sync import AT_ONCE, CHECKED_AFTER_S, FEED_S
from services.catalog.tmdb import TmdbError
from tests.support.titles import FIRST, Clock, Keeper, asked, is_title, keeper, title

DAY_S = 24 * 3600.0
MANY = 300


@pytest.fixture
async def sandbox(tmp_path: Path) -> AsyncIterator[Sandbox]:
    async with Sandbox(tmp_path / "sandbox", films=(), nntp_tls=False) as running:
        for number in range(MANY):
            running.programme.add(title(number))
        yield running


@pytest.fixture
async def house(sandbox: Sandbox, tmp_path: Path) -> AsyncIterator[Keeper]:
    clock = Clock(time.time())
    async with keeper(sandbox.tmdb_url, sandbox.tmdb_token, tmp_path, clock) as running:
        yield running


def requests(sandbox: Sandbox, within: str = "/3/") -> int:
    return sum(times for _, times in asked(sandbox, lambda path: path.startswith(within)))


async def fill(house: Keeper, many: int = MANY) -> None:
    await house.titles.seen([FIRST + number for number in range(many)])
    assert await house.sync_movies() == many


async def test_each_list_page_is_asked_for_once_and_the_titles_on_it_become_known(
    house: Keeper, sandbox: Sandbox
) -> None:
    # Three lists of two pages, and a page of each genre; where images lie, and which genres there are.
    assert await house.refresh_lists() == 3 * 2 + 18
    assert requests(sandbox) == 3 * 2 + 18 + 2
    assert dict(asked(sandbox))["/3/configuration"] == 1
    before = requests(sandbox)
    for ask in (ListMovies(list="popular", page=2), ListMovies(list="trending")):
        assert len((await house.catalog.list(ask)).results) == 20
    assert (await house.catalog.genre(GenreMovies(genre_id=28))).results
    assert requests(sandbox) == before
    known = (await house.titles.count()).due
    assert await house.sync_movies() == known
    assert requests(sandbox) == before + known


async def test_metrics_tell_how_many_titles_there_are_and_where_answers_come_from(
    house: Keeper, sandbox: Sandbox
) -> None:
    def answered(source: str) -> float:
        return REGISTRY.get_sample_value("matinee_catalog_answers_total", {"source": source}) or 0.0

    sources = ("upstream", "database", "cache", "stale")
    await fill(house, 3)
    before = [answered(source) for source in sources]
    await house.movie(FIRST)
    await house.movie(FIRST + 5)
    await house.catalog.list(ListMovies(list="top"))
    await house.catalog.list(ListMovies(list="top"))
    house.clock.now += 2 * DAY_S
    sandbox.faults.set(Faults(tmdb=TmdbFaults(status=500)))
    await house.movie(FIRST)
    assert [answered(source) - was for source, was in zip(sources, before, strict=True)] == [2, 1, 1, 1]
    assert REGISTRY.get_sample_value("matinee_catalog_titles", {"state": "stored"}) == 3
    assert REGISTRY.get_sample_value("matinee_catalog_titles", {"state": "due"}) == 0


async def test_a_run_that_was_cut_off_goes_on_where_it_was(house: Keeper, sandbox: Sandbox) -> None:
    lists = house.sync.refresh_lists()
    for _ in range(4):
        await anext(lists)
    await lists.aclose()
    assert await house.refresh_lists() == 3 * 2 + 18 - 4
    assert all(times <= 2 for _, times in asked(sandbox, lambda path: path.startswith("/3/movie/popular")))
    titles = house.sync.sync_movies()
    first = await anext(titles)
    await titles.aclose()
    assert first == AT_ONCE
    await house.sync_movies()
    assert {times for _, times in asked(sandbox, is_title)} == {1}


async def test_only_what_was_changed_is_asked_for_again(house: Keeper, sandbox: Sandbox) -> None:
    await fill(house)
    before = requests(sandbox)
    assert await house.sync_movies() == 0
    assert requests(sandbox) == before
    house.clock.now += CHECKED_AFTER_S + 60
    for number in (7, 11):
        sandbox.programme.add(title(number, name=f"New name {number}"))
    sandbox.programme.add(title(MANY + 5))
    sandbox.programme.add(title(MANY + 5, name="Changed, and none of ours"))
    assert await house.sync_movies() == 2
    assert requests(sandbox) == before + 1 + 2
    assert (await house.movie(FIRST + 11)).title == "New name 11"
    # What was not among the changes holds for another day: nothing is asked.
    house.clock.now += DAY_S - 60
    assert (await house.movie(FIRST + 12)).title == "Title 12"
    assert requests(sandbox) == before + 1 + 2


async def test_a_feed_that_takes_more_than_it_saves_is_left_alone(house: Keeper, sandbox: Sandbox) -> None:
    await fill(house, 2)
    for number in range(MANY):
        sandbox.programme.add(title(number, name="Changed"))
    before = requests(sandbox)
    house.clock.now += CHECKED_AFTER_S + 60
    # One look says that the feed has three pages; two titles are asked for themselves.
    assert await house.sync_movies() == 2
    assert requests(sandbox) == before + 3


async def test_a_feed_is_read_on_after_a_restart(house: Keeper, sandbox: Sandbox, tmp_path: Path) -> None:
    await fill(house)
    house.clock.now += CHECKED_AFTER_S + 60
    for number in range(MANY):
        sandbox.programme.add(title(number, name="Changed"))
    sandbox.faults.set(Faults(tmdb=TmdbFaults(requests_per_s=2, retry_after_s=90)))
    with pytest.raises(TmdbError) as raised:
        await house.sync_movies()
    assert raised.value.retry_after_s == 90
    feed = await house.titles.feed()
    assert feed
    assert feed.page == 3
    sandbox.faults.clear()
    before = dict(asked(sandbox))["/3/movie/changes"]
    async with keeper(sandbox.tmdb_url, sandbox.tmdb_token, tmp_path, house.clock) as restarted:
        assert await restarted.sync_movies() == MANY
    assert dict(asked(sandbox))["/3/movie/changes"] == before + 1


async def test_after_long_without_a_feed_every_title_is_asked_for(house: Keeper, sandbox: Sandbox) -> None:
    await fill(house, 50)
    house.clock.now += 2 * FEED_S
    before = requests(sandbox, "/3/movie/1")
    assert await house.sync_movies() == 50
    assert requests(sandbox, "/3/movie/1") == before + 50


async def test_one_title_that_is_gone_or_broken_holds_up_no_other(house: Keeper, sandbox: Sandbox) -> None:
    await house.titles.seen([1, FIRST, FIRST + 1])
    assert await house.sync_movies() == 3
    assert dict(asked(sandbox))["/3/configuration"] == 1
    assert (await house.titles.count()).stored == 2
    sandbox.faults.set(Faults(tmdb=TmdbFaults(status=500)))
    await house.titles.seen([FIRST + number for number in range(2, 60)])
    house.clock.now += 1
    with pytest.raises(TmdbError, match="trouble of its own"):
        await house.sync_movies()
    sandbox.faults.clear()
    assert await house.titles.due(1) == (FIRST + 2 + AT_ONCE,)


async def test_what_nobody_saw_for_long_is_forgotten(house: Keeper) -> None:
    await fill(house, 20)
    house.clock.now += 60 * DAY_S
    await house.titles.get(FIRST)
    house.clock.now += 60 * DAY_S
    await house.titles.prune()
    assert (await house.titles.count()).stored == 1
