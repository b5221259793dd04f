"""Offers with the points that they get now."""

import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from datetime import UTC, datetime

from msgspec.structs import replace

from libs.common.events import Candidate, Quality, TitleRef
from libs.common.indexers import IndexerAnswer, IndexerHealth
from libs.common.settings import Settings, UsenetServer
from services.indexer import scoring
from services.indexer.basis import Basis
from services.indexer.learned import Learned, Verdict
from services.indexer.merging import elsewhere, name_key
from services.indexer.metrics import GRABS_TODAY, SCORE_MS
from services.indexer.offers import Offer
from services.indexer.search import Search


class Candidates:
    """Every release of a title, scored: what people choose from, and what is chosen for them."""

    def __init__(self, search: Search, learned: Learned, settings: Settings) -> None:
        self._search = search
        self._learned = learned
        self._settings = settings
        self._grabs_per_day = {one.name: one.grabs_per_day for one in settings.indexers}
        self._retention_days = retention_days(settings.usenet)

    async def of(self, title: TitleRef, wanted: Quality) -> tuple[Candidate, ...]:
        """In no order, each once. Raises ServiceError as `Search.offers` does."""
        return await self._scored(await self._search.offers(title), title, wanted)

    async def follow(
        self, title: TitleRef, wanted: Quality
    ) -> AsyncGenerator[tuple[tuple[Candidate, ...], tuple[IndexerAnswer, ...]]]:
        """The same as indexers answer, and how far each is. Raises ServiceError as `Search.follow` does."""
        async with aclosing(self._search.follow(title)) as known:
            async for offers, answers in known:
                yield await self._scored(offers, title, wanted), answers

    async def _scored(
        self, offers: Sequence[Offer], title: TitleRef, wanted: Quality
    ) -> tuple[Candidate, ...]:
        now = datetime.now(UTC)
        verdicts = await self._learned.verdicts(offer.title for offer in offers)
        basis = Basis(
            wanted=wanted,
            now=now,
            max_film_bytes=self._settings.downloader.max_film_bytes,
            scoring=self._settings.scoring,
            runtime_min=title.runtime_min,
            retention_days=self._retention_days,
            grabs_per_day=self._grabs_per_day,
            grabs_today=await self._learned.grabs_today(now),
        )
        begun = time.perf_counter()
        found = scored(offers, basis, verdicts)
        SCORE_MS.observe((time.perf_counter() - begun) * 1000)
        return found

    async def indexers(self) -> tuple[IndexerHealth, ...]:
        """How each indexer is, with the NZBs taken from it."""
        grabs = await self._learned.grabs_today(datetime.now(UTC))
        found = [replace(one, grabs_today=grabs.get(one.name, 0)) for one in await self._search.health()]
        for one in found:
            GRABS_TODAY.labels(indexer=one.name).set(one.grabs_today)
        return tuple(found)


def scored(
    offers: Sequence[Offer], basis: Basis, verdicts: Mapping[str, Sequence[Verdict]]
) -> tuple[Candidate, ...]:
    exhausted = frozenset(
        name for name, most in basis.grabs_per_day.items() if most and basis.grabs_today.get(name, 0) >= most
    )
    return tuple(_candidate(elsewhere(offer, exhausted), basis, verdicts) for offer in offers)


def _candidate(offer: Offer, basis: Basis, verdicts: Mapping[str, Sequence[Verdict]]) -> Candidate:
    told = verdicts.get(name_key(offer.title), ()) if verdicts else ()
    verdict = next((verdict for verdict in told if verdict.is_about(offer)), None)
    if verdict:
        basis = replace(basis, verdict=verdict)
    return offer.candidate(scoring.score(offer, basis), basis.now)


def retention_days(servers: Sequence[UsenetServer]) -> int:
    """How far back the news server with the longest memory goes; 0 if that isn't known of all."""
    known = [server.retention_days for server in servers]
    return max(known) if known and all(known) else 0
