"""What one search found, and what of it was left out and why. Pure but for the log."""

from collections import Counter
from collections.abc import Iterable, Mapping

import structlog

from libs.common.events import Wire
from services.indexer.feed import Item
from services.indexer.offers import ItemRefused, Offer, Origin, offer

log = structlog.get_logger(__name__)

LOGGED_MAX = 20
"""An indexer that ignores what it is asked for sends hundreds of other films."""


class Found(Wire, frozen=True, kw_only=True):
    offers: tuple[Offer, ...] = ()
    """Each once."""
    dropped: Mapping[str, int] = {}
    """How many items were left out, by reason."""


def sorted_out(items: Iterable[Item], origin: Origin) -> Found:
    """The items that can be offered."""
    offers: dict[str, Offer] = {}
    dropped: Counter[str] = Counter()
    for item in items:
        try:
            made = offer(item, origin)
        except ItemRefused as error:
            dropped[str(error).partition(":")[0]] += 1
            if dropped.total() <= LOGGED_MAX:
                log.info("item_dropped", indexer=origin.indexer, title=item.title[:100], reason=str(error))
        else:
            offers.setdefault(made.release_id, made)
    return Found(offers=tuple(offers.values()), dropped=dict(dropped))
