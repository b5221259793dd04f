"""What the catalog answers: search, lists, similar titles, details; from its cache while that is fresh."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

import structlog

from libs.common.cache import Cache
from libs.common.errors import ErrorCode, ServiceError
from libs.common.events import (
    GetMovie,
    ListMovies,
    MovieDetails,
    MoviePage,
    SearchMovies,
    SimilarMovies,
    decode,
    encode,
)
from services.catalog.flights import Flights
from services.catalog.movies import PAGES_MAX
from services.catalog.tmdb import Tmdb, TmdbError

log = structlog.get_logger(__name__)

SEARCH_FRESH_S = 600.0
LISTS_FRESH_S = 3600.0
DETAILS_FRESH_S = 24 * 3600.0
QUERY_CHARS_MAX = 200
MOVIE_ID_MAX = 2**31 - 1

Answer = TypeVar("Answer", MoviePage, MovieDetails)


class Catalog:
    """Answers the catalog's queries. Refusals are ServiceErrors.

    What TMDB said lately is served without asking again. If TMDB fails in a way that passes, an answer that
    is too old is served rather than none. What several ask for at the same time is asked for once.
    """

    def __init__(self, tmdb: Tmdb, cache: Cache, origin: str) -> None:
        """`origin`: whose answers these are, so that another TMDB address gets none of this one's."""
        self._tmdb = tmdb
        self._cache = cache
        self._origin = origin
        self._flights = Flights()

    async def search(self, ask: SearchMovies) -> MoviePage:
        query, page = " ".join(ask.query.split()), _page(ask.page)
        if not query:
            raise ServiceError(ErrorCode.INVALID_INPUT, "Say what to search for: the query is empty.")
        if len(query) > QUERY_CHARS_MAX:
            message = f"The query is too long; {QUERY_CHARS_MAX} characters are enough."
            raise ServiceError(ErrorCode.INVALID_INPUT, message)
        key = f"search/{page}/{query.casefold()}"
        return await self._kept(key, SEARCH_FRESH_S, MoviePage, lambda: self._tmdb.search(query, page))

    async def list(self, ask: ListMovies) -> MoviePage:
        page = _page(ask.page)
        fetch = self._tmdb.popular if ask.list == "popular" else self._tmdb.top
        return await self._kept(f"{ask.list}/{page}", LISTS_FRESH_S, MoviePage, lambda: fetch(page))

    async def similar(self, ask: SimilarMovies) -> MoviePage:
        movie_id, page = _movie_id(ask.movie_id), _page(ask.page)
        key = f"similar/{movie_id}/{page}"
        return await self._kept(key, LISTS_FRESH_S, MoviePage, lambda: self._tmdb.similar(movie_id, page))

    async def movie(self, ask: GetMovie) -> MovieDetails:
        movie_id = _movie_id(ask.movie_id)
        key = f"movie/{movie_id}"
        return await self._kept(key, DETAILS_FRESH_S, MovieDetails, lambda: self._tmdb.movie(movie_id))

    async def _kept(
        self, name: str, fresh_s: float, kind: type[Answer], fetch: Callable[[], Awaitable[Answer]]
    ) -> Answer:
        return await self._flights.once(name, lambda: self._looked_up(name, fresh_s, kind, fetch))

    async def close(self) -> None:
        """Nothing is fetched any more."""
        await self._flights.close()

    async def _looked_up(
        self, name: str, fresh_s: float, kind: type[Answer], fetch: Callable[[], Awaitable[Answer]]
    ) -> Answer:
        key = f"{self._origin} {name}"
        kept = await self._cache.get(key)
        stale = _readable(kept.data, kind) if kept else None
        if kept and stale and 0 <= kept.age_s < fresh_s:
            return stale
        try:
            answer = await fetch()
        except TmdbError as error:
            if stale is None or not error.passing:
                raise
            log.warning("stale_answer_served", answer=name, error=error.message)
            return stale
        await self._cache.put(key, encode(answer))
        return answer


def _readable(data: bytes, kind: type[Answer]) -> Answer | None:
    try:
        return decode(data, kind)
    except ValueError:
        # Another version wrote it, or the file is damaged; what TMDB says now replaces it.
        return None


def _page(number: int) -> int:
    """Page numbers that don't exist mean the first page (movies API, "Input Validation")."""
    return number if 1 <= number <= PAGES_MAX else 1


def _movie_id(number: int) -> int:
    if not 1 <= number <= MOVIE_ID_MAX:
        raise ServiceError(ErrorCode.INVALID_INPUT, f"{number} is not the number of a title.")
    return number
