"""Jikan's API version 4: MyAnimeList's entries and their episodes. It needs no key, and is asked slowly."""

from typing import TypeVar

import msgspec

from libs.common.errors import ErrorCode
from libs.common.pacing import Windows
from libs.common.sections import Jikan as JikanSettings
from libs.common.upstream import Kind, Upstream, UpstreamError, origin
from services.catalog.anime import JikanAnime, JikanEpisode
from services.catalog.episodes import EPISODES_MAX
from services.catalog.errors import SourceError

ANSWER_BYTES_MAX = 2 * 1024 * 1024
TIMEOUT_S = 10.0
LIMITS = {1.1: 3, 61.0: 60}
"""Three a second and sixty a minute, as Jikan allows, and a little for what is faster on its way."""
EPISODES_A_PAGE = 100
PAGES_MAX = EPISODES_MAX // EPISODES_A_PAGE + 1

_PASSING: frozenset[Kind] = frozenset({"timeout", "unreachable", "server_error", "rate_limited"})

T = TypeVar("T")


class _Anime(msgspec.Struct, frozen=True, kw_only=True):
    data: JikanAnime


class _Pagination(msgspec.Struct, frozen=True, kw_only=True):
    has_next_page: bool | None = None


class _Episodes(msgspec.Struct, frozen=True, kw_only=True):
    data: tuple[JikanEpisode, ...] | None = None
    pagination: _Pagination | None = None


class JikanError(SourceError):
    pass


class Jikan:
    """Jikan for one process. Every question raises JikanError: JIKAN_ERROR or NOT_FOUND."""

    def __init__(self, settings: JikanSettings, *, user_agent: str) -> None:
        self._upstream = Upstream(
            "Jikan",
            settings.url,
            allowed=frozenset({origin(settings.url)}),
            secrets=(),
            timeout_s=TIMEOUT_S,
            rate_per_s=Windows(LIMITS),
            user_agent=user_agent,
        )

    async def anime(self, number: int) -> JikanAnime:
        """The entry, with what it is related to."""
        return (await self._get(f"/v4/anime/{number}/full", _Anime)).data

    async def episodes(self, number: int) -> list[JikanEpisode]:
        """Those that are listed, at most some 1,600; one request for each hundred."""
        found: list[JikanEpisode] = []
        for page in range(1, PAGES_MAX + 1):
            answer = await self._get(f"/v4/anime/{number}/episodes", _Episodes, page=page)
            found += (answer.data or ())[:EPISODES_A_PAGE]
            if not answer.pagination or not answer.pagination.has_next_page:
                break
        return found

    async def close(self) -> None:
        await self._upstream.close()

    async def _get(self, path: str, kind: type[T], **params: int) -> T:
        try:
            response = await self._upstream.get(
                path,
                params=params,
                headers={"Accept": "application/json"},
                max_bytes=ANSWER_BYTES_MAX,
                same_hosts_only=True,
            )
        except UpstreamError as error:
            raise _translated(error) from error
        try:
            return msgspec.json.decode(response.body, type=kind)
        # Besides its own errors msgspec lets out UnicodeDecodeError and, for deep nesting, RecursionError.
        except (ValueError, RecursionError) as error:
            message = "Jikan's answer can't be read; is [jikan] url right?"
            raise JikanError(ErrorCode.JIKAN_ERROR, message, passing=False) from error


def _translated(error: UpstreamError) -> JikanError:
    code = ErrorCode.JIKAN_ERROR
    match error.kind:
        case "not_found":
            code, message = ErrorCode.NOT_FOUND, "That anime isn't on MyAnimeList (any more)."
        case "rate_limited":
            message = "Jikan asks us to slow down; try again in a moment."
        case _:
            message = f"{error.sentence}."
    return JikanError(code, message, passing=error.kind in _PASSING)
