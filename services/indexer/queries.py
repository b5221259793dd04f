"""What the indexer answers: the releases of a title, for people to choose from, and how the indexers are."""

from libs.common.events import FindReleases, Indexers, ListIndexers, Releases
from services.indexer import choice
from services.indexer.candidates import Candidates


class Queries:
    def __init__(self, candidates: Candidates) -> None:
        self._candidates = candidates

    async def releases(self, ask: FindReleases) -> Releases:
        """At most 20: 1080p, 720p, 4K, the rest; and what each indexer had to do with it."""
        found = await self._candidates.of(ask.title, ask.quality or choice.WANTED)
        return Releases(releases=choice.listed(found), indexers=await self._candidates.indexers())

    async def indexers(self, _ask: ListIndexers) -> Indexers:
        return Indexers(indexers=await self._candidates.indexers())
