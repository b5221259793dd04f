"""Which release is best: points with reasons, and what is never taken by itself. Pure.

A score's total is 0 to 100; exactly the releases that are never picked automatically have 0.
"""

import math
import re
from collections.abc import Sequence
from datetime import datetime

from libs.common.events import Candidate, Quality, Score
from services.indexer.offers import UNKNOWN, Offer

WANTED: Quality = "1080p"
"""The quality taken if nobody wishes for another."""
ALTERNATIVES_MAX = 5
LISTED_MAX = 20

# The points ---------------------------------------------------------------------------------------------

# The best of each together make 100. Size, group, age and grabs together weigh no more than what lies between
# a disc or a stream and a television recording.
QUALITY_POINTS = (40.0, 25.0, 12.0, 4.0)
"""By the tier's place in the order of the wanted quality."""
SOURCE_POINTS = {
    "BluRay": 32.0,
    "WEB-DL": 32.0,
    "WEBRip": 24.0,
    "HD-DVD": 20.0,
    "HDRip": 10.0,
    "DVD": 6.0,
    "HDTV": 4.0,
}
OTHER_SOURCE_POINTS = 2.0
SIZE_POINTS = 13.0
GROUP_POINTS = 7.0
ANY_GROUP_POINTS = 3.0
AGE_POINTS = 4.0
GRABS_POINTS = 4.0

ORDERS: dict[str, tuple[str, ...]] = {
    "1080p": ("1080p", "720p", "4K"),
    "720p": ("720p", "1080p", "4K"),
    "4K": ("4K", "1080p", "720p"),
}
"""The tiers by preference for each wanted quality; all others come after."""
SIZE_RANGE_GB: dict[str, tuple[float, float]] = {"720p": (1, 15), "1080p": (2, 40), "4K": (8, 100)}
"""From where on smaller brings nothing more, and from where on larger brings nothing at all."""
OTHER_SIZE_RANGE_GB = (0.5, 10)
GRABS_FOR_ALL_POINTS = 1_000
DAYS_FOR_ALL_POINTS = 30
"""Younger than this is on every server; old articles are slowly lost."""
DAYS_FOR_NO_POINTS = 3_000
# fmt: off
KNOWN_GROUPS = frozenset({
    "amiable", "cinefile", "cmrg", "ctrlhd", "don", "drones", "ebp", "epsilon", "evo", "flux", "framestor",
    "geckos", "hifi", "hone", "kings", "monkee", "ntb", "ntg", "rovers", "sparks", "tayto", "tepes", "usury",
    "yify", "yts",
})
# fmt: on

_NEVER_SOURCES = frozenset({"CAM", "TS", "TC", "SCR", "WORKPRINT"})
_PROGRAM = re.compile(r"\.(exe|msi|scr|bat|cmd|com|vbs|vbe|js|jse|wsf|ps1|lnk|jar|apk|dmg|hta|pif)$", re.I)
_GB = 1e9
_MB = 1e6


def score(offer: Offer, wanted: Quality, *, now: datetime, max_film_bytes: int) -> Score:
    """The offer's points for someone who wants that quality."""
    if refusal := never(offer, max_film_bytes):
        return Score(total=0.0, reasons=(f"Never taken by itself: {refusal}",))
    lines = (
        _quality(offer, wanted),
        _source(offer),
        _size(offer),
        _group(offer),
        _age(offer, now),
        _grabs(offer),
    )
    parts = {name: round(points, 1) for name, points, _ in lines}
    reasons = tuple(reason for _, _, reason in lines if reason)
    return Score(total=round(sum(parts.values()), 1), parts=parts, reasons=reasons)


