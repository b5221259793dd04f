"""Offers with the points that they get now."""

from datetime import UTC, datetime

from libs.common.events import Candidate, Quality, TitleRef
from services.indexer import scoring
from services.indexer.search import Search


class Candidates:
    """Every release of a title, scored: what people choose from, and what is chosen for them."""

    def __init__(self, search: Search, *, max_film_bytes: int) -> None:
        self._search = search
        self._max_film_bytes = max_film_bytes

    async def of(self, title: TitleRef, wanted: Quality) -> tuple[Candidate, ...]:
        """In no order, each once. Raises ServiceError as `Search.offers` does."""
        offers = await self._search.offers(title)
        now = datetime.now(UTC)
        return tuple(
            offer.candidate(scoring.score(offer, wanted, now=now, max_film_bytes=self._max_film_bytes), now)
            for offer in offers
        )
