"""What TMDB's answers become: the movies API's own shapes. Pure."""

import re
from collections.abc import Sequence

import msgspec

from libs.common.catalog import Genre
from libs.common.events import Movie, MovieDetails, MoviePage, Person

FALLBACK_IMAGES = "https://image.tmdb.org/t/p/"
POSTER, BACKDROP, PROFILE = "w342", "w1280", "w185"
PAGES_MAX = 500
"""TMDB answers no page beyond this one."""
RESULTS_MAX = 20
CAST_MAX = 12
CREW_MAX = 6
GENRES_MAX = 20
GENRES_LISTED_MAX = 100
CHANGES_MAX = 1_000
"""TMDB says 100 to a page."""
TEXT_CHARS_MAX = 3_000
NAME_CHARS_MAX = 300
RUNTIME_MIN_MAX = 10_000

_CREW_JOBS = ("Director", "Screenplay", "Writer", "Original Music Composer", "Composer")
"""The jobs shown, in this order."""
_IMAGE_PATH = re.compile(r"/[A-Za-z0-9_.-]{1,200}")
_DATE = re.compile(r"(\d{4})-\d{2}-\d{2}")
_IMDB_ID = re.compile(r"tt\d{7,9}")


# TMDB's own shapes, as far as they are used; every field may be null or missing. Source: TMDB API 3,
# "search/movie", "movie/{movie_id}", "genre/movie/list", "movie/changes", "configuration".


class TmdbMovie(msgspec.Struct, frozen=True, kw_only=True):
    id: int
    title: str | None = None
    overview: str | None = None
    release_date: str | None = None
    poster_path: str | None = None
    backdrop_path: str | None = None
    vote_average: float | None = None


class TmdbPage(msgspec.Struct, frozen=True, kw_only=True):
    page: int | None = None
    total_pages: int | None = None
    total_results: int | None = None
    results: tuple[TmdbMovie, ...] | None = None


class TmdbGenre(msgspec.Struct, frozen=True, kw_only=True):
    id: int | None = None
    name: str | None = None


class TmdbGenres(msgspec.Struct, frozen=True, kw_only=True):
    genres: tuple[TmdbGenre, ...] | None = None


class TmdbChange(msgspec.Struct, frozen=True, kw_only=True):
    id: int | None = None


class TmdbChanges(msgspec.Struct, frozen=True, kw_only=True):
    results: tuple[TmdbChange, ...] | None = None
    total_pages: int | None = None


class TmdbCast(msgspec.Struct, frozen=True, kw_only=True):
    name: str | None = None
    character: str | None = None
    profile_path: str | None = None


class TmdbCrew(msgspec.Struct, frozen=True, kw_only=True):
    name: str | None = None
    job: str | None = None
    profile_path: str | None = None


class TmdbCredits(msgspec.Struct, frozen=True, kw_only=True):
    cast: tuple[TmdbCast, ...] | None = None
    crew: tuple[TmdbCrew, ...] | None = None


class TmdbDetails(TmdbMovie, frozen=True, kw_only=True):
    runtime: int | None = None
    genres: tuple[TmdbGenre, ...] | None = None
    imdb_id: str | None = None
    credits: TmdbCredits | None = None


class TmdbImages(msgspec.Struct, frozen=True, kw_only=True):
    secure_base_url: str | None = None
    base_url: str | None = None


class TmdbConfiguration(msgspec.Struct, frozen=True, kw_only=True):
    images: TmdbImages | None = None


# The transformation ---------------------------------------------------------------------------------------


def image_base(configuration: TmdbConfiguration) -> str:
    """Where images lie, with a slash at the end; TMDB's usual address if the answer names none."""
    images = configuration.images or TmdbImages()
    base = images.secure_base_url or images.base_url or ""
    if not base.startswith(("https://", "http://")):
        return FALLBACK_IMAGES
    return base.rstrip("/") + "/"


def page(answer: TmdbPage, number: int, images: str) -> MoviePage:
    """The page with that number; a list has at most 500 of them."""
    return MoviePage(
        page=number,
        total_pages=min(max(answer.total_pages or 0, 0), PAGES_MAX),
        total_results=max(answer.total_results or 0, 0),
        results=tuple(_movie(found, images) for found in (answer.results or ())[:RESULTS_MAX]),
    )


def genres(answer: TmdbGenres) -> tuple[Genre, ...]:
    return tuple(
        Genre(id=genre.id, name=genre.name[:NAME_CHARS_MAX])
        for genre in (answer.genres or ())[:GENRES_LISTED_MAX]
        if genre.id and genre.name
    )


def changed(answer: TmdbChanges) -> tuple[int, ...]:
    """The films that a page of the feed names."""
    return tuple(change.id for change in (answer.results or ())[:CHANGES_MAX] if change.id)


def details(answer: TmdbDetails, images: str) -> MovieDetails:
    credits = answer.credits or TmdbCredits()
    runtime_min = answer.runtime or 0
    genres = (genre.name for genre in (answer.genres or ())[:GENRES_MAX])
    return MovieDetails(
        **msgspec.structs.asdict(_movie(answer, images)),
        runtime_min=runtime_min if 0 < runtime_min <= RUNTIME_MIN_MAX else None,
        genres=tuple(name[:NAME_CHARS_MAX] for name in genres if name),
        cast=_cast(credits.cast or (), images),
        crew=_crew(credits.crew or (), images),
        imdb_id=answer.imdb_id if answer.imdb_id and _IMDB_ID.fullmatch(answer.imdb_id) else None,
    )


def _movie(answer: TmdbMovie, images: str) -> Movie:
    date = _DATE.fullmatch(answer.release_date or "")
    return Movie(
        id=answer.id,
        title=(answer.title or "")[:NAME_CHARS_MAX],
        year=int(date[1]) if date else None,
        release_date=date[0] if date else None,
        overview=(answer.overview or "")[:TEXT_CHARS_MAX],
        poster_url=_image(images, POSTER, answer.poster_path),
        backdrop_url=_image(images, BACKDROP, answer.backdrop_path),
        rating=round(min(max(answer.vote_average or 0.0, 0.0), 10.0), 1),
    )


def _cast(cast: Sequence[TmdbCast], images: str) -> tuple[Person, ...]:
    named = [person for person in cast if person.name]
    return tuple(_person(p.name, p.character, p.profile_path, images) for p in named[:CAST_MAX])


def _crew(crew: Sequence[TmdbCrew], images: str) -> tuple[Person, ...]:
    shown = [person for person in crew if person.name and person.job in _CREW_JOBS]
    shown.sort(key=lambda person: _CREW_JOBS.index(person.job or ""))
    return tuple(_person(p.name, p.job, p.profile_path, images) for p in shown[:CREW_MAX])


def _person(name: str | None, role: str | None, path: str | None, images: str) -> Person:
    return Person(
        name=(name or "")[:NAME_CHARS_MAX],
        role=(role or "")[:NAME_CHARS_MAX],
        photo_url=_image(images, PROFILE, path),
    )


def _image(base: str, size: str, path: str | None) -> str | None:
    return f"{base}{size}{path}" if path and _IMAGE_PATH.fullmatch(path) else None
