"""What the catalog answers: details out of its titles; search, lists and similar titles out of its cache;
from TMDB if they have nothing that is fresh.
"""

import re
from functools import partial

from libs.common.catalog import GenreMovies, Genres, ListGenres
from libs.common.errors import ErrorCode, ServiceError
from libs.common.events import (
    GetMovie,
    ListMovies,
    MovieDetails,
    MoviePage,
    SearchMovies,
    SimilarMovies,
)
from services.catalog import metrics
from services.catalog.kept import Kept, served_stale
from services.catalog.movies import PAGES_MAX
from services.catalog.titles import Titles
from services.catalog.tmdb import Tmdb, TmdbError

SEARCH_FRESH_S = 600.0
LISTS_FRESH_S = 3600.0
GENRES_FRESH_S = 24 * 3600.0
QUERY_CHARS_MAX = 200
MOVIE_ID_MAX = 2**31 - 1

_LANGUAGE = re.compile(r"[a-z]{2}(-[A-Z]{2})?", re.ASCII)


class Catalog:
    """Answers the catalog's queries. Refusals are ServiceErrors.

    What TMDB said lately is served without asking again. If TMDB fails in a way that passes, an answer that
    is too old is served rather than none, marked as stale.
    """

    def __init__(self, tmdb: Tmdb, kept: Kept, titles: Titles) -> None:
        """`kept`: that TMDB's answers."""
        self._tmdb = tmdb
        self._kept = kept
        self._titles = titles

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
        return await self._page_of(ask)

    async def genre(self, ask: GenreMovies) -> MoviePage:
        return await self._page_of(ask)

    async def genres(self, ask: ListGenres) -> Genres:
        if not _LANGUAGE.fullmatch(ask.language):
            raise ServiceError(ErrorCode.INVALID_INPUT, "A language is such as 'en' or 'pt-BR'.")
        key = f"genres/{ask.language}"
        return await self._kept.get(key, GENRES_FRESH_S, Genres, lambda: self._tmdb.genres(ask.language))

    async def has(self, ask: ListMovies | GenreMovies, young_s: float) -> bool:
        """Whether a page is kept that is no older than that."""
        return await self._kept.has(_page_name(ask), young_s)

    async def renew(self, ask: ListMovies | GenreMovies) -> MoviePage:
        """The page as TMDB has it now, and kept. Raises TmdbError."""
        return await self._kept.renew(_page_name(ask), lambda: self._fetch_page(ask))

    async def similar(self, ask: SimilarMovies) -> MoviePage:
        movie_id, page = _movie_id(ask.movie_id), _page(ask.page)
        key = f"similar/{movie_id}/{page}"
        return await self._kept.get(key, LISTS_FRESH_S, MoviePage, lambda: self._tmdb.similar(movie_id, page))

    async def movie(self, ask: GetMovie) -> MovieDetails:
        movie_id = _movie_id(ask.movie_id)
        known = await self._titles.get(movie_id)
        if known and known.is_fresh:
            metrics.ANSWERS.labels("database").inc()
            return known.details
        return await self._kept.flights.once(f"movie/{movie_id}", lambda: self._fetch_movie(movie_id))

    async def _fetch_movie(self, movie_id: int) -> MovieDetails:
        # Another fetch may have landed while the asker read the database.
        known = await self._titles.get(movie_id)
        if known and known.is_fresh:
            return known.details
        try:
            details = await self._tmdb.movie(movie_id)
        except TmdbError as error:
            if error.code is ErrorCode.NOT_FOUND:
                await self._titles.forget(movie_id)
            if known is None or not error.passing:
                raise
            return served_stale(known.details, error.message)
        metrics.ANSWERS.labels("upstream").inc()
        await self._titles.put(details)
        return details

    async def _page_of(self, ask: ListMovies | GenreMovies) -> MoviePage:
        fetch = partial(self._fetch_page, ask)
        return await self._kept.get(_page_name(ask), LISTS_FRESH_S, MoviePage, fetch)

    async def _fetch_page(self, ask: ListMovies | GenreMovies) -> MoviePage:
        page = _page(ask.page)
        if isinstance(ask, GenreMovies):
            return await self._tmdb.of_genre(_genre_id(ask.genre_id), page)
        lists = {"popular": self._tmdb.popular, "top": self._tmdb.top, "trending": self._tmdb.trending}
        return await lists[ask.list](page)


def _page_name(ask: ListMovies | GenreMovies) -> str:
    """Raises ServiceError for what is no genre."""
    if isinstance(ask, GenreMovies):
        return f"genre/{_genre_id(ask.genre_id)}/{_page(ask.page)}"
    return f"{ask.list}/{_page(ask.page)}"


def _page(number: int) -> int:
    """Page numbers that don't exist mean the first page (movies API, "Input Validation")."""
    return number if 1 <= number <= PAGES_MAX else 1


def _movie_id(number: int) -> int:
    if not 1 <= number <= MOVIE_ID_MAX:
        raise ServiceError(ErrorCode.INVALID_INPUT, f"{number} is not the number of a title.")
    return number


def _genre_id(number: int) -> int:
    if not 1 <= number <= MOVIE_ID_MAX:
        raise ServiceError(ErrorCode.INVALID_INPUT, f"{number} is not the number of a genre.")
    return number
