"""What the indexer answers: the releases of a title, for people to choose from."""

from libs.common.events import FindReleases, Releases
from services.indexer import scoring
from services.indexer.candidates import Candidates


class Queries:
    def __init__(self, candidates: Candidates) -> None:
        self._candidates = candidates

    async def releases(self, ask: FindReleases) -> Releases:
        """At most 20: 1080p, 720p, 4K, the rest; nothing for a title without an IMDb id."""
        found = await self._candidates.of(ask.title, ask.quality or scoring.WANTED)
        return Releases(releases=scoring.listed(found))
