"""What the catalog answers about series: their episodes, in order and counted through."""

import re
from collections.abc import Callable
from datetime import UTC, date, datetime

from msgspec.structs import replace

from libs.common.errors import ErrorCode, ServiceError
from libs.common.series import GetEpisodes, SeriesEpisodes
from services.catalog.episodes import as_of
from services.catalog.errors import SourceError
from services.catalog.jikan_series import JikanEpisodes
from services.catalog.kept import Kept
from services.catalog.series import ID_MAX
from services.catalog.tmdb_series import TmdbEpisodes

EPISODES_FRESH_S = 12 * 3600.0
"""An episode's date is often told the day before only."""

PATIENCE_S = 15.0
"""Who asks over NATS is gone after 20 seconds."""

_SERIES_ID = re.compile(r"(tmdb:tv|mal:anime):(\d{1,10})", re.ASCII)


def _today() -> date:
    return datetime.now(UTC).date()


class SeriesCatalog:
    """Refusals are ServiceErrors. Freshness and failures are as `Kept` has them.

    Nobody waits longer than `patience_s`; what is being fetched is there for whoever asks later.
    """

    def __init__(
        self,
        tmdb: TmdbEpisodes,
        of_tmdb: Kept,
        jikan: JikanEpisodes,
        of_jikan: Kept,
        *,
        today: Callable[[], date] = _today,
        patience_s: float = PATIENCE_S,
    ) -> None:
        self._sites = {"tmdb:tv": (tmdb, of_tmdb), "mal:anime": (jikan, of_jikan)}
        self._today = today
        self._patience_s = patience_s

    async def episodes(self, ask: GetEpisodes) -> SeriesEpisodes:
        found = await self._listed(ask.series_id)
        return replace(found, episodes=as_of(self._today(), found.episodes))

    async def _listed(self, series_id: str) -> SeriesEpisodes:
        match = _SERIES_ID.fullmatch(series_id)
        number = int(match[2]) if match else 0
        if match is None or not 0 < number <= ID_MAX:
            message = "A series' id is such as tmdb:tv:1399 or mal:anime:5114."
            raise ServiceError(ErrorCode.INVALID_INPUT, message)
        site, kept = self._sites[match[1]]
        key = f"{match[1]}:{number}"
        try:
            return await kept.get(
                key,
                EPISODES_FRESH_S,
                SeriesEpisodes,
                lambda: site.episodes(number),
                patience_s=self._patience_s,
            )
        except TimeoutError as error:
            message = f"{site.name} takes its time with a series as long as that; try again in a moment."
            raise SourceError(site.code, message, passing=True) from error
