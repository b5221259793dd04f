"""TMDB's series: details, then the episodes of many seasons in one request (`append_to_response`)."""

from collections.abc import Iterator

from msgspec.structs import replace

from libs.common.errors import ErrorCode
from libs.common.series import SeriesEpisodes
from services.catalog.episodes import EPISODES_MAX
from services.catalog.series import TmdbSeason, episodes_of, season_counts
from services.catalog.tmdb import Tmdb

SEASONS_AT_ONCE = 20
"""TMDB appends at most so many (status code 27)."""
EPISODES_AT_ONCE = 200


class TmdbEpisodes:
    """Raises what `Tmdb` raises."""

    name = "TMDB"
    code = ErrorCode.TMDB_ERROR

    def __init__(self, tmdb: Tmdb) -> None:
        self._tmdb = tmdb

    async def episodes(self, number: int) -> SeriesEpisodes:
        """One request for the series, and one for some 200 episodes; `is_aired` isn't told."""
        details = await self._tmdb.series(number)
        seasons: dict[int, TmdbSeason] = {}
        for batch in batches(season_counts(details)):
            seasons |= {
                # What is beyond an answer's bound isn't held until all seasons are there.
                season: replace(told, episodes=(told.episodes or ())[: EPISODES_MAX + 1])
                for season, told in (await self._tmdb.seasons(number, batch)).items()
            }
        return episodes_of(details, seasons)


def batches(counts: dict[int, int]) -> Iterator[list[int]]:
    """Seasons to ask for together, specials last; those beyond what an answer holds are left out."""
    batch: list[int] = []
    episodes = total = 0
    for season in sorted(counts, key=lambda season: (season == 0, season)):
        if total > EPISODES_MAX:
            break
        if batch and (len(batch) == SEASONS_AT_ONCE or episodes + counts[season] > EPISODES_AT_ONCE):
            yield batch
            batch, episodes = [], 0
        batch.append(season)
        episodes += counts[season]
        total += counts[season]
    if batch:
        yield batch
