"""What is never taken, what brings points, and that every score can say why."""

from datetime import UTC, datetime, timedelta
from typing import get_args

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.common.events import Candidate, Check, OtherSource, Quality
from libs.common.sections import Scoring
from services.indexer import choice
from services.indexer.basis import Basis
from services.indexer.learned import Verdict
from services.indexer.offers import Offer
from services.indexer.scoring import LEAST_TOTAL, score

NOW = datetime(2026, 11, 20, tzinfo=UTC)
GB = 1_000_000_000
MAX_FILM_BYTES = 100 * GB
QUALITIES: tuple[Quality, ...] = get_args(Quality)

PLAIN = Offer(
    release_id="rel_0",
    title="Salt.Road.2024.1080p.WEB-DL.H.264-NOBODY",
    indexer="Index",
    nzb_url="https://index.example/api?t=get&id=0&apikey={api_key}",
    size_bytes=6 * GB,
    posted_at=NOW - timedelta(days=100),
    grabs=20,
    quality="1080p",
    source="WEB-DL",
    codec="H.264",
    group="NOBODY",
    identity="its name has the title and the year",
)
ELSEWHERE = OtherSource(release_id="rel_9", indexer="Other", nzb_url="https://other.example/9")


def offer(**changes: object) -> Offer:
    return msgspec.structs.replace(PLAIN, **changes)


def scored(made: Offer, wanted: Quality = "1080p", **basis: object) -> Candidate:
    plain = Basis(wanted=wanted, now=NOW, max_film_bytes=MAX_FILM_BYTES)
    return made.candidate(score(made, msgspec.structs.replace(plain, **basis)), NOW)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"source": "CAM"}, "filmed or leaked"),
        ({"source": "TS"}, "filmed or leaked"),
        ({"source": "TC"}, "filmed or leaked"),
        ({"source": "WORKPRINT"}, "filmed or leaked"),
        ({"source": "SCR"}, "filmed or leaked"),
        ({"size_bytes": 0}, "does not say how large"),
        ({"size_bytes": MAX_FILM_BYTES + 1}, "larger than the 100 GB"),
        ({"flags": ("3D",)}, "3D, which isn't the film"),
        ({"certainty": "unsure", "identity": "another year"}, "perhaps another film: another year."),
        ({"title": "Salt.Road.2024.1080p.exe"}, "a program"),
        ({"title": "Salt Road 1080p.SCR"}, "a program"),
    ],
)
def test_what_is_never_taken_but_can_be_chosen_by_hand(changes: dict[str, object], words: str) -> None:
    candidate = scored(offer(**changes))
    assert choice.choose([candidate], "1080p") == (None, ())
    assert choice.listed([candidate]) == (candidate,)
    assert candidate.score.total == 0
    assert words in candidate.score.reasons[0]
    [broken] = [check.rule for check in candidate.score.checks if not check.passed]
    assert broken


DEAD = Verdict(
    kind="dead",
    release_id="rel_0",
    indexer="Index",
    size_bytes=6 * GB,
    message="a third of its articles are gone.",
    at=NOW - timedelta(days=29),
)


@pytest.mark.parametrize(
    ("basis", "words"),
    [
        ({"retention_days": 99}, "100 days old, and no news server in the settings keeps more than 99 days"),
        ({"verdict": DEAD}, "it failed on 2026-10-22: a third of its articles are gone."),
        (
            {"grabs_per_day": {"Index": 5}, "grabs_today": {"Index": 5}},
            "its indexer has given 5 NZBs in 24 hours, and allows 5",
        ),
    ],
    ids=["retention", "history", "grabs"],
)
def test_what_is_not_taken_now(basis: dict[str, object], words: str) -> None:
    assert words in scored(offer(), **basis).score.reasons[0]


@pytest.mark.parametrize(
    "basis",
    [
        {"retention_days": 100},
        {"verdict": DEAD, "scoring": Scoring(dead_for_days=29)},
        {"verdict": DEAD, "scoring": Scoring(dead_for_days=0)},
        {"grabs_per_day": {"Index": 5}, "grabs_today": {"Index": 4}},
        {"grabs_today": {"Index": 500}},
    ],
)
def test_what_may_be_taken_still(basis: dict[str, object]) -> None:
    assert scored(offer(), **basis).score.total > 0


