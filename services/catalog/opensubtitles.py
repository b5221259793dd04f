"""OpenSubtitles' REST API version 1: what texts there are of a title, and one of them, within a quota.

A download is counted against the owner's quota (of 24 h), a search is not; so nothing is downloaded unless a
person asked for it. Source: opensubtitles.stoplight.io, "search", "login", "download".
"""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final, TypeVar

import msgspec

from libs.common.errors import ErrorCode, ServiceError
from libs.common.events import Subtitle, SubtitleQuota
from libs.common.sections import OpenSubtitles as OpenSubtitlesSettings
from libs.common.subtitles.decoding import FILE_BYTES_MAX
from libs.common.upstream import Upstream, UpstreamError, origin

ANSWER_BYTES_MAX: Final = 2 << 20
FOUND_MAX: Final = 60
TIMEOUT_S: Final = 15.0
RATE_PER_S: Final = 4.0
"""It refuses those who ask more than 5 times a second."""
_USED_UP: Final = 406
_TEXT_CHARS_MAX: Final = 200
_LANGUAGE: Final = re.compile(r"[A-Za-z]{2,3}(?:-[A-Za-z]{2,4})?")

T = TypeVar("T")


# The site's own shapes, as far as they are used; every field may be null or missing.


class _File(msgspec.Struct, frozen=True):
    file_id: int | None = None


class _Attributes(msgspec.Struct, frozen=True):
    language: str | None = None
    release: str | None = None
    download_count: int | None = None
    hearing_impaired: bool | None = None
    foreign_parts_only: bool | None = None
    ai_translated: bool | None = None
    machine_translated: bool | None = None
    moviehash_match: bool | None = None
    files: tuple[_File, ...] | None = None


class _Found(msgspec.Struct, frozen=True):
    attributes: _Attributes | None = None


class _Page(msgspec.Struct, frozen=True):
    data: tuple[_Found, ...] | None = None


class _Session(msgspec.Struct, frozen=True):
    token: str | None = None


class _Link(msgspec.Struct, frozen=True):
    link: str | None = None
    remaining: int | None = None
    reset_time_utc: datetime | None = None


