"""The indexer's SQLite slice: what searches found, for 15 minutes. The file may be deleted at any time."""

import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from libs.common.cache import Cache
from services.indexer.offers import Offer

FRESH_S = 900.0
ROWS_MAX = 500
"""At some 50 KiB a row, about 25 MiB."""


class Searches:
    """Offers by search."""

    def __init__(self, path: Path, clock: Callable[[], float] = time.time) -> None:
        self._cache = Cache(path, rows_max=ROWS_MAX, clock=clock)
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
