"""What the background tasks do: keep lists and the titles on them as TMDB has them.

One request per list page, one per title that is new or was changed. Which were changed is told by TMDB's
feed of changes (API 3, "movie/changes"), if that takes fewer requests than asking for each.
"""

import asyncio
import sqlite3
import time
from collections.abc import AsyncGenerator, Callable
from datetime import UTC, date, datetime
from typing import Final

from libs.common.catalog import GenreMovies, ListGenres
from libs.common.errors import ErrorCode
from libs.common.events import ListMovies
from libs.common.pacing import TokenBucket
from services.catalog import metrics
from services.catalog.movies import PAGES_MAX, changed
from services.catalog.queries import Catalog
from services.catalog.titles import Feed, Titles
from services.catalog.tmdb import Tmdb, TmdbError

LISTS_EVERY_S: Final = 3600.0
MOVIES_EVERY_S: Final = 5400.0
RENEWED_AFTER_S: Final = 1800.0
"""A younger page isn't asked for: somebody else did, or the run that was cut off."""
CHECKED_AFTER_S: Final = 12 * 3600.0
"""Titles are fresh for 24 hours: half of it leaves time for a TMDB that is down."""
FEED_S: Final = 13 * 24 * 3600.0
"""The feed spans 14 days at most, both ends included."""
FEED_RESUMED_S: Final = 12 * 3600.0
"""A feed that was begun earlier is begun anew."""
RATINGS_S: Final = 14 * 24 * 3600.0
"""Ratings are not among the changes: an older title is asked for even though it didn't change."""
AT_ONCE: Final = 16
"""Titles under way: the bound of what is in memory."""


class Sync:
    """The two tasks, for `Task.run`. What was done is kept with each page and each title."""

    def __init__(
        self,
        tmdb: Tmdb,
        catalog: Catalog,
        titles: Titles,
        *,
        clock: Callable[[], float],
        rate_per_s: float,
        list_pages: int,
    ) -> None:
        """`rate_per_s`: at most so many requests, so that people's own have the rest."""
        self._tmdb = tmdb
        self._catalog = catalog
        self._titles = titles
        self._clock = clock
        self._bucket = TokenBucket(rate_per_s, burst=1.0)
        self._list_pages = list_pages

    async def refresh_lists(self) -> AsyncGenerator[int]:
        """Popular, top and trending, and the first page of each genre; the titles on them become known."""
        for name in ("trending", "popular", "top"):
            for page in range(1, self._list_pages + 1):
                ask = ListMovies(list=name, page=page)
                if (total_pages := await self._refresh_list(ask)) is not None:
                    yield 1
                    if page >= total_pages:
                        break
        for genre in (await self._catalog.genres(ListGenres())).genres:
            if await self._refresh_list(GenreMovies(genre_id=genre.id)) is not None:
                yield 1

    async def sync_movies(self) -> AsyncGenerator[int]:
        """Ask TMDB for what is new or was changed, and nothing else."""
        await self._titles.prune()
        await self._follow_changes()
        await self._titles.age(
            checked_before=self._clock() - CHECKED_AFTER_S, stored_before=self._clock() - RATINGS_S
        )
        while movie_ids := await self._titles.due(AT_ONCE):
            async with asyncio.TaskGroup() as group:
                fetches = [group.create_task(self._fetch(number), name="title") for number in movie_ids]
            failures = [failure for fetch in fetches if (failure := fetch.result())]
            yield len(movie_ids) - len(failures)
            if failures:
                raise failures[0]
        await self._count()

    async def _refresh_list(self, ask: ListMovies | GenreMovies) -> int | None:
        """How many pages the list has; None if this one was young enough."""
        if await self._catalog.has(ask, RENEWED_AFTER_S):
            return None
        await self._turn()
        answer = await self._catalog.renew(ask)
        await self._titles.seen([movie.id for movie in answer.results])
        return answer.total_pages

    async def _follow_changes(self) -> None:
        feed = await self._feed()
        while feed:
            await self._turn()
            try:
                answer = await self._tmdb.changes(_day(feed.since), _day(feed.until), feed.page)
            except TmdbError as error:
                if error.passing:
                    raise
                # Without a feed each title is asked for itself.
                return
            pages = answer.total_pages or 0
            if feed.page == 1 and not await self._is_worth_it(pages):
                return
            feed = Feed(since=feed.since, until=feed.until, page=feed.page + 1)
            await self._titles.changed(changed(answer), feed)
            if feed.page > pages:
                await self._titles.checked(feed)
                return

    async def _feed(self) -> Feed | None:
        """The one that was cut off, or a new one; None if every title was checked lately."""
        now = self._clock()
        cut_off = await self._titles.feed()
        if cut_off and 0 <= now - cut_off.until < FEED_RESUMED_S:
            return cut_off
        many, first = await self._titles.unchecked(now - CHECKED_AFTER_S)
        return Feed(since=max(first, now - FEED_S), until=now, page=1) if many else None

    async def _is_worth_it(self, pages: int) -> bool:
        many, _ = await self._titles.unchecked(self._clock() - CHECKED_AFTER_S)
        return pages <= min(many, PAGES_MAX)

    async def _fetch(self, movie_id: int) -> TmdbError | sqlite3.Error | None:
        """Ask for one title and store it. What goes wrong is the answer: the others come to their end."""
        await self._turn()
        try:
            await self._titles.refresh(await self._tmdb.movie(movie_id))
        except TmdbError as error:
            if error.code is ErrorCode.NOT_FOUND:
                await self._titles.forget(movie_id)
                return None
            await self._titles.postpone(movie_id)
            return error
        except sqlite3.Error as error:
            return error
        return None

    async def _turn(self) -> None:
        await asyncio.sleep(self._bucket.take(time.monotonic()))

    async def _count(self) -> None:
        counted = await self._titles.count()
        metrics.TITLES.labels("stored").set(counted.stored)
        metrics.TITLES.labels("due").set(counted.due)


def _day(at: float) -> date:
    return datetime.fromtimestamp(at, UTC).date()
