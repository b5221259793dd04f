"""A TMDB of the sandbox that knows many titles; and the catalog's background tasks, with a clock to move."""

from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

from libs.common.cache import Cache
from libs.common.events import GetMovie, MovieDetails
from libs.common.sections import Tmdb as TmdbSettings
from libs.sandbox.sandbox import Sandbox
from libs.sandbox.titles import GENRE_IDS, Title
from services.catalog.kept import Kept
from services.catalog.queries import Catalog
from services.catalog.sync import Sync
from services.catalog.titles import Titles
from services.catalog.tmdb import Tmdb

FIRST = 1_000_000


def title(number: int, *, name: str = "") -> Title:
    return Title(
        id=FIRST + number,
        title=name or f"Title {number}",
        release_date="2020-01-01",
        overview="Words about it. " * 20,
        genres=(list(GENRE_IDS)[number % len(GENRE_IDS)],),
        rating=number % 100 / 10,
        votes=number,
        popularity=1000.0 + number,
        cast=tuple((f"Somebody {number}-{i}", f"Role {i}") for i in range(12)),
    )


class Clock:
    def __init__(self, now: float) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


class Keeper:
    """The catalog without its wires, and its tasks' work."""

    def __init__(self, catalog: Catalog, titles: Titles, sync: Sync, clock: Clock) -> None:
        self.catalog = catalog
        self.titles = titles
        self.sync = sync
        self.clock = clock

    async def refresh_lists(self) -> int:
        return sum([done async for done in self.sync.refresh_lists()])

    async def sync_movies(self) -> int:
        return sum([done async for done in self.sync.sync_movies()])

    async def movie(self, movie_id: int) -> MovieDetails:
        return await self.catalog.movie(GetMovie(movie_id=movie_id))


@asynccontextmanager
async def keeper(
    url: str,
    token: str,
    directory: Path,
    clock: Clock,
    *,
    requests_per_s: float = 1000.0,
    list_pages: int = 2,
    answers_max: int = 5_000,
) -> AsyncGenerator[Keeper]:
    cache = Cache(directory / "catalog.sqlite3", rows_max=answers_max, clock=clock)
    titles = Titles(directory / "titles.sqlite3", url, clock=clock)
    client = Tmdb(TmdbSettings(url=url, token=token, requests_per_s=requests_per_s), user_agent="test")
    await cache.open()
    await titles.open()
    catalog = Catalog(client, Kept(cache, url), titles)
    sync = Sync(client, catalog, titles, clock=clock, rate_per_s=requests_per_s, list_pages=list_pages)
    try:
        yield Keeper(catalog, titles, sync, clock)
    finally:
        await client.close()
        await titles.close()
        await cache.close()


def asked(sandbox: Sandbox, holds: Callable[[str], bool] = lambda path: True) -> Iterator[tuple[str, int]]:
    """What was asked of TMDB's API, and how often."""
    for name, times in sandbox.counters.http.items():
        path = name.removeprefix("tmdb ")
        if path.startswith("/3/") and holds(path):
            yield path, times


def is_title(path: str) -> bool:
    return path.removeprefix("/3/movie/").isdecimal()
