"""What is never picked by itself: hard rules, each with what it allows and what a release has. Pure.

A doubt is weaker: what has one is picked only if there is nothing without.
"""

import re
from collections.abc import Callable
from datetime import timedelta

from libs.common.events import Check
from services.indexer.basis import Basis, counted, gigabytes
from services.indexer.offers import Offer

RUNTIME = "runtime"
"""The one rule whose breach is a doubt: runtimes are told wrong, too."""
HISTORY = "history"
DOUBTS = frozenset({RUNTIME})
LEAST_BYTES_PER_MIN = 750_000
"""100 kbit/s: hardly a whole film in less. It is what the downloader goes by, too."""

_NEVER_SOURCES = ("CAM", "TS", "TC", "SCR", "WORKPRINT")
_PROGRAM = re.compile(r"\.(exe|msi|scr|bat|cmd|com|vbs|vbe|js|jse|wsf|ps1|lnk|jar|apk|dmg|hta|pif)$", re.I)

_Rule = Callable[[Offer, Basis], Check]


def checks(offer: Offer, basis: Basis) -> tuple[Check, ...]:
    """Every rule in its order, with how the release stands by it."""
    return tuple(rule(offer, basis) for rule in _RULES)


def refusals(found: tuple[Check, ...]) -> tuple[str, ...]:
    """A sentence for each hard rule that is broken."""
    return tuple(_sentence(check) for check in found if not check.passed and check.rule not in DOUBTS)


def doubts(found: tuple[Check, ...]) -> tuple[str, ...]:
    return tuple(
        f"doubtful: {check.value}, of at least {check.limit}"
        for check in found
        if not check.passed and check.rule in DOUBTS
    )


def only_failed_before(found: tuple[Check, ...]) -> bool:
    """Whether nothing speaks against it but that it was tried in vain."""
    return {check.rule for check in found if not check.passed and check.rule not in DOUBTS} == {HISTORY}


def _sentence(check: Check) -> str:
    return f"Never taken by itself: {_WORDS[check.rule].format(value=check.value, limit=check.limit)}"


_WORDS = {
    "film": "perhaps another film: {value}.",
    "source": "filmed or leaked before its release ({value}).",
    "name": "its name is that of a program, not of a film.",
    "kind": "{value}, which isn't the film as it is watched.",
    "size known": "the indexer does not say how large it is.",
    "size": "{value} is larger than the {limit} that [downloader] max_film_bytes allows.",
    "retention": "{value} old, and no news server in the settings keeps more than {limit}.",
    "history": "{value}",
    "grabs": "its indexer has given {value} in 24 hours, and allows {limit} (grabs_per_day).",
}


def _film(offer: Offer, _basis: Basis) -> Check:
    passed = offer.certainty == "sure"
    return Check(rule="film", passed=passed, value=offer.identity, limit="the film that was asked for")


def _source(offer: Offer, _basis: Basis) -> Check:
    passed = offer.source not in _NEVER_SOURCES
    limit = f"none of {', '.join(_NEVER_SOURCES)}"
    return Check(rule="source", passed=passed, value=offer.source or "not told", limit=limit)


def _name(offer: Offer, _basis: Basis) -> Check:
    ending = _PROGRAM.search(offer.title)
    return Check(
        rule="name", passed=not ending, value=ending[0] if ending else "a film's", limit="no program's"
    )


def _kind(offer: Offer, _basis: Basis) -> Check:
    odd = [flag for flag in ("3D", "SAMPLE") if flag in offer.flags]
    return Check(rule="kind", passed=not odd, value=", ".join(odd) or "a film", limit="no 3D, no sample")


def _size_known(offer: Offer, _basis: Basis) -> Check:
    known = offer.size_bytes > 0
    return Check(rule="size known", passed=known, value="told" if known else "not told", limit="told")


def _size(offer: Offer, basis: Basis) -> Check:
    return Check(
        rule="size",
        passed=offer.size_bytes <= basis.max_film_bytes,
        value=gigabytes(offer.size_bytes),
        limit=f"{basis.max_film_bytes / 1e9:g} GB",
    )


def _runtime(offer: Offer, basis: Basis) -> Check:
    least = LEAST_BYTES_PER_MIN * (basis.runtime_min or 0)
    return Check(
        rule=RUNTIME,
        passed=offer.size_bytes >= least,
        value=f"{gigabytes(offer.size_bytes)} for {counted(basis.minutes, 'minute')}",
        limit=gigabytes(least),
    )


def _retention(offer: Offer, basis: Basis) -> Check:
    days = offer.age_days(basis.now)
    return Check(
        rule="retention",
        passed=not basis.retention_days or days <= basis.retention_days,
        value=counted(days, "day") if offer.posted_at else "of unknown age",
        limit=counted(basis.retention_days, "day") if basis.retention_days else "unknown",
    )


def _history(_offer: Offer, basis: Basis) -> Check:
    verdict, days = basis.verdict, basis.scoring.dead_for_days
    dead = (
        verdict is not None
        and verdict.kind == "dead"
        and verdict.at > basis.now - timedelta(days=days)
        and days > 0
    )
    value = f"it failed on {verdict.at:%Y-%m-%d}: {verdict.message}" if verdict and dead else "none"
    return Check(rule=HISTORY, passed=not dead, value=value, limit=f"no failure in {days:g} days")


def _grabs(offer: Offer, basis: Basis) -> Check:
    most, taken = basis.grabs_per_day.get(offer.indexer, 0), basis.grabs_today.get(offer.indexer, 0)
    return Check(
        rule="grabs",
        passed=not most or taken < most,
        value=counted(taken, "NZB"),
        limit=str(most) if most else "no limit",
    )


_RULES: tuple[_Rule, ...] = (
    _film,
    _source,
    _name,
    _kind,
    _size_known,
    _size,
    _runtime,
    _retention,
    _history,
    _grabs,
)
