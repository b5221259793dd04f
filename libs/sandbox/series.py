"""The sandbox's invented series and anime: what TMDB and MyAnimeList would know of them."""

import tomllib
from collections.abc import Iterable
from datetime import date, timedelta
from pathlib import Path
from typing import Literal

import msgspec

_FIRST_WORDS = ("A Borrowed", "The Second", "The Quiet", "Somebody's", "The Unpaid", "An Honest", "The Last")
_SECOND_WORDS = ("Lantern", "Ferry", "Letter", "Winter", "Debt", "Bell", "Umbrella", "Staircase", "Orchard")


class Season(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Episodes from 1 on, one a week; after `break_after` of them come `break_days` without.

    The first `undated` ones have no date.
    """

    number: int
    episodes: int
    first: date
    name: str = ""
    break_after: int = 0
    break_days: int = 0
    undated: int = 0

    def day(self, episode: int) -> date | None:
        if episode <= self.undated:
            return None
        paused = self.break_days if self.break_after and episode > self.break_after else 0
        return self.first + timedelta(days=7 * (episode - 1) + paused)


class Series(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A series as TMDB has it; genres by TMDB's numbers."""

    id: int
    name: str
    overview: str
    seasons: tuple[Season, ...]
    original_name: str = ""
    original_language: str = "en"
    imdb_id: str | None = None
    tvdb_id: int | None = None
    genres: tuple[int, ...] = ()
    runtime_min: int = 0


class Anime(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One of MyAnimeList's entries. `listed`: how many episodes its list has, if not all."""

    id: int
    title: str
    title_english: str
    kind: Literal["TV", "OVA", "ONA", "Movie", "Special"]
    first: date
    episodes: int | None = None
    listed: int | None = None
    prequels: tuple[int, ...] = ()

    @property
    def list_length(self) -> int:
        return self.listed if self.listed is not None else (self.episodes or 0)


class Broadcasts:
    """Every series and every anime of one sandbox."""

    def __init__(self, series: Iterable[Series], anime: Iterable[Anime]) -> None:
        self.series = {found.id: found for found in series}
        self.anime = {found.id: found for found in anime}


def episode_name(season: int, episode: int) -> str:
    first = _FIRST_WORDS[(season * 3 + episode) % len(_FIRST_WORDS)]
    return f"{first} {_SECOND_WORDS[(season + episode * 2) % len(_SECOND_WORDS)]}"


def load_broadcasts() -> Broadcasts:
    raw = tomllib.loads(Path(__file__).with_name("series.toml").read_text(encoding="utf-8"))
    return Broadcasts(
        msgspec.convert(raw["series"], tuple[Series, ...]), msgspec.convert(raw["anime"], tuple[Anime, ...])
    )
