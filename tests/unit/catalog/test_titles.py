"""The catalog's own file: what it holds, for how long, and what becomes of it when it is damaged."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from libs.common.events import MovieDetails
from services.catalog.titles import FRESH_S, PRUNED_EVERY, TITLES_MAX, Counted, Feed, Titles

ORIGIN = "https://tmdb.invalid"
START = 1_000_000.0


class Clock:
    now = START

    def __call__(self) -> float:
        return self.now


def details(movie_id: int) -> MovieDetails:
    return MovieDetails(
        id=movie_id,
        title=f"Film {movie_id}",
        year=None,
        release_date=None,
        overview="",
        poster_url=None,
        backdrop_url=None,
        rating=0.0,
        runtime_min=None,
        genres=(),
        cast=(),
        crew=(),
        imdb_id=None,
    )


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def titles(tmp_path: Path, clock: Clock) -> AsyncIterator[Titles]:
    titles = Titles(tmp_path / "titles.sqlite3", ORIGIN, clock=clock)
    await titles.open()
    yield titles
    await titles.close()


async def is_fresh(titles: Titles, movie_id: int) -> bool | None:
    known = await titles.get(movie_id)
    return known.is_fresh if known else None


async def test_a_title_is_fresh_for_a_day(titles: Titles, clock: Clock) -> None:
    assert await is_fresh(titles, 1) is None
    await titles.put(details(1))
    for later_s, fresh in ((0.0, True), (FRESH_S - 1, True), (FRESH_S, False), (-10.0, False)):
        clock.now = START + later_s
        assert await is_fresh(titles, 1) is fresh, later_s


async def test_what_a_list_names_is_due_and_not_yet_known(titles: Titles) -> None:
    await titles.put(details(1))
    await titles.seen([1, 2, 2])
    assert await titles.due(10) == (2,)
    assert await is_fresh(titles, 1) is True
    assert await is_fresh(titles, 2) is None
    assert await titles.count() == Counted(stored=1, due=1)


async def test_what_the_feed_names_is_due_and_all_else_holds_up_to_its_end(
    titles: Titles, clock: Clock
) -> None:
    for number in (1, 2, 3):
        await titles.put(details(number))
    clock.now += FRESH_S - 1
    await titles.put(details(4))
    feed = Feed(since=START, until=clock.now - 10, page=2)
    await titles.changed([2, 99], feed)
    assert await titles.feed() == feed
    await titles.checked(feed)
    assert await titles.feed() is None
    clock.now += FRESH_S - 11
    assert [await is_fresh(titles, number) for number in (1, 2, 3, 4)] == [True, False, True, True]
    clock.now += 1
    # What was fetched after the feed's end is not older for it.
    assert [await is_fresh(titles, number) for number in (1, 2, 3, 4)] == [False, False, False, True]
    assert await titles.due(10) == (2,)


async def test_titles_have_a_bound(titles: Titles, clock: Clock) -> None:
    await titles.seen(range(1, TITLES_MAX + 101))
    clock.now += 1
    await titles.seen(range(TITLES_MAX + 51, TITLES_MAX + 101))
    for number in range(PRUNED_EVERY):
        await titles.put(details(TITLES_MAX + 51 + number % 50))
    assert (await titles.count()) == Counted(stored=50, due=TITLES_MAX - 50)


@pytest.mark.parametrize("data", [b"", b"{", b'{"id": "x"}', b"\xff"])
async def test_what_cannot_be_read_is_not_known(
    titles: Titles, tmp_path: Path, clock: Clock, data: bytes
) -> None:
    await titles.put(details(1))
    await titles._database.run(  # pyright: ignore[reportPrivateUsage]  (as another version would have written it)
        lambda connection: connection.execute("UPDATE titles SET data = ?", (data,)) and None
    )
    assert await titles.get(1) is None


async def test_a_damaged_file_is_begun_anew(tmp_path: Path, clock: Clock) -> None:
    path = tmp_path / "titles.sqlite3"
    path.write_bytes(b"no database" * 1000)
    titles = Titles(path, ORIGIN, clock=clock)
    await titles.open()
    await titles.put(details(1))
    assert await is_fresh(titles, 1) is True
    await titles.close()
