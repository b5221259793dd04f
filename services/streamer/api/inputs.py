"""What people send, checked: ids, pages, words to search for, and what a request for a film may say."""

import re
from typing import Annotated, Any, cast, get_args

import msgspec
from litestar import Request
from litestar.datastructures import State

from libs.common.errors import ErrorCode, ServiceError
from libs.common.events import Mode, Quality
from libs.common.jobs import MovieStatus
from services.streamer.requests import Wish

AnyRequest = Request[Any, Any, State]
JSON = "application/json"

LARGEST_ID = 2**31 - 1
STATUSES: tuple[str, ...] = get_args(MovieStatus)
LAST_PAGE = 500
"""TMDB has no page beyond it."""
MAX_QUERY_CHARS = 200
MAX_RELEASE_ID_CHARS = 300

_JOB_ID = re.compile(r"job_\d{1,16}_[0-9a-f]{1,32}", re.ASCII)
_NUMBER = re.compile(r"\d{1,10}", re.ASCII)


class FetchOrder(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`release_id` is one of the film's releases; manual mode needs it."""

    mode: Annotated[str, msgspec.Meta(extra_json_schema={"extra": {"enum": ["auto", "manual"]}})]
    release_id: str | None = None
    quality_preference: (
        Annotated[str, msgspec.Meta(extra_json_schema={"extra": {"enum": ["720p", "1080p", "4K", None]}})]
        | None
    ) = None

    def __post_init__(self) -> None:
        # ValueErrors of a struct become validation errors with this very sentence.
        if self.mode not in ("auto", "manual"):
            raise ValueError("Mode must be 'auto' or 'manual'.")
        if self.mode == "manual" and not self.release_id:
            raise ValueError(
                "Manual mode requires 'release_id'. Take one from the film's releases (GET …/releases)."
            )
        if self.release_id is not None and not 0 < len(self.release_id) <= MAX_RELEASE_ID_CHARS:
            raise ValueError(f"release_id must have 1 to {MAX_RELEASE_ID_CHARS} characters.")
        if self.quality_preference not in (None, "720p", "1080p", "4K"):
            raise ValueError("Quality preference must be '720p', '1080p' or '4K'.")

    @property
    def wish(self) -> Wish:
        return Wish(
            mode=cast("Mode", self.mode),
            release_id=self.release_id,
            quality=cast("Quality | None", self.quality_preference),
        )


class JsonRequest(Request[Any, Any, State]):
    """A request whose body, if it has one, is JSON and says so.

    A form of another site's page can send a body without asking first (CORS), but not as `application/json`.
    """

    async def json(self) -> Any:
        """Raises ServiceError: INVALID_INPUT."""
        if self.headers.get("content-type", "").partition(";")[0].strip().lower() != JSON:
            raise ServiceError(
                ErrorCode.INVALID_INPUT, f"The body must be JSON, sent with the header Content-Type: {JSON}."
            )
        try:
            return await super().json()
        # Besides its own errors msgspec lets out these: for bad UTF-8 in a text, and for deep nesting.
        except (UnicodeDecodeError, RecursionError) as error:
            raise ServiceError(
                ErrorCode.INVALID_INPUT, "The request can't be read; its body must be JSON."
            ) from error


def movie_id_of(text: str) -> int:
    """A positive integer. Raises ServiceError: INVALID_INPUT."""
    return _positive(text, "Invalid movie ID")


def genre_id_of(text: str) -> int:
    """A positive integer. Raises ServiceError: INVALID_INPUT."""
    return _positive(text, "Invalid genre ID; GET …/genres lists them")


def _positive(text: str, sentence: str) -> int:
    number = int(text) if _NUMBER.fullmatch(text) else 0
    if not 0 < number <= LARGEST_ID:
        raise ServiceError(ErrorCode.INVALID_INPUT, sentence)
    return number


def job_id_of(text: str) -> str:
    """Raises ServiceError: INVALID_INPUT."""
    if not _JOB_ID.fullmatch(text):
        raise ServiceError(ErrorCode.INVALID_INPUT, "Invalid job ID")
    return text


def page_of(text: str | None) -> int:
    """The page; 1 if it is missing or isn't one."""
    number = int(text) if text and _NUMBER.fullmatch(text) else 1
    return number if 1 <= number <= LAST_PAGE else 1


def status_of(text: str | None) -> MovieStatus | None:
    """None if it is missing or empty. Raises ServiceError: INVALID_INPUT."""
    if not text:
        return None
    if text not in STATUSES:
        raise ServiceError(ErrorCode.INVALID_INPUT, f"status can be {', '.join(STATUSES)}.")
    return cast("MovieStatus", text)


def query_of(text: str | None) -> str:
    """The words without the space around them. Raises ServiceError: INVALID_INPUT."""
    words = (text or "").strip()
    if not words:
        raise ServiceError(ErrorCode.INVALID_INPUT, "Query parameter 'query' is required")
    if len(words) > MAX_QUERY_CHARS:
        raise ServiceError(
            ErrorCode.INVALID_INPUT,
            f"Query parameter 'query' is too long; {MAX_QUERY_CHARS} characters at most",
        )
    return words
