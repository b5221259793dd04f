"""Every configured indexer asked at once; what they said is kept for 15 minutes."""

import asyncio
import hashlib
import time
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Protocol

import msgspec
import structlog

from libs.common.errors import ErrorCode, ServiceError
from libs.common.events import TitleRef
from libs.common.indexers import IndexerAnswer, IndexerHealth
from libs.common.settings import IndexerSettings
from services.indexer.desk import TIMEOUT_S, Desk
from services.indexer.errors import IndexerFailed, IndexerRests
from services.indexer.found import Found
from services.indexer.hunt import Hunt
from services.indexer.merging import Rank, merged
from services.indexer.metrics import DROPPED, SEARCH_MS, SEARCHES
from services.indexer.newznab import Newznab
from services.indexer.offers import Offer
from services.indexer.prowlarr import Prowlarr
from services.indexer.store import Searches

log = structlog.get_logger(__name__)

_KINDS: dict[str, Callable[[Desk], "Indexer"]] = {
    "newznab": Newznab,
    "torznab": Newznab,
    "prowlarr": Prowlarr,
}


class Indexer(Protocol):
    """Somebody who knows releases."""

    desk: Desk

    async def search(self, title: TitleRef) -> Found:
        """What can be had of the title. Raises IndexerFailed."""
        ...


