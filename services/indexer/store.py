"""What the indexer keeps for a while: an SQLite file that may be deleted at any time.

What searches found, for 15 minutes; what indexers can do, for a day; how each stands with us.
"""

import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import msgspec

from libs.common.cache import Cache
from libs.common.events import Wire
from services.indexer.offers import Offer

FRESH_S = 900.0
ROWS_MAX = 500
"""At some 50 KiB a row, about 25 MiB."""

T = TypeVar("T", bound=Wire)


class Kept:
    """Small things by key."""

    def __init__(self, cache: Cache) -> None:
        self._cache = cache

    async def get(self, key: str, kind: type[T], *, max_age_s: float | None = None) -> T | None:
        """What was put there, if it isn't too old and this version can read it."""
        kept = await self._cache.get(key)
        if kept is None or (max_age_s is not None and not 0 <= kept.age_s <= max_age_s):
            return None
        try:
            return msgspec.json.decode(kept.data, type=kind)
        except ValueError:
            return None

    async def put(self, key: str, value: Wire) -> None:
        await self._cache.put(key, msgspec.json.encode(value))


class Searches:
    """Offers by search."""

    def __init__(self, path: Path, clock: Callable[[], float] = time.time) -> None:
        self._cache = Cache(path, rows_max=ROWS_MAX, clock=clock)
        self.kept = Kept(self._cache)
        self.open = self._cache.open
        self.close = self._cache.close

    async def get(self, key: str) -> tuple[Offer, ...] | None:
        """What was found in the last 15 minutes, if anything."""
        kept = await self._cache.get(key)
        if kept is None or not 0 <= kept.age_s <= FRESH_S:
            return None
        try:
            return msgspec.json.decode(kept.data, type=tuple[Offer, ...])
        except ValueError:
            # Another version wrote it; the next search replaces it.
            return None

    async def put(self, key: str, offers: tuple[Offer, ...]) -> None:
        await self._cache.put(key, msgspec.json.encode(offers))
