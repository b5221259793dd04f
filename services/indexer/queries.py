"""What the indexer answers: the releases of a title, for people to choose from, and how the indexers are."""

from collections.abc import AsyncGenerator
from contextlib import aclosing

from libs.common.indexers import FindReleases, FollowReleases, Indexers, ListIndexers, Releases, ReleasesSoFar
from services.indexer import choice
from services.indexer.candidates import Candidates


class Queries:
    def __init__(self, candidates: Candidates) -> None:
        self._candidates = candidates

    async def releases(self, ask: FindReleases) -> Releases:
        """At most 20: 1080p, 720p, 4K, the rest; and what each indexer had to do with it."""
        found = await self._candidates.of(ask.title, ask.quality or choice.WANTED)
        return Releases(releases=choice.listed(found), indexers=await self._candidates.indexers())

    async def releases_so_far(self, ask: FollowReleases) -> AsyncGenerator[ReleasesSoFar]:
        """The same list as indexers answer; the last one is what `releases` says."""
        async with aclosing(self._candidates.follow(ask.title, ask.quality or choice.WANTED)) as known:
            async for found, answers in known:
                yield ReleasesSoFar(releases=choice.listed(found), indexers=answers)

    async def indexers(self, _ask: ListIndexers) -> Indexers:
        return Indexers(indexers=await self._candidates.indexers())
