"""What is best, what is never taken, and that every score can say why."""

from datetime import UTC, datetime, timedelta
from typing import get_args

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.common.events import Candidate, Quality
from services.indexer import scoring
from services.indexer.offers import Offer

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
)


def offer(**changes: object) -> Offer:
    return msgspec.structs.replace(PLAIN, **changes)


def scored(made: Offer, wanted: Quality = "1080p") -> Candidate:
    score = scoring.score(made, wanted, now=NOW, max_film_bytes=MAX_FILM_BYTES)
    return made.candidate(score, NOW)


@pytest.mark.parametrize(
    ("better", "worse", "wanted"),
    [
        ({"quality": "1080p"}, {"quality": "720p"}, "1080p"),
        ({"quality": "1080p"}, {"quality": "4K"}, "1080p"),
        ({"quality": "720p"}, {"quality": "4K"}, "1080p"),
        ({"quality": "4K"}, {"quality": "480p"}, "1080p"),
        ({"quality": "720p"}, {"quality": "1080p"}, "720p"),
        ({"quality": "4K"}, {"quality": "1080p"}, "4K"),
        ({"quality": "1080p"}, {"quality": "720p"}, "4K"),
        ({"source": "BluRay"}, {"source": "HDTV"}, "1080p"),
        ({"source": "WEB-DL"}, {"source": "HDTV"}, "1080p"),
        ({"source": "WEB-DL"}, {"source": "WEBRip"}, "1080p"),
        ({"source": "HDTV"}, {"source": None}, "1080p"),
        ({"size_bytes": 4 * GB}, {"size_bytes": 12 * GB}, "1080p"),
        ({"size_bytes": GB // 2}, {"size_bytes": GB}, "1080p"),
        ({"group": "SPARKS"}, {"group": "NOBODY"}, "1080p"),
        ({"group": "NOBODY"}, {"group": None}, "1080p"),
        ({"posted_at": NOW - timedelta(days=40)}, {"posted_at": NOW - timedelta(days=2000)}, "1080p"),
        ({"posted_at": NOW - timedelta(days=40)}, {"posted_at": None}, "1080p"),
        ({"grabs": 500}, {"grabs": 0}, "1080p"),
    ],
)
def test_what_is_better(better: dict[str, object], worse: dict[str, object], wanted: Quality) -> None:
    first = scored(offer(release_id="rel_1", **better), wanted)
    second = scored(offer(release_id="rel_0", **worse), wanted)
    assert scoring.choose([second, first], wanted) == (first, (second,))


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
        ({"title": "Salt.Road.2024.1080p.exe"}, "a program"),
        ({"title": "Salt Road 1080p.SCR"}, "a program"),
    ],
)
def test_what_is_never_taken_but_can_be_chosen_by_hand(changes: dict[str, object], words: str) -> None:
    candidate = scored(offer(**changes))
    assert scoring.choose([candidate], "1080p") == (None, ())
    assert scoring.listed([candidate]) == (candidate,)
    assert candidate.score.total == 0
    assert words in candidate.score.reasons[0]


def test_a_film_as_large_as_allowed_is_allowed() -> None:
    assert scored(offer(size_bytes=MAX_FILM_BYTES)).score.total > 0


def test_nothing_to_choose_from() -> None:
    assert scoring.choose([], "1080p") == (None, ())


def test_the_wanted_tier_comes_first_and_others_after_it() -> None:
    kinds = [("4K", "BluRay"), ("720p", "BluRay"), ("1080p", "HDTV"), ("480p", "DVD"), ("1080p", "BluRay")]
    candidates = [
        scored(offer(release_id=f"rel_{n}", quality=quality, source=source), "720p")
        for n, (quality, source) in enumerate(kinds)
    ]
    pick, alternatives = scoring.choose(candidates, "720p")
    assert pick is candidates[1]
    assert [c.release_id for c in alternatives] == ["rel_4", "rel_2", "rel_0", "rel_3"]


def test_at_most_five_alternatives() -> None:
    candidates = [scored(offer(release_id=f"rel_{n}")) for n in range(9)]
    pick, alternatives = scoring.choose(candidates, "1080p")
    assert pick is candidates[0]
    assert alternatives == tuple(candidates[1:6])


def test_the_list_for_people_is_ordered_and_bounded() -> None:
    kinds = ["480p", "4K", "720p", "1080p"] * 6
    candidates = [scored(offer(release_id=f"rel_{n:02}", quality=q), "4K") for n, q in enumerate(kinds)]
    shown = scoring.listed(candidates)
    assert [c.quality for c in shown] == ["1080p"] * 6 + ["720p"] * 6 + ["4K"] * 6 + ["480p"] * 2


def test_a_score_explains_itself() -> None:
    score = scored(offer(group="SPARKS", size_bytes=6 * GB)).score
    assert set(score.parts) == {"quality", "source", "size", "group", "age", "grabs"}
    assert score.reasons == (
        "1080p, as wanted",
        "from WEB-DL",
        "6.0 GB",
        "by SPARKS, a known group",
        "100 days old",
        "taken 20 times",
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


@pytest.mark.parametrize(("size_bytes", "reason"), [(6 * GB, "6.0 GB"), (GB, "1.0 GB"), (GB // 4, "250 MB")])
def test_reasons_of_size(size_bytes: int, reason: str) -> None:
    assert reason in scored(offer(size_bytes=size_bytes)).score.reasons


def test_the_best_there_can_be_has_a_hundred() -> None:
    best = offer(source="BluRay", size_bytes=GB, group="SPARKS", posted_at=NOW, grabs=10**6)
    assert scored(best).score.total == 100


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
    assert score.total == pytest.approx(sum(score.parts.values()))
    assert (score.total == 0) == (scoring.never(made, MAX_FILM_BYTES) is not None)
    assert score.reasons


@given(offers, offers, wanted_qualities)
def test_television_never_beats_disc_or_stream_of_the_same_quality(
    one: Offer, other: Offer, wanted: Quality
) -> None:
    television = scored(msgspec.structs.replace(one, source="HDTV", quality=other.quality), wanted)
    disc = scored(msgspec.structs.replace(other, source="BluRay"), wanted)
    assert disc.score.total == 0 or television.score.total <= disc.score.total


@given(st.lists(offers, max_size=30, unique_by=lambda made: made.release_id), wanted_qualities)
def test_the_choice_is_from_what_may_be_taken_and_does_not_depend_on_the_order(
    made: list[Offer], wanted: Quality
) -> None:
    candidates = [scored(one, wanted) for one in made]
    pick, alternatives = scoring.choose(candidates, wanted)
    chosen = [pick, *alternatives] if pick else []
    takeable = [c for c in candidates if c.score.total > 0]
    assert (pick, alternatives) == scoring.choose(candidates[::-1], wanted)
    assert len(chosen) == min(len(takeable), 1 + scoring.ALTERNATIVES_MAX)
    assert all(candidate in takeable for candidate in chosen)
    assert pick is None or (pick.quality == wanted) == any(c.quality == wanted for c in takeable)


@given(st.lists(offers, max_size=40, unique_by=lambda made: made.release_id))
def test_the_list_is_short_and_has_everything_if_it_fits(made: list[Offer]) -> None:
    candidates = [scored(one) for one in made]
    shown = scoring.listed(candidates)
    assert len(shown) == min(len(candidates), scoring.LISTED_MAX)
    assert len({c.release_id for c in shown}) == len(shown)
