"""Which release is taken, and in what order all of them stand. Pure, and the same for the same releases.

The order is by: breaking no hard rule · no doubt · the wanted quality · disc or stream before television ·
points · the smaller · the younger · the id, so that nothing is left to chance.
"""

from collections.abc import Sequence
from itertools import pairwise

from msgspec.structs import replace

from libs.common.events import Candidate, Quality
from services.indexer import rules
from services.indexer.basis import counted, gigabytes
from services.indexer.scoring import tier

WANTED: Quality = "1080p"
"""The quality taken if nobody wishes for another."""
ALTERNATIVES_MAX = 5
LISTED_MAX = 20
FIRST_SOURCES = frozenset({"BluRay", "WEB-DL", "WEBRip", "HD-DVD"})
"""Discs and streams: television and the rest come after them, however healthy they are."""

_Rank = tuple[bool, bool, int, bool, float, int, int, str]


def choose(
    candidates: Sequence[Candidate], wanted: Quality
) -> tuple[Candidate | None, tuple[Candidate, ...]]:
    """The one to take and at most five to try after it.

    If nothing is left but what has failed before, that is tried again: somebody asks, and servers change.
    """
    fit = [candidate for candidate in candidates if candidate.score.total > 0]
    failed = [candidate for candidate in candidates if rules.only_failed_before(candidate.score.checks)]
    takeable = ordered(fit or failed, wanted, 1 + ALTERNATIVES_MAX)
    return (takeable[0], takeable[1:]) if takeable else (None, ())


def listed(candidates: Sequence[Candidate]) -> tuple[Candidate, ...]:
    """For people to choose from: 1080p, 720p, 4K, the rest; at most 20."""
    return ordered(candidates, WANTED, LISTED_MAX)


def ordered(candidates: Sequence[Candidate], wanted: Quality, most: int) -> tuple[Candidate, ...]:
    """The best first, at most so many, each with what sets it before the next one."""
    ranked = sorted((_rank(candidate, wanted), candidate) for candidate in _distinct(candidates))
    explained = [
        _explained(candidate, rank, next_rank, follower)
        for (rank, candidate), (next_rank, follower) in pairwise(ranked[: most + 1])
    ]
    # The last of all comes before none.
    return (*explained, *(candidate for _, candidate in ranked[-1:] if len(ranked) <= most))


def _distinct(candidates: Sequence[Candidate]) -> list[Candidate]:
    return list({candidate.release_id: candidate for candidate in candidates}.values())


def _rank(candidate: Candidate, wanted: Quality) -> _Rank:
    score = candidate.score
    return (
        score.total <= 0,
        bool(rules.doubts(score.checks)),
        tier(candidate.quality, wanted),
        candidate.source not in FIRST_SOURCES,
        -score.total,
        candidate.size_bytes,
        candidate.age_days,
        candidate.release_id,
    )


def _explained(candidate: Candidate, rank: _Rank, next_rank: _Rank, follower: Candidate) -> Candidate:
    differs = next(
        place for place, pair in enumerate(zip(rank, next_rank, strict=True)) if pair[0] != pair[1]
    )
    says = (
        "breaks no rule",
        "nothing about it is doubtful",
        f"{candidate.quality} rather than {follower.quality}",
        f"from {candidate.source} rather than {follower.source or 'an unknown source'}",
        f"{candidate.score.total:g} points rather than {follower.score.total:g}",
        f"{gigabytes(candidate.size_bytes)} rather than {gigabytes(follower.size_bytes)}",
        f"{counted(candidate.age_days, 'day')} old rather than {follower.age_days:,}",
        "alike in everything, so the order of their ids decides",
    )[differs]
    return replace(candidate, score=replace(candidate.score, decided_by=f"before {follower.title}: {says}"))
