"""Answers of a site that are kept: fresh ones, old ones if need be; each is asked for once at a time."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

import structlog

from libs.common.cache import Cache
from libs.common.events import Wire, decode, encode
from services.catalog.errors import SourceError
from services.catalog.flights import Flights

log = structlog.get_logger(__name__)

Answer = TypeVar("Answer", bound=Wire)


def _as_it_is(old: Answer) -> Answer:
    return old


class Kept:
    """One site's answers, over a cache.

    A fetch goes on if those who wait for it go away, and what it brings is kept.
    """

    def __init__(self, cache: Cache, origin: str) -> None:
        """`origin`: whose answers these are, so that another address gets none of this one's."""
        self._cache = cache
        self._origin = origin
        self._flights = Flights()

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

        async def look_up() -> Answer:
            age_s, kept = await self._read(key, kind)
            if kept is not None and 0 <= age_s < fresh_s:
                return kept
            try:
                answer = await fetch()
            except SourceError as error:
                if kept is None or not error.passing:
                    raise
                log.warning("stale_answer_served", answer=name, error=error.message)
                return mark(kept)
            await self._cache.put(key, encode(answer))
            return answer

        return await self._flights.once(key, look_up)

    async def close(self) -> None:
        """Nothing is fetched any more."""
        await self._flights.close()

    async def _read(self, key: str, kind: type[Answer]) -> tuple[float, Answer | None]:
        kept = await self._cache.get(key)
        if kept is None:
            return 0.0, None
        try:
            return kept.age_s, decode(kept.data, kind)
        except ValueError:
            # Another version wrote it, or the file is damaged; what the site says now replaces it.
            return kept.age_s, None
