"""/v1/episodes: a series' episodes."""

from typing import Annotated

from litestar import Controller, get
from litestar.di import NamedDependency
from litestar.params import QueryParameter

from libs.common.bus import Bus
from libs.common.errors import ErrorCode, ServiceError
from libs.common.queries import ask
from libs.common.series import GetEpisodes, SeriesEpisodes
from services.streamer.api.errors import REFUSALS

_ID_CHARS_MAX = 40


class EpisodesController(Controller):
    """What a series consists of."""

    path = "/v1/episodes"
    tags = ("series",)

    @get(
        "/",
        responses=REFUSALS,
        summary="A series' episodes in order, counted through; specials last",
    )
    async def episodes(
        self,
        bus: NamedDependency[Bus],
        series_id: Annotated[str | None, QueryParameter(name="seriesId")] = None,
    ) -> SeriesEpisodes:
        """`seriesId`: such as `tmdb:tv:1399` or `mal:anime:5114`."""
        if not series_id:
            raise ServiceError(ErrorCode.INVALID_INPUT, "Query parameter 'seriesId' is required")
        if len(series_id) > _ID_CHARS_MAX:
            raise ServiceError(
                ErrorCode.INVALID_INPUT, "A series' id is such as tmdb:tv:1399 or mal:anime:5114."
            )
        return await ask(bus, GetEpisodes(series_id=series_id), SeriesEpisodes)
