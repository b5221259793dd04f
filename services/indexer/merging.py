"""One release that several indexers have is one offer. Pure."""

import re
import unicodedata
from collections.abc import Iterable, Mapping
from functools import lru_cache

from msgspec.structs import replace

from libs.common.events import OtherSource
from services.indexer.offers import Offer

SIZE_TOLERANCE = 0.01
"""Indexers count a post's bytes in several ways, with or without what yEnc adds to them."""
ALSO_AT_MAX = 10
_WORD = re.compile(r"\w+")

Rank = tuple[int, int, int]
"""Of an indexer, the lowest first: its priority, its failures lately, its place in the settings."""


def merged(offers: Iterable[Offer], ranks: Mapping[str, Rank]) -> tuple[Offer, ...]:
    """Each release once, at the indexer of the best rank; the others are remembered with it.

    The outcome, its order too, does not depend on the order of the offers.
    """
    by_name: dict[str, list[Offer]] = {}
    for one in sorted(offers, key=lambda offer: (ranks[offer.indexer], offer.release_id)):
        known = by_name.setdefault(name_key(one.title), [])
        place = next((i for i, kept in enumerate(known) if _same(kept, one)), None)
        if place is None:
            known.append(one)
        else:
            known[place] = _with(known[place], one)
    return tuple(offer for known in by_name.values() for offer in known)


@lru_cache(maxsize=2048)
def name_key(title: str) -> str:
    """The same for one name whatever its dots, cases and brackets."""
    return " ".join(_WORD.findall(unicodedata.normalize("NFKC", title).casefold().replace("_", " ")))


def similar_size(one_bytes: int, other_bytes: int) -> bool:
    return abs(one_bytes - other_bytes) <= SIZE_TOLERANCE * max(one_bytes, other_bytes)


def _same(kept: Offer, other: Offer) -> bool:
    # One indexer's own list may have a film twice: posted again, and the first one perhaps dead.
    other_indexer = other.indexer not in (kept.indexer, *(source.indexer for source in kept.also_at))
    return other_indexer and kept.size_bytes > 0 and similar_size(kept.size_bytes, other.size_bytes)


def _with(kept: Offer, other: Offer) -> Offer:
    source = OtherSource(release_id=other.release_id, indexer=other.indexer, nzb_url=other.nzb_url)
    surer = kept.certainty == "sure" or other.certainty != "sure"
    return replace(
        kept,
        also_at=(*kept.also_at, source)[:ALSO_AT_MAX],
        grabs=max(kept.grabs, other.grabs),
        posted_at=kept.posted_at or other.posted_at,
        passworded=kept.passworded or other.passworded,
        certainty=kept.certainty if surer else other.certainty,
        identity=kept.identity if surer else other.identity,
    )


def elsewhere(offer: Offer, exhausted: frozenset[str]) -> Offer:
    """The same release at an indexer that still gives something, if its own doesn't and another has it."""
    if offer.indexer not in exhausted:
        return offer
    other = next((source for source in offer.also_at if source.indexer not in exhausted), None)
    if other is None:
        return offer
    own = OtherSource(release_id=offer.release_id, indexer=offer.indexer, nzb_url=offer.nzb_url)
    return replace(
        offer,
        release_id=other.release_id,
        indexer=other.indexer,
        nzb_url=other.nzb_url,
        also_at=(*(source for source in offer.also_at if source is not other), own),
    )
