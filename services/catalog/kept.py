"""Answers of a site that are kept: fresh ones, old ones if need be; each is asked for once at a time."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import structlog

from libs.common.cache import Cache
from libs.common.events import Wire, decode, encode
from services.catalog.errors import SourceError

log = structlog.get_logger(__name__)

Answer = TypeVar("Answer", bound=Wire)


def _as_it_is(old: Answer) -> Answer:
    return old


class Kept:
    """One site's answers, over a cache.

    Whoever asks for what is being fetched already gets that very answer, or its failure: a key has at most
    one fetch under way. A fetch goes on if those who wait for it go away, and what it brings is kept.
    """

    def __init__(self, cache: Cache, origin: str) -> None:
        """`origin`: whose answers these are, so that another address gets none of this one's."""
        self._cache = cache
        self._origin = origin
        self._flights: dict[str, asyncio.Task[Any]] = {}

    async def get(
        self,
        name: str,
        fresh_s: float,
        kind: type[Answer],
        fetch: Callable[[], Awaitable[Answer]],
        mark: Callable[[Answer], Answer] = _as_it_is,
    ) -> Answer:
        """What is kept and younger than `fresh_s`; else what `fetch` brings, which is kept.

        If that raises a SourceError which passes, an answer that is too old is served rather than none, as
        `mark` marks it.
        """
        key = f"{self._origin} {name}"
        if key not in self._flights:
            age_s, kept = await self._read(key, kind)
            if kept is not None and 0 <= age_s < fresh_s:
                return kept
        flight = self._flights.get(key)
        if flight is None:
            flight = asyncio.create_task(
                self._fetched(key, fresh_s, kind, fetch, mark), name=f"fetch {name}"[:100]
            )
            self._flights[key] = flight
            flight.add_done_callback(lambda done: self._landed(key, done))
        return await asyncio.shield(flight)

    async def close(self) -> None:
        """Nothing is fetched any more."""
        flights = list(self._flights.values())
        for flight in flights:
            flight.cancel()
        await asyncio.gather(*flights, return_exceptions=True)

    async def _fetched(
        self,
        key: str,
        fresh_s: float,
        kind: type[Answer],
        fetch: Callable[[], Awaitable[Answer]],
        mark: Callable[[Answer], Answer],
    ) -> Answer:
        # Another fetch may have landed while the asker read the cache.
        age_s, kept = await self._read(key, kind)
        if kept is not None and 0 <= age_s < fresh_s:
            return kept
        try:
            answer = await fetch()
        except SourceError as error:
            if kept is None or not error.passing:
                raise
            log.warning("stale_answer_served", answer=key[:200], error=error.message)
            return mark(kept)
        await self._cache.put(key, encode(answer))
        return answer

    def _landed(self, key: str, flight: asyncio.Task[Any]) -> None:
        del self._flights[key]
        if not flight.cancelled():
            # Nobody may be left to hear of it.
            flight.exception()

    async def _read(self, key: str, kind: type[Answer]) -> tuple[float, Answer | None]:
        kept = await self._cache.get(key)
        if kept is None:
            return 0.0, None
        try:
            return kept.age_s, decode(kept.data, kind)
        except ValueError:
            # Another version wrote it, or the file is damaged; what the site says now replaces it.
            return kept.age_s, None
