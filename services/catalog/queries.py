"""What the catalog answers: search, lists, similar titles, details; from its cache while that is fresh."""

from libs.common.cache import Cache
from libs.common.errors import ErrorCode, ServiceError
from libs.common.events import (
    GetMovie,
    ListMovies,
    MovieDetails,
    MoviePage,
    SearchMovies,
    SimilarMovies,
)
from services.catalog.kept import Kept
from services.catalog.movies import PAGES_MAX
from services.catalog.tmdb import Tmdb

SEARCH_FRESH_S = 600.0
LISTS_FRESH_S = 3600.0
DETAILS_FRESH_S = 24 * 3600.0
QUERY_CHARS_MAX = 200
MOVIE_ID_MAX = 2**31 - 1


class Catalog:
    """Answers the catalog's queries. Refusals are ServiceErrors.

    What TMDB said lately is served without asking again. If TMDB fails in a way that passes, an answer that
    is too old is served rather than none.
    """

    def __init__(self, tmdb: Tmdb, cache: Cache, origin: str) -> None:
        """`origin`: whose answers these are, so that another TMDB address gets none of this one's."""
        self._tmdb = tmdb
        self._kept = Kept(cache, origin)

    async def search(self, ask: SearchMovies) -> MoviePage:
        query, page = " ".join(ask.query.split()), _page(ask.page)
        if not query:
            raise ServiceError(ErrorCode.INVALID_INPUT, "Say what to search for: the query is empty.")
        if len(query) > QUERY_CHARS_MAX:
            message = f"The query is too long; {QUERY_CHARS_MAX} characters are enough."
            raise ServiceError(ErrorCode.INVALID_INPUT, message)
        key = f"search/{page}/{query.casefold()}"
        return await self._kept.get(key, SEARCH_FRESH_S, MoviePage, lambda: self._tmdb.search(query, page))

    async def list(self, ask: ListMovies) -> MoviePage:
        page = _page(ask.page)
        fetch = self._tmdb.popular if ask.list == "popular" else self._tmdb.top
        return await self._kept.get(f"{ask.list}/{page}", LISTS_FRESH_S, MoviePage, lambda: fetch(page))

    async def similar(self, ask: SimilarMovies) -> MoviePage:
        movie_id, page = _movie_id(ask.movie_id), _page(ask.page)
        key = f"similar/{movie_id}/{page}"
        return await self._kept.get(key, LISTS_FRESH_S, MoviePage, lambda: self._tmdb.similar(movie_id, page))

    async def movie(self, ask: GetMovie) -> MovieDetails:
        movie_id = _movie_id(ask.movie_id)
        key = f"movie/{movie_id}"
        return await self._kept.get(key, DETAILS_FRESH_S, MovieDetails, lambda: self._tmdb.movie(movie_id))

    async def close(self) -> None:
        await self._kept.close()


def _page(number: int) -> int:
    """Page numbers that don't exist mean the first page (movies API, "Input Validation")."""
    return number if 1 <= number <= PAGES_MAX else 1


def _movie_id(number: int) -> int:
    if not 1 <= number <= MOVIE_ID_MAX:
        raise ServiceError(ErrorCode.INVALID_INPUT, f"{number} is not the number of a title.")
    return number
