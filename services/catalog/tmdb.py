"""TMDB's API version 3, as far as films are shown: search, lists, genres, similar titles, details, changes,
images."""

import asyncio
import time
from collections.abc import Sequence
from datetime import date
from typing import TypeVar

import msgspec
import structlog

from libs.common.catalog import Genres
from libs.common.errors import ErrorCode
from libs.common.events import MovieDetails, MoviePage
from libs.common.sections import Tmdb as TmdbSettings
from libs.common.upstream import Kind, Upstream, UpstreamError, origin
from services.catalog import movies
from services.catalog.errors import SourceError
from services.catalog.series import TmdbSeason, TmdbSeries

log = structlog.get_logger(__name__)

ANSWER_BYTES_MAX = 4 * 1024 * 1024
SEASONS_BYTES_MAX = 16 * 1024 * 1024
"""Some 200 episodes, with everybody who plays in them some 10 KiB each, and one season may have more."""
TIMEOUT_S = 10.0
IMAGES_KEPT_S = 24 * 3600.0
IMAGES_RETRIED_S = 60.0
"""How long the fallback is used before TMDB is asked again where images lie."""

_PASSING: frozenset[Kind] = frozenset({"timeout", "unreachable", "server_error", "rate_limited"})

T = TypeVar("T")


class TmdbError(SourceError):
    """See `SourceError`."""


class Tmdb:
    """TMDB for one process.

    Every question raises TmdbError: TMDB_ERROR, NOT_FOUND, or INTERNAL_ERROR if no key is configured.
    """

    def __init__(self, settings: TmdbSettings, *, user_agent: str) -> None:
        self._token = settings.token
        self._images = movies.FALLBACK_IMAGES
        self._images_until = 0.0
        self._asking_images = asyncio.Lock()
        self._upstream = Upstream(
            "TMDB",
            settings.url,
            allowed=frozenset({origin(settings.url)}),
            secrets=(settings.token,) if settings.token else (),
            timeout_s=TIMEOUT_S,
            rate_per_s=settings.requests_per_s,
            user_agent=user_agent,
        )

    async def search(self, query: str, page: int) -> MoviePage:
        return await self._page("/3/search/movie", page, query=query, include_adult="false")

    async def popular(self, page: int) -> MoviePage:
        return await self._page("/3/movie/popular", page)

    async def top(self, page: int) -> MoviePage:
        return await self._page("/3/movie/top_rated", page)

    async def trending(self, page: int) -> MoviePage:
        """What was looked at most this week."""
        return await self._page("/3/trending/movie/week", page)

    async def of_genre(self, genre_id: int, page: int) -> MoviePage:
        """The most popular first."""
        return await self._page(
            "/3/discover/movie",
            page,
            with_genres=str(genre_id),
            sort_by="popularity.desc",
            include_adult="false",
        )

    async def genres(self, language: str) -> Genres:
        """`language`: `de`, `pt-BR`. A genre that TMDB has no word for in it is left out."""
        answer = await self._get("/3/genre/movie/list", movies.TmdbGenres, {"language": language})
        return Genres(genres=movies.genres(answer))

    async def changes(self, first: date, last: date, page: int) -> movies.TmdbChanges:
        """Which films were changed on the days from `first` to `last`: 14 days at most, 100 to a page."""
        days = {"start_date": first.isoformat(), "end_date": last.isoformat()}
        return await self._get("/3/movie/changes", movies.TmdbChanges, {**days, "page": page})

    async def similar(self, movie_id: int, page: int) -> MoviePage:
        return await self._page(f"/3/movie/{movie_id}/similar", page, is_of_title=True)

    async def movie(self, movie_id: int) -> MovieDetails:
        answer = await self._get(
            f"/3/movie/{movie_id}",
            movies.TmdbDetails,
            {"append_to_response": "credits"},
            is_of_title=True,
        )
        return movies.details(answer, await self._image_base())

    async def series(self, number: int) -> TmdbSeries:
        return await self._get(
            f"/3/tv/{number}", TmdbSeries, {"append_to_response": "external_ids"}, is_of_title=True
        )

    async def seasons(self, number: int, seasons: Sequence[int]) -> dict[int, TmdbSeason]:
        """Those of these (at most 20) that there are, in one request."""
        answer = await self._get(
            f"/3/tv/{number}",
            dict[str, msgspec.Raw],
            {"append_to_response": ",".join(f"season/{season}" for season in seasons)},
            is_of_title=True,
            max_bytes=SEASONS_BYTES_MAX,
        )
        found = {season: answer.get(f"season/{season}") for season in seasons}
        return {season: _decoded(part, TmdbSeason) for season, part in found.items() if part is not None}

    async def close(self) -> None:
        await self._upstream.close()

    async def _page(self, path: str, page: int, *, is_of_title: bool = False, **params: str) -> MoviePage:
        answer = await self._get(path, movies.TmdbPage, {**params, "page": page}, is_of_title=is_of_title)
        return movies.page(answer, page, await self._image_base())

    async def _image_base(self) -> str:
        """Never fails: titles without TMDB's word on images are better than none."""
        # Many ask at once; one of them asks TMDB.
        async with self._asking_images:
            if time.monotonic() >= self._images_until:
                await self._ask_image_base()
        return self._images

    async def _ask_image_base(self) -> None:
        try:
            self._images = movies.image_base(
                await self._get("/3/configuration", movies.TmdbConfiguration, {})
            )
            self._images_until = time.monotonic() + IMAGES_KEPT_S
        except TmdbError as error:
            log.warning("image_base_unknown", error=error.message)
            self._images_until = time.monotonic() + IMAGES_RETRIED_S

    async def _get(
        self,
        path: str,
        kind: type[T],
        params: dict[str, str | int],
        *,
        is_of_title: bool = False,
        max_bytes: int = ANSWER_BYTES_MAX,
    ) -> T:
        if not self._token:
            message = (
                "No TMDB key is set: put it into [tmdb] token or TMDB_API_KEY "
                "(themoviedb.org, Settings, API: the read access token)."
            )
            raise TmdbError(ErrorCode.INTERNAL_ERROR, message, passing=False)
        headers = {"Authorization": f"Bearer {self._token}", "Accept": "application/json"}
        try:
            response = await self._upstream.get(
                path, params=params, headers=headers, max_bytes=max_bytes, same_hosts_only=True
            )
        except UpstreamError as error:
            raise _translated(error, is_of_title=is_of_title) from error
        return _decoded(response.body, kind)


def _decoded(data: bytes | msgspec.Raw, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(data, type=kind)
    # Besides its own errors msgspec lets out UnicodeDecodeError and, for deep nesting, RecursionError.
    except (ValueError, RecursionError) as error:
        message = "TMDB's answer can't be read; is [tmdb] url right?"
        raise TmdbError(ErrorCode.TMDB_ERROR, message, passing=False) from error


def _translated(error: UpstreamError, *, is_of_title: bool) -> TmdbError:
    code = ErrorCode.TMDB_ERROR
    match error.kind:
        case "not_found" if is_of_title:
            code, message = ErrorCode.NOT_FOUND, "That title isn't on TMDB (any more)."
        case "not_found":
            # Lists and the search are always there.
            message = "TMDB has no such address; check [tmdb] url."
        case "unauthorized":
            message = "TMDB does not accept the key; check [tmdb] token (it wants the read access token)."
        case "rate_limited":
            message = "TMDB asks us to slow down; try again in a moment."
        case _:
            message = f"{error.sentence}."
    return TmdbError(code, message, passing=error.kind in _PASSING, retry_after_s=error.retry_after_s)
