"""TMDB's series: details, then the episodes of many seasons in one request (`append_to_response`)."""

from collections.abc import Iterator

import msgspec

from libs.common.errors import ErrorCode
from libs.common.series import SeriesEpisodes
from services.catalog.episodes import EPISODES_MAX
from services.catalog.errors import TmdbError
from services.catalog.series import TmdbSeason, TmdbSeries, episodes_of, season_counts
from services.catalog.tmdb import Tmdb

SEASONS_AT_ONCE = 20
"""TMDB appends at most so many (status code 27)."""
EPISODES_AT_ONCE = 200
"""With everybody who plays in them some 10 KiB each."""
SEASONS_BYTES_MAX = 16 * 1024 * 1024

_Parts = dict[str, msgspec.Raw]


class TmdbEpisodes:
    """Raises what `Tmdb` raises."""

    name = "TMDB"
    code = ErrorCode.TMDB_ERROR

    def __init__(self, tmdb: Tmdb) -> None:
        self._tmdb = tmdb

    async def episodes(self, number: int) -> SeriesEpisodes:
        """One request for the series, and one for some 200 episodes; `is_aired` isn't told."""
        path = f"/3/tv/{number}"
        details = await self._tmdb.get(
            path, TmdbSeries, {"append_to_response": "external_ids"}, is_of_title=True
        )
        seasons: dict[int, TmdbSeason] = {}
        for batch in batches(season_counts(details)):
            wanted = ",".join(f"season/{season}" for season in batch)
            answer = await self._tmdb.get(
                path,
                _Parts,
                {"append_to_response": wanted},
                is_of_title=True,
                max_bytes=SEASONS_BYTES_MAX,
            )
            seasons |= {s: _season(answer[f"season/{s}"]) for s in batch if f"season/{s}" in answer}
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


def _season(part: msgspec.Raw) -> TmdbSeason:
    try:
        season = msgspec.json.decode(part, type=TmdbSeason)
        # What is beyond an answer's bound isn't held until all seasons are there.
        return msgspec.structs.replace(season, episodes=(season.episodes or ())[: EPISODES_MAX + 1])
    except (ValueError, RecursionError) as error:
        message = "TMDB's answer can't be read; is [tmdb] url right?"
        raise TmdbError(ErrorCode.TMDB_ERROR, message, passing=False) from error
