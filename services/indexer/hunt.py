"""One search under way: what each indexer has said so far, for all who wait for it."""

import asyncio
from collections.abc import Iterable

from libs.common.indexers import IndexerAnswer
from services.indexer.errors import IndexerFailed
from services.indexer.offers import Offer


class Hunt:
    """`news` is set as soon as more is known, and replaced by another one: take it before you look."""

    def __init__(self, names: Iterable[str]) -> None:
        self.news = asyncio.Event()
        self._answers = {name: IndexerAnswer(name=name, state="asked") for name in names}
        self._offers: dict[str, tuple[Offer, ...]] = {}

    def answered(self, name: str, offers: tuple[Offer, ...], found: int) -> None:
        self._offers[name] = offers
        self._answers[name] = IndexerAnswer(name=name, state="answered", found=found)
        self.tell()

    def failed(self, name: str, failure: IndexerFailed) -> None:
        self._answers[name] = IndexerAnswer(name=name, state="failed", message=str(failure))
        self.tell()

    def tell(self) -> None:
        """Wake all who wait."""
        self.news.set()
        self.news = asyncio.Event()

    @property
    def answers(self) -> tuple[IndexerAnswer, ...]:
        """In the order of the settings."""
        return tuple(self._answers.values())

    @property
    def offers(self) -> list[Offer]:
        """In the order of the settings; not merged yet."""
        return [offer for name in self._answers for offer in self._offers.get(name, ())]
