"""What the catalog answers: details out of its titles; search, lists and similar titles out of its cache;
from TMDB if they have nothing that is fresh.
"""

import re
from collections.abc import Awaitable, Callable
from typing import TypeVar

import structlog
from msgspec.structs import replace

from libs.common.cache import Cache
from libs.common.catalog import GenreMovies, Genres, ListGenres
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
from services.catalog import metrics
from services.catalog.movies import PAGES_MAX
from services.catalog.titles import Titles
from services.catalog.tmdb import Tmdb, TmdbError

log = structlog.get_logger(__name__)

SEARCH_FRESH_S = 600.0
LISTS_FRESH_S = 3600.0
GENRES_FRESH_S = 24 * 3600.0
QUERY_CHARS_MAX = 200
MOVIE_ID_MAX = 2**31 - 1

_LANGUAGE = re.compile(r"[a-z]{2}(-[A-Z]{2})?", re.ASCII)

Answer = TypeVar("Answer", MoviePage, MovieDetails, Genres)


class Catalog:
    """Answers the catalog's queries. Refusals are ServiceErrors.

    What TMDB said lately is served without asking again. If TMDB fails in a way that passes, an answer that
    is too old is served rather than none, marked as stale.
    """

    def __init__(self, tmdb: Tmdb, cache: Cache, titles: Titles, origin: str) -> None:
        """`origin`: the address of the TMDB that is asked; another one's answers are not this one's."""
        self._tmdb = tmdb
        self._cache = cache
        self._titles = titles
        self._origin = origin

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
        return await self._page_of(ask)

    async def genre(self, ask: GenreMovies) -> MoviePage:
        return await self._page_of(ask)

    async def genres(self, ask: ListGenres) -> Genres:
        if not _LANGUAGE.fullmatch(ask.language):
            raise ServiceError(ErrorCode.INVALID_INPUT, "A language is such as 'en' or 'pt-BR'.")
        key = f"genres/{ask.language}"
        return await self._kept(key, GENRES_FRESH_S, Genres, lambda: self._tmdb.genres(ask.language))

    async def has(self, ask: ListMovies | GenreMovies, young_s: float) -> bool:
        """Whether a page is kept that is no older than that."""
        kept = await self._cache.get(self._key(_page_name(ask)))
        return kept is not None and 0 <= kept.age_s < young_s

    async def renew(self, ask: ListMovies | GenreMovies) -> MoviePage:
        """The page as TMDB has it now, and kept. Raises TmdbError."""
        return await self._fetched(_page_name(ask), lambda: self._fetch_page(ask))

    async def similar(self, ask: SimilarMovies) -> MoviePage:
        movie_id, page = _movie_id(ask.movie_id), _page(ask.page)
        key = f"similar/{movie_id}/{page}"
        return await self._kept(key, LISTS_FRESH_S, MoviePage, lambda: self._tmdb.similar(movie_id, page))

    async def movie(self, ask: GetMovie) -> MovieDetails:
        movie_id = _movie_id(ask.movie_id)
        known = await self._titles.get(movie_id)
        if known and known.is_fresh:
            metrics.ANSWERS.labels("database").inc()
            return known.details
        try:
            details = await self._tmdb.movie(movie_id)
        except TmdbError as error:
            if error.code is ErrorCode.NOT_FOUND:
                await self._titles.forget(movie_id)
            return _stale_or_raise(known.details if known else None, error, f"movie/{movie_id}")
        metrics.ANSWERS.labels("tmdb").inc()
        await self._titles.put(details)
        return details

    async def _page_of(self, ask: ListMovies | GenreMovies) -> MoviePage:
        return await self._kept(_page_name(ask), LISTS_FRESH_S, MoviePage, lambda: self._fetch_page(ask))

    async def _fetch_page(self, ask: ListMovies | GenreMovies) -> MoviePage:
        page = _page(ask.page)
        if isinstance(ask, GenreMovies):
            return await self._tmdb.of_genre(_genre_id(ask.genre_id), page)
        lists = {"popular": self._tmdb.popular, "top": self._tmdb.top, "trending": self._tmdb.trending}
        return await lists[ask.list](page)

    async def _kept(
        self, name: str, fresh_s: float, kind: type[Answer], fetch: Callable[[], Awaitable[Answer]]
    ) -> Answer:
        kept = await self._cache.get(self._key(name))
        stale = _readable(kept.data, kind) if kept else None
        if kept and stale and 0 <= kept.age_s < fresh_s:
            metrics.ANSWERS.labels("cache").inc()
            return stale
        try:
            return await self._fetched(name, fetch)
        except TmdbError as error:
            return _stale_or_raise(stale, error, name)

    async def _fetched(self, name: str, fetch: Callable[[], Awaitable[Answer]]) -> Answer:
        answer = await fetch()
        metrics.ANSWERS.labels("tmdb").inc()
        await self._cache.put(self._key(name), encode(answer))
        return answer

    def _key(self, name: str) -> str:
        return f"{self._origin} {name}"


def _stale_or_raise(stale: Answer | None, error: TmdbError, name: str) -> Answer:
    """Raises the error, unless it passes and there is something older."""
    if stale is None or not error.passing:
        raise error
    log.warning("stale_answer_served", answer=name, error=error.message)
    metrics.ANSWERS.labels("stale").inc()
    return replace(stale, is_stale=True)


def _page_name(ask: ListMovies | GenreMovies) -> str:
    """Raises ServiceError for what is no genre."""
    if isinstance(ask, GenreMovies):
        return f"genre/{_genre_id(ask.genre_id)}/{_page(ask.page)}"
    return f"{ask.list}/{_page(ask.page)}"


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


def _genre_id(number: int) -> int:
    if not 1 <= number <= MOVIE_ID_MAX:
        raise ServiceError(ErrorCode.INVALID_INPUT, f"{number} is not the number of a genre.")
    return number
