"""Answers of a site that are kept: fresh ones, old ones if need be; each is asked for once at a time."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import structlog
from msgspec.structs import replace

from libs.common.cache import Cache
from libs.common.events import Wire, decode, encode
from services.catalog import metrics
from services.catalog.errors import SourceError
from services.catalog.flights import Flights

log = structlog.get_logger(__name__)

Answer = TypeVar("Answer", bound=Wire)


class Kept:
    """One site's answers, over a cache; a key has at most one fetch under way, and what it brings is kept."""

    def __init__(self, cache: Cache, origin: str) -> None:
        """`origin`: whose answers these are, so that another address gets none of this one's."""
        self._cache = cache
        self._origin = origin
        self.flights = Flights()

    async def get(
        self,
        name: str,
        fresh_s: float,
        kind: type[Answer],
        fetch: Callable[[], Awaitable[Answer]],
        *,
        patience_s: float | None = None,
    ) -> Answer:
        """What is kept and younger than `fresh_s`; else what `fetch` brings, which is kept.

        If that raises a SourceError which passes, or takes longer than `patience_s`, an answer that is too
        old is served rather than none, marked as stale if it can be. Raises TimeoutError if there is none.
        """
        age_s, kept = await self._read(name, kind)
        if kept is not None and 0 <= age_s < fresh_s:
            metrics.ANSWERS.labels("cache").inc()
            return kept
        try:
            async with asyncio.timeout(patience_s):
                return await self.flights.once(name, lambda: self._fetched(name, fresh_s, kind, fetch))
        except TimeoutError:
            if kept is None:
                raise
            return served_stale(kept, "it takes its time")

    async def has(self, name: str, young_s: float) -> bool:
        """Whether an answer is kept that is no older than that."""
        kept = await self._cache.get(self._key(name))
        return kept is not None and 0 <= kept.age_s < young_s

    async def renew(self, name: str, fetch: Callable[[], Awaitable[Answer]]) -> Answer:
        """What `fetch` brings, which is kept; or raises."""
        answer = await fetch()
        metrics.ANSWERS.labels("upstream").inc()
        await self._cache.put(self._key(name), encode(answer))
        return answer

    async def close(self) -> None:
        """Nothing is fetched any more."""
        await self.flights.close()

    async def _fetched(
        self, name: str, fresh_s: float, kind: type[Answer], fetch: Callable[[], Awaitable[Answer]]
    ) -> Answer:
        # Another fetch may have landed while the asker read the cache.
        age_s, kept = await self._read(name, kind)
        if kept is not None and 0 <= age_s < fresh_s:
            return kept
        try:
            return await self.renew(name, fetch)
        except SourceError as error:
            if kept is None or not error.passing:
                raise
            return served_stale(kept, error.message)

    async def _read(self, name: str, kind: type[Answer]) -> tuple[float, Answer | None]:
        kept = await self._cache.get(self._key(name))
        if kept is None:
            return 0.0, None
        try:
            return kept.age_s, decode(kept.data, kind)
        except ValueError:
            # Another version wrote it, or the file is damaged; what the site says now replaces it.
            return kept.age_s, None

    def _key(self, name: str) -> str:
        return f"{self._origin} {name}"


def served_stale(answer: Answer, why: str) -> Answer:
    """The old answer, as a new one can't be had now; it says so if its kind has words for it."""
    log.warning("stale_answer_served", answer=type(answer).__name__, error=why)
    metrics.ANSWERS.labels("stale").inc()
    return replace(answer, is_stale=True) if "is_stale" in answer.__struct_fields__ else answer