def test_what_was_fetched_whole_is_healthy() -> None:
    whole = msgspec.structs.replace(DEAD, kind="whole")
    told = scored(offer(grabs=0, posted_at=None), verdict=whole).score
    assert told.parts["health"] == 45
    assert "was fetched whole on 2026-10-22" in told.reasons


def test_every_rule_is_told_with_its_limit() -> None:
    checks = scored(offer()).score.checks
    assert [check.rule for check in checks] == [
        "film",
        "source",
        "name",
        "kind",
        "size known",
        "size",
        "runtime",
        "retention",
        "history",
        "grabs",
    ]
    assert all(check.passed and check.value and check.limit for check in checks)
    assert checks[5] == Check(rule="size", passed=True, value="6.0 GB", limit="100 GB")


def test_a_film_as_large_as_allowed_is_allowed() -> None:
    assert scored(offer(size_bytes=MAX_FILM_BYTES)).score.total > 0


def test_a_score_explains_itself() -> None:
    score = scored(offer(group="SPARKS", also_at=(ELSEWHERE,))).score
    assert list(score.parts) == ["quality", "size", "consistency", "health"]
    assert score.reasons == (
        "1080p, as wanted",
        "from WEB-DL",
        "6.0 GB, 54.5 MB a minute",
        "by SPARKS, a known group",
        "100 days old",
        "taken 20 times",
        "also at Other",
    )


@pytest.mark.parametrize(
    ("quality", "reason"),
    [
        ("1080p", "1080p, as wanted"),
        ("480p", "480p instead of 1080p"),
        ("other", "the name doesn't say that it is 1080p"),
    ],
)
def test_reasons_of_quality(quality: str, reason: str) -> None:
    assert scored(offer(quality=quality)).score.reasons[0] == reason


@pytest.mark.parametrize(
    ("size_bytes", "reason"), [(GB, "1.0 GB, 9.09 MB a minute"), (GB // 4, "250 MB, 2.27 MB a minute")]
)
def test_reasons_of_size(size_bytes: int, reason: str) -> None:
    assert reason in scored(offer(size_bytes=size_bytes)).score.reasons


@pytest.mark.parametrize(
    ("scoring", "parts"),
    [
        (Scoring(), {"health": 45.0, "quality": 35.0, "size": 15.0, "consistency": 5.0}),
        (
            Scoring(health=1, quality=2, size=1, consistency=0),
            {"health": 25.0, "quality": 50.0, "size": 25.0, "consistency": 0.0},
        ),
    ],
)
def test_the_best_there_can_be_has_a_hundred(scoring: Scoring, parts: dict[str, float]) -> None:
    best = offer(source="BluRay", size_bytes=2_200_000_000, group="SPARKS", posted_at=NOW, grabs=10**6)
    assert scored(best, scoring=scoring).score.parts == parts
    assert scored(best, scoring=scoring).score.total == 100


def test_the_bands_of_sizes_are_settings() -> None:
    small = Scoring(mb_per_min_1080p=(0.1, 0.2, 0.3))
    assert scored(offer(), scoring=small).score.parts["size"] == 0


offers = st.builds(
    Offer,
    release_id=st.from_regex(r"rel_[0-9a-f]{16}", fullmatch=True),
    title=st.text(max_size=60),
    indexer=st.just("Index"),
    nzb_url=st.just("https://index.example/1"),
    size_bytes=st.integers(0, 10**15),
    posted_at=st.none() | st.datetimes(timezones=st.just(UTC)),
    grabs=st.integers(0, 10**15),
    quality=st.sampled_from(["720p", "1080p", "4K", "480p", "other"]),
    source=st.none() | st.sampled_from(["BluRay", "WEB-DL", "WEBRip", "HDTV", "DVD", "SDTV", "CAM", "TS"]),
    codec=st.none(),
    group=st.none() | st.sampled_from(["SPARKS", "NOBODY"]),
)
wanted_qualities = st.sampled_from(QUALITIES)


@given(offers, wanted_qualities)
def test_every_total_is_the_sum_of_its_parts_and_zero_means_never(made: Offer, wanted: Quality) -> None:
    score = scored(made, wanted).score
    assert 0 <= score.total <= 100
    assert score.total == pytest.approx(max(sum(score.parts.values()), LEAST_TOTAL if score.parts else 0))
    assert (score.total == 0) == any(not check.passed for check in score.checks)
    assert score.reasons
    assert len(set(score.reasons)) == len(score.reasons)