class Search:
    """Finds offers for a title. The list that people choose from and the choice itself share one search."""

    def __init__(
        self,
        settings: Sequence[IndexerSettings],
        cache: Searches,
        *,
        user_agent: str,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """Indexers of other kinds, and those without an API key, are left out, and the log says so once."""
        self._cache = cache
        self._now = now
        self._indexers = [
            _KINDS[one.kind](Desk(one, cache.kept, user_agent=user_agent, now=now))
            for one in settings
            if _usable(one)
        ]
        self._running: dict[str, tuple[Hunt, asyncio.Task[tuple[Offer, ...]]]] = {}
        self._dropped: dict[str, Mapping[str, int]] = {}
        self._trouble = _trouble(settings)
        names = "\n".join(f"{one.kind} {one.name} {one.url} {one.priority}" for one in settings)
        self._origin = hashlib.sha256(names.encode()).hexdigest()[:16]

    async def offers(self, title: TitleRef) -> tuple[Offer, ...]:
        """What can be had of the title, each release once.

        Raises ServiceError: INTERNAL_ERROR if no indexer is set up, NZBGEEK_ERROR if none could be asked.
        """
        return await asyncio.shield(self._hunt(title)[1])

    async def follow(
        self, title: TitleRef
    ) -> AsyncGenerator[tuple[tuple[Offer, ...], tuple[IndexerAnswer, ...]]]:
        """What is known at once, and whenever an indexer has answered; at last what `offers` says.

        Raises as `offers` does, but says first how each indexer failed.
        """
        hunt, search = self._hunt(title)
        while not search.done():
            news, offers, answers = hunt.news, hunt.offers, hunt.answers
            yield await self._merged(offers), answers
            await news.wait()
        if search.exception():
            yield (), hunt.answers
        yield await search, hunt.answers

    def _hunt(self, title: TitleRef) -> tuple[Hunt, asyncio.Task[tuple[Offer, ...]]]:
        """The search for this title that is under way, or a new one."""
        if not self._indexers:
            raise ServiceError(ErrorCode.INTERNAL_ERROR, self._trouble)
        # What is offered depends on how the title is called, too.
        known = msgspec.json.encode((title.key, title.imdb_id, title.name, title.year))
        key = f"{self._origin} {hashlib.sha256(known).hexdigest()[:32]}"
        # Who looks at the list and then presses Watch must not have it searched for twice. One of them may go
        # away meanwhile; the others still wait.
        if key not in self._running:
            hunt = Hunt(indexer.desk.name for indexer in self._indexers)
            search = asyncio.create_task(self._search(key, title, hunt), name=f"search-{title.key}")
            self._running[key] = hunt, search

            def ended(over: asyncio.Task[tuple[Offer, ...]]) -> None:
                del self._running[key]
                # Whoever asked may be gone by now; that nobody hears how it failed is no error of its own.
                _ = over.cancelled() or over.exception()
                hunt.tell()

            search.add_done_callback(ended)
        return self._running[key]

    async def _search(self, key: str, title: TitleRef, hunt: Hunt) -> tuple[Offer, ...]:
        if kept := await self._cache.get(key):
            await self._recall(kept, hunt)
            return kept
        begun = time.monotonic()
        failures = await self._ask_all(title, hunt)
        found = await self._merged(hunt.offers)
        SEARCH_MS.observe((time.monotonic() - begun) * 1000)
        if failures and len(failures) == len(self._indexers):
            raise ServiceError(ErrorCode.NZBGEEK_ERROR, str(failures[0]))
        # Neither an empty answer nor half of one is worth keeping: the next one may say more. But who rests
        # will say nothing for hours, and the others must not be asked again and again because of that.
        if found and all(isinstance(failure, IndexerRests) for failure in failures):
            await self._cache.put(key, found)
        return found

    async def health(self) -> tuple[IndexerHealth, ...]:
        """How each indexer is, in the order of the settings; the NZBs taken are not counted here."""
        return tuple([await self._health(indexer.desk) for indexer in self._indexers])

    async def close(self) -> None:
        running = [search for _, search in self._running.values()]
        for task in running:
            task.cancel()
        if running:
            await asyncio.wait(running)
        for indexer in self._indexers:
            await indexer.desk.close()

    async def _ask_all(self, title: TitleRef, hunt: Hunt) -> list[IndexerFailed]:
        async with asyncio.TaskGroup() as tasks:
            asked = [
                tasks.create_task(self._ask(indexer, title, hunt), name=f"search-{indexer.desk.name}")
                for indexer in self._indexers
            ]
        return [failure for task in asked if (failure := task.result())]

    async def _recall(self, offers: tuple[Offer, ...], hunt: Hunt) -> None:
        """What a search that is still fresh says of each indexer."""
        found = Counter(one.indexer for offer in offers for one in (offer, *offer.also_at))
        for desk in (indexer.desk for indexer in self._indexers):
            try:
                await desk.open()
            except IndexerRests as rests:
                hunt.failed(desk.name, rests)
            else:
                hunt.answered(desk.name, (), found[desk.name])

    async def _merged(self, offers: Sequence[Offer]) -> tuple[Offer, ...]:
        ranks: dict[str, Rank] = {}
        for place, indexer in enumerate(self._indexers):
            failures = (await indexer.desk.standing()).failures
            ranks[indexer.desk.name] = (indexer.desk.settings.priority, failures, place)
        return await asyncio.to_thread(merged, offers, ranks)

    async def _ask(self, indexer: Indexer, title: TitleRef, hunt: Hunt) -> IndexerFailed | None:
        desk = indexer.desk
        try:
            await desk.open()
            found = await _in_time(indexer, title)
        except IndexerFailed as failure:
            await desk.failed(failure)
            SEARCHES.labels(
                indexer=desk.name, outcome="rests" if isinstance(failure, IndexerRests) else "failed"
            ).inc()
            log.warning("indexer_failed", indexer=desk.name, error=str(failure))
            hunt.failed(desk.name, failure)
            return failure
        await desk.succeeded()
        SEARCHES.labels(indexer=desk.name, outcome="answered").inc()
        DROPPED.labels(indexer=desk.name).inc(sum(found.dropped.values()))
        self._dropped[desk.name] = found.dropped
        hunt.answered(desk.name, found.offers, len(found.offers))
        return None

    async def _health(self, desk: Desk) -> IndexerHealth:
        standing, now = await desk.standing(), self._now()
        return IndexerHealth(
            name=desk.name,
            kind=desk.settings.kind,
            last_success=standing.last_success,
            last_error=standing.last_error,
            last_error_at=standing.last_error_at,
            resting_until=standing.resting_until if standing.rests(now) else None,
            queries_today=standing.queries_today(now),
            queries_per_day=desk.settings.queries_per_day,
            grabs_per_day=desk.settings.grabs_per_day,
            dropped=dict(self._dropped.get(desk.name, {})),
        )


async def _in_time(indexer: Indexer, title: TitleRef) -> Found:
    """All that is asked of one indexer for one title, in the time that people wait for it."""
    try:
        async with asyncio.timeout(TIMEOUT_S):
            return await indexer.search(title)
    except TimeoutError as error:
        raise IndexerFailed(f"{indexer.desk.name} didn't finish within {TIMEOUT_S:g} s.") from error


def _usable(settings: IndexerSettings) -> bool:
    if settings.kind not in _KINDS:
        log.warning("indexer_skipped", indexer=settings.name, reason=f"{settings.kind} is not supported yet")
        return False
    if not settings.api_key:
        log.warning("indexer_skipped", indexer=settings.name, reason="it has no api_key")
        return False
    return True


def _trouble(settings: Sequence[IndexerSettings]) -> str:
    for one in settings:
        if one.kind in _KINDS:
            return f"{one.name} has no API key: set api_key of this indexer in [[indexers]]."
    return "No indexer is set up: add a Newznab indexer with its api_key under [[indexers]] in matinee.toml."
