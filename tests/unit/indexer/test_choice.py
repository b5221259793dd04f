"""Which release is taken, and that the same releases always stand in the same order."""

from collections.abc import Sequence
from datetime import timedelta
from random import Random

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.common.events import Candidate, Quality
from services.indexer import choice
from services.indexer.learned import Verdict
from services.indexer.offers import Offer
from tests.unit.indexer.test_scoring import GB, NOW, QUALITIES, offer, offers, scored

wanted_qualities = st.sampled_from(QUALITIES)
several_offers = st.lists(offers, max_size=30, unique_by=lambda made: made.release_id)


def ids(candidates: Sequence[Candidate]) -> list[str]:
    return [candidate.release_id for candidate in candidates]


@pytest.mark.parametrize(
    ("better", "worse", "wanted", "because"),
    [
        ({"quality": "1080p"}, {"quality": "720p"}, "1080p", "1080p rather than 720p"),
        ({"quality": "1080p"}, {"quality": "4K"}, "1080p", "1080p rather than 4K"),
        ({"quality": "720p"}, {"quality": "4K"}, "1080p", "720p rather than 4K"),
        ({"quality": "4K"}, {"quality": "480p"}, "1080p", "4K rather than 480p"),
        ({"quality": "720p"}, {"quality": "1080p"}, "720p", "720p rather than 1080p"),
        ({"quality": "4K"}, {"quality": "1080p"}, "4K", "4K rather than 1080p"),
        ({"quality": "1080p"}, {"quality": "720p"}, "4K", "1080p rather than 720p"),
        ({"source": "BluRay"}, {"source": "HDTV", "grabs": 9000}, "1080p", "from BluRay rather than HDTV"),
        ({"source": "WEB-DL"}, {"source": None, "grabs": 9000}, "1080p", "rather than an unknown source"),
        ({"source": "WEB-DL"}, {"source": "WEBRip"}, "1080p", " points rather than "),
        ({"source": "HDTV"}, {"source": None}, "1080p", " points rather than "),
        ({"size_bytes": 4 * GB}, {"size_bytes": 12 * GB}, "1080p", " points rather than "),
        ({"size_bytes": 2 * GB}, {"size_bytes": GB // 4}, "1080p", " points rather than "),
        ({"size_bytes": 40 * GB}, {"size_bytes": 41 * GB}, "1080p", "40.0 GB rather than 41.0 GB"),
        ({"group": "SPARKS"}, {"group": "NOBODY"}, "1080p", " points rather than "),
        ({"group": "NOBODY"}, {"group": None}, "1080p", " points rather than "),
        ({"posted_at": NOW}, {"posted_at": NOW - timedelta(days=2000)}, "1080p", " points rather than "),
        ({"posted_at": NOW}, {"posted_at": None}, "1080p", " points rather than "),
        (
            {"posted_at": NOW - timedelta(days=5)},
            {"posted_at": NOW - timedelta(days=9)},
            "1080p",
            "5 days old rather than 9",
        ),
        ({"grabs": 500}, {"grabs": 0}, "1080p", " points rather than "),
        ({"grabs": 500}, {"grabs": 500, "passworded": True}, "1080p", " points rather than "),
    ],
)
def test_what_is_better_and_what_decides(
    better: dict[str, object], worse: dict[str, object], wanted: Quality, because: str
) -> None:
    first = scored(offer(release_id="rel_1", **better), wanted)
    second = scored(offer(release_id="rel_0", **worse), wanted)
    pick, alternatives = choice.choose([second, first], wanted)
    assert pick
    assert ids([pick, *alternatives]) == ["rel_1", "rel_0"]
    assert because in pick.score.decided_by
    assert alternatives[0].score.decided_by == ""


def test_what_has_failed_is_tried_again_only_if_nothing_else_is_left() -> None:
    verdict = Verdict(
        kind="dead", release_id="rel_1", indexer="Sandbox", size_bytes=GB, message="Gone.", at=NOW
    )
    dead, other = scored(offer(release_id="rel_1"), verdict=verdict), scored(offer(release_id="rel_2"))
    filmed = scored(offer(release_id="rel_3", source="CAM"), verdict=verdict)
    assert choice.choose([dead, other, filmed], "1080p") == (other, ())
    pick, alternatives = choice.choose([dead, filmed], "1080p")
    assert pick
    assert ids([pick, *alternatives]) == ["rel_1"]
    assert choice.choose([filmed], "1080p") == (None, ())


def test_alike_in_everything_the_ids_decide() -> None:
    pick, _ = choice.choose([scored(offer(release_id="rel_2")), scored(offer(release_id="rel_1"))], "1080p")
    assert pick
    assert pick.release_id == "rel_1"
    assert "the order of their ids" in pick.score.decided_by


def test_what_is_too_small_for_its_runtime_is_taken_only_if_there_is_nothing_else() -> None:
    small = scored(offer(release_id="rel_0", size_bytes=50_000_000), runtime_min=110)
    other = scored(offer(release_id="rel_1", quality="480p", source="DVD"), runtime_min=110)
    pick, alternatives = choice.choose([small, other], "1080p")
    assert pick
    assert ids([pick, *alternatives]) == ["rel_1", "rel_0"]
    assert "nothing about it is doubtful" in pick.score.decided_by
    assert small.score.reasons[0] == "doubtful: 50 MB for 110 minutes, of at least 82 MB"


def test_nothing_to_choose_from() -> None:
    assert choice.choose([], "1080p") == (None, ())


def test_the_wanted_tier_comes_first_and_others_after_it() -> None:
    kinds = [("4K", "BluRay"), ("720p", "BluRay"), ("1080p", "HDTV"), ("480p", "DVD"), ("1080p", "BluRay")]
    candidates = [
        scored(offer(release_id=f"rel_{n}", quality=quality, source=source), "720p")
        for n, (quality, source) in enumerate(kinds)
    ]
    pick, alternatives = choice.choose(candidates, "720p")
    assert pick
    assert ids([pick, *alternatives]) == ["rel_1", "rel_4", "rel_2", "rel_0", "rel_3"]


def test_at_most_five_alternatives() -> None:
    candidates = [scored(offer(release_id=f"rel_{n}")) for n in range(9)]
    pick, alternatives = choice.choose(candidates, "1080p")
    assert pick
    assert ids([pick, *alternatives]) == [f"rel_{n}" for n in range(6)]


def test_the_list_for_people_is_ordered_and_bounded_and_has_what_is_refused_at_its_end() -> None:
    kinds = ["480p", "4K", "720p", "1080p"] * 5
    candidates = [scored(offer(release_id=f"rel_{n:02}", quality=q), "4K") for n, q in enumerate(kinds)]
    refused = [scored(offer(release_id=f"rel_no{n}", source="CAM")) for n in range(2)]
    shown = choice.listed([*refused, *candidates[:19]])
    assert [c.quality for c in shown] == ["1080p"] * 4 + ["720p"] * 5 + ["4K"] * 5 + ["480p"] * 5 + ["1080p"]
    assert shown[-1].score.total == 0


@given(offers, offers, wanted_qualities)
def test_television_never_beats_disc_or_stream_of_the_same_quality(
    one: Offer, other: Offer, wanted: Quality
) -> None:
    television = scored(
        msgspec.structs.replace(one, release_id="rel_tv", source="HDTV", quality=other.quality), wanted
    )
    disc = scored(msgspec.structs.replace(other, release_id="rel_disc", source="BluRay"), wanted)
    pick, _ = choice.choose([television, disc], wanted)
    assert disc.score.total == 0 or (pick is not None and pick.release_id == "rel_disc")


@given(several_offers, wanted_qualities, st.randoms(use_true_random=False))
def test_the_choice_is_from_what_may_be_taken_and_does_not_depend_on_the_order(
    made: list[Offer], wanted: Quality, random: Random
) -> None:
    candidates = [scored(one, wanted) for one in made]
    shuffled = sorted(candidates, key=lambda _: random.random())
    pick, alternatives = choice.choose(candidates, wanted)
    chosen = [pick, *alternatives] if pick else []
    takeable = [c for c in candidates if c.score.total > 0]
    assert (pick, alternatives) == choice.choose(shuffled, wanted)
    assert choice.listed(candidates) == choice.listed(shuffled)
    assert len(chosen) == min(len(takeable), 1 + choice.ALTERNATIVES_MAX)
    assert set(ids(chosen)) <= set(ids(takeable))
    assert pick is None or (pick.quality == wanted) == any(c.quality == wanted for c in takeable)


@given(several_offers)
def test_the_list_is_short_and_has_everything_if_it_fits(made: list[Offer]) -> None:
    shown = choice.listed([scored(one) for one in made])
    assert len(shown) == min(len(made), choice.LISTED_MAX)
    assert len(set(ids(shown))) == len(shown)
