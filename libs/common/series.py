"""Series and their episodes as they cross between services, and as `/v1/episodes` shows them.

A series has an id such as `tmdb:tv:1399` or `mal:anime:5114`; an episode's key is that and its season and
number: `tmdb:tv:1399:1:2`. Season 0 holds the specials. Names in JSON are the public ones.
"""

from typing import ClassVar, Literal

import msgspec

from libs.common.events import Query, Wire

SeriesKind = Literal["series", "anime"]


class GetEpisodes(Query, frozen=True, kw_only=True, tag="episodes"):
    service: ClassVar[str] = "catalog"
    series_id: str


class Episode(Wire, frozen=True, kw_only=True):
    """One episode. `absolute_ep`: its number counted through from the series' beginning, if it is known."""

    episode_key: str = msgspec.field(name="episodeKey")
    season: int
    episode: int
    absolute_ep: int | None = None
    name: str
    runtime_s: int | None = None
    air_date: str | None = None
    is_special: bool = False
    is_aired: bool = False


class Counting(Wire, frozen=True, kw_only=True):
    """A run of episodes, and what their absolute numbers are: each one more than the one before.

    Null: they aren't counted. `why` says to a person where the numbers come from.
    """

    season: int
    episode_from: int
    episode_to: int
    absolute_from: int | None
    absolute_to: int | None
    why: str


class ExternalIds(Wire, frozen=True, kw_only=True):
    imdb_id: str | None = None
    tvdb_id: int | None = None
    tmdb_id: int | None = None
    mal_id: int | None = None


class SeriesEpisodes(Wire, frozen=True, kw_only=True):
    """A series' episodes in the order they are watched, the specials last.

    `mapping`: how absolute numbers become seasons and episodes, in the same order; of an anime also its
    parts before this one. `is_complete`: false if there are more episodes than an answer holds.
    `is_stale`: the site can't be asked now, and this is what it said some time ago.
    """

    series_id: str = msgspec.field(name="seriesId")
    title: str
    kind: SeriesKind
    external: ExternalIds
    mapping: tuple[Counting, ...]
    episodes: tuple[Episode, ...]
    is_complete: bool = True
    is_stale: bool = False
