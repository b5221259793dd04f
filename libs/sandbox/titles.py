"""The sandbox's programme: what each invented title is, and the few of them that have a film."""

import tomllib
from collections.abc import Iterable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated, Literal

import msgspec

GENRE_IDS = {
    "Action": 28,
    "Adventure": 12,
    "Animation": 16,
    "Comedy": 35,
    "Crime": 80,
    "Documentary": 99,
    "Drama": 18,
    "Family": 10751,
    "Fantasy": 14,
    "History": 36,
    "Horror": 27,
    "Music": 10402,
    "Mystery": 9648,
    "Romance": 10749,
    "Science Fiction": 878,
    "Thriller": 53,
    "War": 10752,
    "Western": 37,
}
"""TMDB's genres of films"""

GENRES_IN = {
    "de": {
        "Adventure": "Abenteuer",
        "Comedy": "Komödie",
        "Crime": "Krimi",
        "Documentary": "Dokumentarfilm",
        "Family": "Familie",
        "History": "Historie",
        "Music": "Musik",
        "War": "Kriegsfilm",
    }
}
"""What genres are called in other languages, where not the same."""

FEW = (900001, 900002, 900003, 900004)
"""Two MKV, two MP4; the odd ones' best release is RAR5 with par2, the even ones' is plain."""


_Colour = Annotated[str, msgspec.Meta(pattern="^#[0-9a-f]{6}$")]
_Date = Annotated[str, msgspec.Meta(pattern="^[0-9]{4}-[0-9]{2}-[0-9]{2}$")]


class FilmSpec(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the sandbox renders for a title; `seconds` is exact to one frame."""

    container: Literal["mkv", "mp4"]
    seconds: int


class Title(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One title as TMDB would know it. `rating` is 0 to 10, `palette` four `#rrggbb` colours."""

    id: int
    title: str
    release_date: _Date
    overview: str = ""
    tagline: str = ""
    runtime_min: int = 0
    genres: tuple[str, ...] = ()
    rating: float = 0.0
    votes: int = 0
    popularity: float = 1.0
    imdb_id: str | None = None
    palette: tuple[_Colour, _Colour, _Colour, _Colour] = ("#1f2933", "#52606d", "#f0b429", "#f5f7fa")
    cast: tuple[tuple[str, str], ...] = ()
    """(name, character)"""
    crew: tuple[tuple[str, str, str], ...] = ()
    """(name, job, department)"""
    film: FilmSpec | None = None

    def __post_init__(self) -> None:
        if unknown := [name for name in self.genres if name not in GENRE_IDS]:
            raise ValueError(f"{unknown[0]!r} is no genre of TMDB's")

    @property
    def year(self) -> int:
        return int(self.release_date[:4])


class Programme:
    """Every title of one sandbox, in the order they are listed; titles can be added while it runs."""

    def __init__(self, titles: Iterable[Title]) -> None:
        self._titles = {title.id: title for title in titles}
        self.changes: dict[int, date] = {}
        """Titles that were replaced, and the day (UTC) of that."""

    def __iter__(self):
        return iter(self._titles.values())

    def get(self, title_id: int) -> Title | None:
        return self._titles.get(title_id)

    def add(self, title: Title) -> None:
        """Adds the title, or replaces the one with its id."""
        if title.id in self._titles:
            self.changes[title.id] = datetime.now(UTC).date()
        self._titles[title.id] = title


def load_titles() -> tuple[Title, ...]:
    """The built-in programme, the most popular first."""
    raw = tomllib.loads(Path(__file__).with_name("titles.toml").read_text(encoding="utf-8"))
    titles = msgspec.convert(raw["titles"], tuple[Title, ...])
    return tuple(sorted(titles, key=lambda title: -title.popularity))