class OpenSubtitles:
    """For one process. Every question raises ServiceError: SUBTITLES_ERROR, RATE_LIMITED, NOT_FOUND."""

    def __init__(self, settings: OpenSubtitlesSettings, *, user_agent: str) -> None:
        self._settings = settings
        self._token: str | None = None
        self.quota: SubtitleQuota | None = None
        """As the last download said."""
        self._upstream = Upstream(
            "OpenSubtitles",
            settings.url,
            allowed=frozenset({origin(settings.url)}),
            secrets=tuple(s for s in (settings.api_key, settings.username, settings.password) if s),
            timeout_s=TIMEOUT_S,
            rate_per_s=RATE_PER_S,
            user_agent=user_agent,
        )

    async def search(self, wanted: Mapping[str, str | int], languages: Sequence[str]) -> tuple[Subtitle, ...]:
        """`wanted`: what tells the title (tmdb_id, imdb_id, parent_tmdb_id …, moviehash). Best first."""
        self._require_key()
        params = dict(wanted) | ({"languages": ",".join(sorted(languages))} if languages else {})
        # Anything but this order is redirected, and counted twice.
        ordered = dict(sorted(params.items()))
        try:
            response = await self._upstream.get(
                "subtitles",
                params=ordered,
                headers=self._headers(),
                max_bytes=ANSWER_BYTES_MAX,
                same_hosts_only=True,
            )
        except UpstreamError as error:
            raise self._translated(error) from error
        page = _decoded(response.body, _Page)
        found = [subtitle for entry in (page.data or ())[:FOUND_MAX] if (subtitle := _subtitle(entry))]
        return tuple(sorted(found, key=_rank))

    async def download(self, file_id: int) -> bytes:
        """The file as it was uploaded; costs one of the quota, which `quota` tells afterwards."""
        self._require_key()
        await self._log_in()
        link = _decoded(await self._post("download", {"file_id": file_id}), _Link)
        if link.remaining is not None:
            self.quota = SubtitleQuota(remaining=max(link.remaining, 0), resets_at=link.reset_time_utc)
        if not link.link:
            raise ServiceError(ErrorCode.SUBTITLES_ERROR, "OpenSubtitles gave no address for the text.")
        try:
            response = await self._upstream.get(link.link, max_bytes=FILE_BYTES_MAX)
        except UpstreamError as error:
            raise self._translated(error) from error
        return response.body

    async def close(self) -> None:
        await self._upstream.close()

    def _require_key(self) -> None:
        if not self._settings.api_key:
            message = (
                "No OpenSubtitles key is set: put it into [opensubtitles] api_key or OPENSUBTITLES_API_KEY "
                "(opensubtitles.com, Profile, API consumers)."
            )
            raise ServiceError(ErrorCode.SUBTITLES_ERROR, message)

    async def _log_in(self) -> None:
        """Once, if the owner has an account; without one the quota is that of the address."""
        if self._token is None and self._settings.username:
            login = {"username": self._settings.username, "password": self._settings.password}
            self._token = _decoded(await self._post("login", login), _Session).token

    async def _post(self, path: str, body: Mapping[str, Any]) -> bytes:
        headers = self._headers() | {"Content-Type": "application/json"}
        try:
            response = await self._upstream.post(
                path, body=msgspec.json.encode(body), headers=headers, max_bytes=ANSWER_BYTES_MAX
            )
        except UpstreamError as error:
            if error.kind == "unauthorized":
                # A session lasts a day; the next question begins another.
                self._token = None
            raise self._translated(error) from error
        return response.body

    def _headers(self) -> dict[str, str]:
        headers = {"Api-Key": self._settings.api_key, "Accept": "application/json"}
        return headers | ({"Authorization": f"Bearer {self._token}"} if self._token else {})

    def _translated(self, error: UpstreamError) -> ServiceError:
        code = ErrorCode.SUBTITLES_ERROR
        if error.status == _USED_UP:
            code, message = (
                ErrorCode.RATE_LIMITED,
                f"OpenSubtitles' downloads of today are used up{self._until()}.",
            )
            self.quota = SubtitleQuota(remaining=0, resets_at=self.quota.resets_at if self.quota else None)
        elif error.kind == "unauthorized":
            message = "OpenSubtitles does not accept the key or the account; check [opensubtitles]."
        elif error.kind == "rate_limited":
            code, message = (
                ErrorCode.RATE_LIMITED,
                "OpenSubtitles asks us to slow down; try again in a moment.",
            )
        elif error.kind == "not_found":
            code, message = ErrorCode.NOT_FOUND, "That text isn't on OpenSubtitles (any more)."
        else:
            message = f"{error.sentence}."
        return ServiceError(code, message)

    def _until(self) -> str:
        if self.quota is None or self.quota.resets_at is None:
            return "; there are new ones within a day"
        return f"; there are new ones at {self.quota.resets_at:%H:%M} UTC"


def _decoded(body: bytes, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(body, type=kind)
    # Besides its own errors msgspec lets out UnicodeDecodeError and, for deep nesting, RecursionError.
    except (ValueError, RecursionError) as error:
        message = "OpenSubtitles' answer can't be read; is [opensubtitles] url right?"
        raise ServiceError(ErrorCode.SUBTITLES_ERROR, message) from error


def _subtitle(found: _Found) -> Subtitle | None:
    """None for one in several parts, or of which not even the language is told."""
    facts = found.attributes or _Attributes()
    files = facts.files or ()
    if len(files) != 1 or not files[0].file_id or not _LANGUAGE.fullmatch(facts.language or ""):
        return None
    return Subtitle(
        file_id=files[0].file_id,
        language=(facts.language or "").lower(),
        release=(facts.release or "")[:_TEXT_CHARS_MAX],
        downloads=max(facts.download_count or 0, 0),
        is_for_hearing_impaired=bool(facts.hearing_impaired),
        is_forced=bool(facts.foreign_parts_only),
        is_machine_made=bool(facts.ai_translated or facts.machine_translated),
        is_of_this_file=bool(facts.moviehash_match),
    )


def _rank(subtitle: Subtitle) -> tuple[bool, bool, bool, int]:
    """Of this very file first, then people's work, then whole texts, then what others took."""
    return (
        not subtitle.is_of_this_file,
        subtitle.is_machine_made,
        subtitle.is_forced,
        -subtitle.downloads,
    )