def never(offer: Offer, max_film_bytes: int) -> str | None:
    """Why this release is not picked automatically, whatever else speaks for it; None if it may be."""
    if offer.source in _NEVER_SOURCES:
        return f"filmed or leaked before its release ({offer.source})."
    if _PROGRAM.search(offer.title):
        return "its name is that of a program, not of a film."
    if offer.size_bytes <= 0:
        return "the indexer does not say how large it is."
    if offer.size_bytes > max_film_bytes:
        return f"larger than the {max_film_bytes / _GB:g} GB that [downloader] max_film_bytes allows."
    return None


def choose(
    candidates: Sequence[Candidate], wanted: Quality
) -> tuple[Candidate | None, tuple[Candidate, ...]]:
    """The one to take and at most five to try after it: the wanted tier first, within a tier by score."""
    takeable = sorted((c for c in candidates if c.score.total > 0), key=lambda c: _rank(c, wanted))
    return (takeable[0], tuple(takeable[1 : 1 + ALTERNATIVES_MAX])) if takeable else (None, ())


def listed(candidates: Sequence[Candidate]) -> tuple[Candidate, ...]:
    """For people to choose from: 1080p, 720p, 4K, the rest, each by score; at most 20."""
    return tuple(sorted(candidates, key=lambda c: _rank(c, "1080p"))[:LISTED_MAX])


def _rank(candidate: Candidate, wanted: Quality) -> tuple[int, float, int, str]:
    return (
        _tier(candidate.quality, wanted),
        -candidate.score.total,
        candidate.size_bytes,
        candidate.release_id,
    )


def _tier(quality: str, wanted: Quality) -> int:
    order = ORDERS[wanted]
    return order.index(quality) if quality in order else len(order)


# The parts: a name, points, a sentence for people ---------------------------------------------------------

_Line = tuple[str, float, str]


def _quality(offer: Offer, wanted: Quality) -> _Line:
    tier = _tier(offer.quality, wanted)
    if tier == 0:
        reason = f"{wanted}, as wanted"
    elif offer.quality == UNKNOWN:
        reason = f"the name doesn't say that it is {wanted}"
    else:
        reason = f"{offer.quality} instead of {wanted}"
    return "quality", QUALITY_POINTS[tier], reason


def _source(offer: Offer) -> _Line:
    points = SOURCE_POINTS.get(offer.source or "", OTHER_SOURCE_POINTS)
    return "source", points, f"from {offer.source}" if offer.source else "the name doesn't say from what"


def _size(offer: Offer) -> _Line:
    lowest, highest = SIZE_RANGE_GB.get(offer.quality, OTHER_SIZE_RANGE_GB)
    share = _falling(offer.size_bytes / _GB, lowest, highest)
    size = (
        f"{offer.size_bytes / _GB:.1f} GB" if offer.size_bytes >= _GB else f"{offer.size_bytes / _MB:.0f} MB"
    )
    return "size", SIZE_POINTS * share, size


def _group(offer: Offer) -> _Line:
    if offer.group is None:
        return "group", 0.0, ""
    if offer.group.lower() in KNOWN_GROUPS:
        return "group", GROUP_POINTS, f"by {offer.group}, a known group"
    return "group", ANY_GROUP_POINTS, f"by {offer.group}"


def _age(offer: Offer, now: datetime) -> _Line:
    if offer.posted_at is None:
        return "age", 0.0, ""
    days = offer.age_days(now)
    share = _falling(days, DAYS_FOR_ALL_POINTS, DAYS_FOR_NO_POINTS)
    return "age", AGE_POINTS * share, f"{days} day{'' if days == 1 else 's'} old"


def _grabs(offer: Offer) -> _Line:
    share = min(math.log1p(offer.grabs) / math.log1p(GRABS_FOR_ALL_POINTS), 1.0)
    return "grabs", GRABS_POINTS * share, f"taken {offer.grabs} times" if offer.grabs else ""


def _falling(value: float, lowest: float, highest: float) -> float:
    """1 up to `lowest`, 0 from `highest` on, and in between less with each doubling."""
    if value <= lowest:
        return 1.0
    return max(1 - math.log(value / lowest) / math.log(highest / lowest), 0.0)
