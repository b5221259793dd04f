"""/v1/subtitles: texts of a title from beside its release."""

from typing import Annotated

from litestar import Controller, Response, get
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, QueryParameter

from libs.common.bus import Bus
from libs.common.errors import ErrorCode, ServiceError
from libs.common.events import FindSubtitles, GetSubtitle, SubtitleList, SubtitleText
from libs.common.queries import ask
from libs.common.subtitles.webvtt import CONTENT_TYPE
from services.streamer.api.errors import REFUSALS
from services.streamer.api.inputs import LARGEST_ID

_ENDING = ".vtt"
_KEY_CHARS_MAX = 60


class SubtitlesController(Controller):
    """Texts of a title that its release doesn't have."""

    path = "/v1/subtitles"
    tags = ("playing",)

    @get(
        "/{title_key:str}/found",
        responses=REFUSALS,
        summary="What texts of a title there are, best first; and how many may still be downloaded today",
    )
    async def found(
        self,
        bus: NamedDependency[Bus],
        title_key: FromPath[str],
        languages: Annotated[str | None, QueryParameter(name="languages")] = None,
    ) -> SubtitleList:
        """`languages`: `en,pt-br`; none means those of the settings. Costs no download."""
        wanted = tuple(word for word in (languages or "").split(",") if word)
        return await ask(bus, FindSubtitles(title_key=_key(title_key), languages=wanted), SubtitleList)

    @get(
        "/{file_name:str}",
        responses=REFUSALS,
        summary="A title's text as WebVTT: the best one in a language, or a certain one of those found",
        media_type=CONTENT_TYPE,
    )
    async def text(
        self,
        bus: NamedDependency[Bus],
        file_name: FromPath[str],
        language: FromQuery[str] = "en",
        file_id: FromQuery[int | None] = None,
    ) -> Response[bytes]:
        """`file_name` is the title's key and `.vtt`. The first time costs one download of the quota."""
        if not file_name.endswith(_ENDING):
            raise ServiceError(ErrorCode.NOT_FOUND, "A text's address ends in .vtt.")
        if file_id is not None and not 0 < file_id <= LARGEST_ID:
            raise ServiceError(ErrorCode.INVALID_INPUT, "There is no text of that number.")
        query = GetSubtitle(
            title_key=_key(file_name.removesuffix(_ENDING)), language=language, file_id=file_id
        )
        answer = await ask(bus, query, SubtitleText)
        headers = {"cache-control": "private, max-age=86400"}
        return Response(answer.vtt.encode(), media_type=CONTENT_TYPE, headers=headers)


def _key(text: str) -> str:
    """Which keys there are is the catalog's to say."""
    if len(text) > _KEY_CHARS_MAX:
        raise ServiceError(ErrorCode.INVALID_INPUT, "A title's key is such as tmdb:movie:603.")
    return text
