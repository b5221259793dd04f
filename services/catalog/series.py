"""What TMDB tells of series becomes their episodes, counted through. Pure."""

import re
from collections.abc import Iterable, Iterator, Sequence

import msgspec

from libs.common.series import Counting, Episode, ExternalIds, SeriesEpisodes
from services.catalog.episodes import (
    EPISODES_MAX,
    NUMBER_MAX,
    SEASON_MAX,
    day_of,
    in_order,
    name_of,
    runtime_s_of,
)

SEASONS_MAX = 200
ID_MAX = 2**31 - 1
_ANIMATION = 16
"""TMDB's genre."""
_IMDB_ID = re.compile(r"tt\d{7,9}", re.ASCII)


# TMDB's own shapes, as far as they are used; every field may be null or missing. Source: TMDB API 3,
# "tv/{series_id}", "tv/{series_id}/season/{season_number}".


class TmdbGenreId(msgspec.Struct, frozen=True, kw_only=True):
    id: int | None = None


class TmdbSeasonHead(msgspec.Struct, frozen=True, kw_only=True):
    season_number: int | None = None
    episode_count: int | None = None


class TmdbExternalIds(msgspec.Struct, frozen=True, kw_only=True):
    imdb_id: str | None = None
    tvdb_id: int | None = None


class TmdbSeries(msgspec.Struct, frozen=True, kw_only=True):
    id: int
    name: str | None = None
    original_name: str | None = None
    original_language: str | None = None
    genres: tuple[TmdbGenreId, ...] | None = None
    seasons: tuple[TmdbSeasonHead, ...] | None = None
    external_ids: TmdbExternalIds | None = None


class TmdbEpisode(msgspec.Struct, frozen=True, kw_only=True):
    episode_number: int | None = None
    name: str | None = None
    air_date: str | None = None
    runtime: int | None = None


class TmdbSeason(msgspec.Struct, frozen=True, kw_only=True):
    episodes: tuple[TmdbEpisode, ...] | None = None


# The transformation ---------------------------------------------------------------------------------------


def season_counts(answer: TmdbSeries) -> dict[int, int]:
    """Each season's number of episodes, by its number, in order."""
    found = {
        season.season_number: max(0, min(season.episode_count or 0, NUMBER_MAX))
        for season in (answer.seasons or ())[:SEASONS_MAX]
        if season.season_number is not None and 0 <= season.season_number <= SEASON_MAX
    }
    return dict(sorted(found.items()))


def episodes_of(answer: TmdbSeries, seasons: dict[int, TmdbSeason]) -> SeriesEpisodes:
    """The series with these seasons' episodes, by the seasons' numbers."""
    series_id = f"tmdb:tv:{answer.id}"
    listed = in_order(_listed(series_id, seasons))
    missing = set(season_counts(answer)) - set(seasons)
    counted, mapping = count_through(listed, missing=missing)
    return SeriesEpisodes(
        series_id=series_id,
        title=name_of(answer.name or answer.original_name, "Untitled"),
        kind="anime" if _is_anime(answer) else "series",
        external=_external(answer),
        mapping=mapping,
        episodes=tuple(counted[:EPISODES_MAX]),
        is_complete=not missing and len(counted) <= EPISODES_MAX,
    )


def _listed(series_id: str, seasons: dict[int, TmdbSeason]) -> Iterator[Episode]:
    for season, answer in seasons.items():
        for found in answer.episodes or ():
            number = found.episode_number
            if number is not None and 0 <= number <= NUMBER_MAX:
                yield Episode(
                    episode_key=f"{series_id}:{season}:{number}",
                    season=season,
                    episode=number,
                    name=name_of(found.name, f"Episode {number}"),
                    runtime_s=runtime_s_of(found.runtime),
                    air_date=day_of(found.air_date),
                    is_special=season == 0,
                )


def count_through(
    listed: Sequence[Episode], *, missing: Iterable[int] = ()
) -> tuple[list[Episode], tuple[Counting, ...]]:
    """The episodes with their absolute numbers, and the runs that these come from.

    `listed` is in order. From the first of the `missing` seasons on nothing is counted.
    """
    known_below = min((season for season in missing if season > 0), default=SEASON_MAX + 1)
    counted: list[Episode] = []
    runs: list[list[Episode]] = []
    before = 0
    for found in listed:
        is_counted = not found.is_special and found.season < known_below
        before += is_counted
        found = msgspec.structs.replace(found, absolute_ep=before if is_counted else None)
        if runs and _goes_on(runs[-1][-1], found):
            runs[-1].append(found)
        else:
            runs.append([found])
        counted.append(found)
    return counted, tuple(_counting(run) for run in runs)


def _goes_on(last: Episode, found: Episode) -> bool:
    return last.season == found.season and found.episode == last.episode + 1


def _counting(run: Sequence[Episode]) -> Counting:
    first, last = run[0], run[-1]
    return Counting(
        season=first.season,
        episode_from=first.episode,
        episode_to=last.episode,
        absolute_from=first.absolute_ep,
        absolute_to=last.absolute_ep,
        why=_why(first),
    )


def _why(first: Episode) -> str:
    if first.is_special:
        return "Specials aren't counted."
    if first.absolute_ep is None:
        return f"Season {first.season} isn't counted: TMDB doesn't tell how many episodes came before it."
    before = first.absolute_ep - 1
    if before == 0:
        return f"Season {first.season} is the first: counting begins with it."
    if first.episode == first.absolute_ep:
        return f"Season {first.season} goes on with the numbers of the one before."
    counted = f"{before} episode{'s' if before > 1 else ''} came before; specials aren't counted."
    return f"Season {first.season}, from episode {first.episode}: {counted}"


def _is_anime(answer: TmdbSeries) -> bool:
    genres = {genre.id for genre in answer.genres or ()}
    return answer.original_language == "ja" and _ANIMATION in genres


def _external(answer: TmdbSeries) -> ExternalIds:
    ids = answer.external_ids or TmdbExternalIds()
    return ExternalIds(
        imdb_id=ids.imdb_id if ids.imdb_id and _IMDB_ID.fullmatch(ids.imdb_id) else None,
        tvdb_id=ids.tvdb_id if ids.tvdb_id and 0 < ids.tvdb_id <= ID_MAX else None,
        tmdb_id=answer.id,
    )
