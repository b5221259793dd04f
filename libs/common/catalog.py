"""What the catalog is asked besides films: genres, and how its background tasks are getting on."""

from datetime import datetime
from typing import ClassVar

from libs.common.events import Query, Wire


class ListGenres(Query, frozen=True, kw_only=True, tag="genres"):
    """`language`: `en`, `pt-BR`."""

    service: ClassVar[str] = "catalog"
    language: str = "en"


class GenreMovies(Query, frozen=True, kw_only=True, tag="genre"):
    """Answered with a MoviePage, the most popular first."""

    service: ClassVar[str] = "catalog"
    genre_id: int
    page: int = 1


class ListTasks(Query, frozen=True, kw_only=True, tag="tasks"):
    service: ClassVar[str] = "catalog"


class Genre(Wire, frozen=True, kw_only=True):
    id: int
    name: str


class Genres(Wire, frozen=True, kw_only=True):
    genres: tuple[Genre, ...]
    is_stale: bool = False
    """TMDB can't be asked now: this is what it said some time ago."""


class TaskReport(Wire, frozen=True, kw_only=True):
    """How one background task is getting on. Counts are since the catalog's database was made."""

    name: str
    interval_s: float
    is_running: bool = False
    next_run_at: datetime | None = None
    """None: it doesn't run."""
    last_run_at: datetime | None = None
    """When it last began."""
    last_run_s: float | None = None
    """How long that took."""
    last_error: str | None = None
    """Of the last run; None if it went well."""
    errors_in_a_row: int = 0
    runs: int = 0
    errors: int = 0
    done: int = 0
    """Lists or titles that were brought up to date."""


class TaskReports(Wire, frozen=True, kw_only=True):
    tasks: tuple[TaskReport, ...]
    off_because: str | None = None
    """Why none of them runs, or would if its time had come."""
