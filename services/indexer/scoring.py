"""How good a release is: points with reasons. Pure.

A score's total is 0 to 100; exactly the releases that break a hard rule have 0. The weights and the bands of
sizes are the owner's settings.
"""

import math

from libs.common.events import Quality, Score
from libs.common.sections import Scoring
from services.indexer import rules
from services.indexer.basis import Basis, counted, gigabytes
from services.indexer.offers import UNKNOWN, Offer

ORDERS: dict[str, tuple[str, ...]] = {
    "1080p": ("1080p", "720p", "4K"),
    "720p": ("720p", "1080p", "4K"),
    "4K": ("4K", "1080p", "720p"),
}
"""The tiers by preference for each wanted quality; all others come after."""

# Shares of their part, from 0 to 1 --------------------------------------------------------------------------

LEAST_TOTAL = 0.1
"""What breaks no rule is never told from what does by having no points."""
AGE_OF_HEALTH = 0.6
"""The rest is for how often it was taken."""
UNKNOWN_AGE = 0.2
PASSWORDED = 0.5
DAYS_FOR_ALL = 30
"""Younger than this is on every server; old articles are slowly lost."""
DAYS_FOR_NONE = 3_000
"""If no news server's retention is known."""
GRABS_FOR_ALL = 1_000

TIER_OF_QUALITY, SOURCE_OF_QUALITY, CODEC_OF_QUALITY = 0.5, 0.4, 0.1
TIERS = (1.0, 0.6, 0.3, 0.1)
"""By the tier's place in the order of the wanted quality."""
SOURCES = {
    "BluRay": 1.0,
    "WEB-DL": 1.0,
    "WEBRip": 0.75,
    "HD-DVD": 0.6,
    "HDRip": 0.3,
    "DVD": 0.2,
    "HDTV": 0.12,
}
OTHER_SOURCE = 0.05
CODECS = {"H.264": 1.0, "H.265": 0.6, "AV1": 0.6, "VP9": 0.6}
"""By how many browsers play it as it is."""
OTHER_CODEC = 0.3
ANY_GROUP = 0.4
# fmt: off
KNOWN_GROUPS = frozenset({
    "amiable", "cinefile", "cmrg", "ctrlhd", "don", "drones", "ebp", "epsilon", "evo", "flux", "framestor",
    "geckos", "hifi", "hone", "kings", "monkee", "ntb", "ntg", "rovers", "sparks", "tayto", "tepes", "usury",
    "yify", "yts",
})
# fmt: on

_Line = tuple[float, tuple[str, ...]]
"""A share, and sentences for people."""


def score(offer: Offer, basis: Basis) -> Score:
    """The offer's points, with every rule that it was held against."""
    checks = rules.checks(offer, basis)
    if refused := rules.refusals(checks):
        return Score(total=0.0, reasons=refused, checks=checks)
    lines = {
        "quality": _quality(offer, basis.wanted),
        "size": _size(offer, basis),
        "consistency": _consistency(offer),
        "health": _health(offer, basis),
    }
    parts = {name: round(_points(name, basis.scoring) * share, 1) for name, (share, _) in lines.items()}
    reasons = [*rules.doubts(checks), *(reason for _, told in lines.values() for reason in told)]
    if offer.also_at:
        reasons.append(f"also at {', '.join(sorted({other.indexer for other in offer.also_at}))}")
    total = max(round(sum(parts.values()), 1), LEAST_TOTAL)
    return Score(total=total, parts=parts, reasons=tuple(dict.fromkeys(reasons)), checks=checks)


def tier(quality: str, wanted: Quality) -> int:
    """The quality's place in the order of the wanted one."""
    order = ORDERS[wanted]
    return order.index(quality) if quality in order else len(order)


def _points(part: str, scoring: Scoring) -> float:
    """The most that a part can bring: the four make a hundred together, whatever the weights are."""
    weights = {
        "health": scoring.health,
        "quality": scoring.quality,
        "size": scoring.size,
        "consistency": scoring.consistency,
    }
    return 100 * weights[part] / sum(weights.values())


def _quality(offer: Offer, wanted: Quality) -> _Line:
    place = tier(offer.quality, wanted)
    if place == 0:
        reason = f"{wanted}, as wanted"
    elif offer.quality == UNKNOWN:
        reason = f"the name doesn't say that it is {wanted}"
    else:
        reason = f"{offer.quality} instead of {wanted}"
    share = (
        TIER_OF_QUALITY * TIERS[place]
        + SOURCE_OF_QUALITY * SOURCES.get(offer.source or "", OTHER_SOURCE)
        + CODEC_OF_QUALITY * CODECS.get(offer.codec or "", OTHER_CODEC)
    )
    return share, (reason, f"from {offer.source}" if offer.source else "the name doesn't say from what")


def _size(offer: Offer, basis: Basis) -> _Line:
    least, best, most = _band(offer.quality, basis.scoring)
    mb_per_min = offer.size_bytes / 1e6 / basis.minutes
    share = _rising(mb_per_min, least, best) if mb_per_min < best else _falling(mb_per_min, best, most)
    return share, (f"{gigabytes(offer.size_bytes)}, {mb_per_min:.3g} MB a minute",)


def _band(quality: str, scoring: Scoring) -> tuple[float, float, float]:
    bands = {"720p": scoring.mb_per_min_720p, "1080p": scoring.mb_per_min_1080p, "4K": scoring.mb_per_min_4k}
    return bands.get(quality, scoring.mb_per_min_other)


def _consistency(offer: Offer) -> _Line:
    if offer.group is None:
        return 0.0, ()
    if offer.group.lower() in KNOWN_GROUPS:
        return 1.0, (f"by {offer.group}, a known group",)
    return ANY_GROUP, (f"by {offer.group}",)


def _health(offer: Offer, basis: Basis) -> _Line:
    age, told = _age(offer, basis)
    share = AGE_OF_HEALTH * age + (1 - AGE_OF_HEALTH) * _rising(offer.grabs, 0, GRABS_FOR_ALL, shift=1)
    reasons = [*told, f"taken {counted(offer.grabs, 'time')}"] if offer.grabs else [*told]
    if offer.passworded:
        share *= PASSWORDED
        reasons.append("the indexer says that it has a password")
    verdict = basis.verdict
    if verdict and verdict.kind == "whole":
        share = 1.0
        reasons.append(f"was fetched whole on {verdict.at:%Y-%m-%d}")
    elif verdict:
        reasons.append(f"failed on {verdict.at:%Y-%m-%d}")
    return share, tuple(reasons)


def _age(offer: Offer, basis: Basis) -> _Line:
    if offer.posted_at is None:
        return UNKNOWN_AGE, ()
    days, horizon = offer.age_days(basis.now), max(basis.retention_days or DAYS_FOR_NONE, 2 * DAYS_FOR_ALL)
    return _falling(days, DAYS_FOR_ALL, horizon), (f"{counted(days, 'day')} old",)


def _falling(value: float, lowest: float, highest: float) -> float:
    """1 up to `lowest`, 0 from `highest` on, and in between less with each doubling."""
    if value <= lowest:
        return 1.0
    return max(1 - math.log(value / lowest) / math.log(highest / lowest), 0.0)


def _rising(value: float, lowest: float, highest: float, *, shift: float = 0.0) -> float:
    """0 up to `lowest`, 1 from `highest` on, and in between more with each doubling."""
    if value <= lowest:
        return 0.0
    low, high = lowest + shift, highest + shift
    return min(math.log((value + shift) / low) / math.log(high / low), 1.0)
