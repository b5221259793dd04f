"""An anime's episodes from MyAnimeList: the entry, its prequels, its list."""

from collections import deque

from libs.common.errors import ErrorCode
from libs.common.series import SeriesEpisodes
from services.catalog.anime import Part, episodes_of, part_of
from services.catalog.jikan import Jikan, JikanError
from services.catalog.kept import Kept

PARTS_FRESH_S = 24 * 3600.0
PARTS_MAX = 12
"""So many prequels are asked for, at three a second."""


class JikanEpisodes:
    """Raises JikanError. The parts of a series are kept, for each of them asks for those before it."""

    name = "MyAnimeList"
    code = ErrorCode.JIKAN_ERROR

    def __init__(self, jikan: Jikan, kept: Kept) -> None:
        self._jikan = jikan
        self._kept = kept

    async def episodes(self, number: int) -> SeriesEpisodes:
        """A request for the entry, for each prequel, and for each hundred episodes."""
        part = await self._part(number)
        before, is_whole = await self._before(part)
        listed = await self._jikan.episodes(number)
        return episodes_of(part, before, listed, is_whole=is_whole)

    async def _before(self, part: Part) -> tuple[list[Part], bool]:
        """The part's prequels, theirs, and so on; and whether that is all of them."""
        if not part.is_broadcast:
            return [], True
        found: dict[int, Part] = {}
        is_whole = True
        waiting = deque(part.prequels)
        while waiting and len(found) < PARTS_MAX:
            number = waiting.popleft()
            if number == part.mal_id or number in found:
                continue
            try:
                found[number] = await self._part(number)
            except JikanError as error:
                if error.code is not ErrorCode.NOT_FOUND:
                    raise
                is_whole = False
            else:
                waiting.extend(found[number].prequels)
        known = {part.mal_id, *found}
        return list(found.values()), is_whole and known.issuperset(waiting)

    async def _part(self, number: int) -> Part:
        async def fetched() -> Part:
            return part_of(await self._jikan.anime(number))

        return await self._kept.get(f"part/{number}", PARTS_FRESH_S, Part, fetched)
