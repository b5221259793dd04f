"""What several indexers have is one release."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from services.indexer.merging import Rank, elsewhere, merged, name_key
from services.indexer.offers import Offer
from tests.unit.indexer.test_scoring import GB, offer

RANKS: dict[str, Rank] = {"First": (0, 0, 0), "Second": (0, 0, 1), "Third": (0, 0, 2)}


def at(indexer: str, release_id: str, **changes: object) -> Offer:
    return offer(indexer=indexer, release_id=release_id, nzb_url=f"https://{indexer}/{release_id}", **changes)


def test_the_first_in_rank_is_kept_and_the_others_remembered() -> None:
    offers = [
        at("Third", "c", grabs=90),
        at("Second", "b", title="salt road 2024 1080p WEB-DL H 264-NOBODY"),
        at("First", "a"),
    ]
    [kept] = merged(offers, RANKS)
    assert (kept.indexer, kept.release_id, kept.grabs) == ("First", "a", 90)
    assert [(other.indexer, other.release_id) for other in kept.also_at] == [("Second", "b"), ("Third", "c")]


@pytest.mark.parametrize(
    ("ranks", "first"),
    [
        (RANKS, "First"),
        (RANKS | {"Second": (-1, 9, 1)}, "Second"),
        (RANKS | {"First": (0, 1, 0)}, "Second"),
    ],
    ids=["place", "priority", "healthier"],
)
def test_who_is_first(ranks: dict[str, Rank], first: str) -> None:
    [kept] = merged([at("First", "a"), at("Second", "b")], ranks)
    assert kept.indexer == first


@pytest.mark.parametrize(
    "changes",
    [
        {"title": "Salt.Road.2024.1080p.WEB-DL.H.264-SOMEBODY"},
        {"size_bytes": 6_100_000_000},
        {"size_bytes": 0},
        {"indexer": "First"},
    ],
    ids=["name", "size", "no size", "posted again"],
)
def test_what_stays_two(changes: dict[str, object]) -> None:
    assert len(merged([at("First", "a"), replace(at("Second", "b"), **changes)], RANKS)) == 2


def test_what_one_indexer_is_sure_of_is_sure() -> None:
    [kept] = merged(
        [at("First", "a", certainty="unsure", identity="?"), at("Second", "b", identity="!")], RANKS
    )
    assert (kept.certainty, kept.identity) == ("sure", "!")


def test_names_are_the_same_whatever_stands_between_the_words() -> None:
    assert name_key("Salt.Road_(2024) [1080p]-X") == name_key("salt road 2024 1080P x")


def test_taken_from_another_indexer_if_its_own_gives_nothing_more() -> None:
    [kept] = merged([at("First", "a"), at("Second", "b"), at("Third", "c")], RANKS)
    moved = elsewhere(kept, frozenset({"First", "Second"}))
    assert (moved.indexer, moved.release_id, moved.nzb_url) == ("Third", "c", "https://Third/c")
    assert [other.indexer for other in moved.also_at] == ["Second", "First"]
    assert elsewhere(kept, frozenset(RANKS)) == kept
    assert elsewhere(kept, frozenset({"Third"})) == kept


offers = st.lists(
    st.builds(
        at,
        st.sampled_from(sorted(RANKS)),
        st.text("abcdef", min_size=8, max_size=8),
        title=st.sampled_from(["A.2024.1080p-X", "a 2024 1080p X", "B.2024.1080p-X"]),
        size_bytes=st.sampled_from([0, GB, GB + 5_000_000, GB + 11_000_000, 2 * GB]),
    ),
    max_size=12,
    unique_by=lambda made: made.release_id,
)


@given(offers, st.randoms(use_true_random=False))
def test_nothing_is_lost_and_the_order_of_answers_changes_nothing(made: list[Offer], random: Random) -> None:
    found = merged(made, RANKS)
    shuffled = sorted(made, key=lambda _: random.random())
    assert merged(shuffled, RANKS) == found
    ids = [one.release_id for one in found] + [other.release_id for one in found for other in one.also_at]
    assert sorted(ids) == sorted(one.release_id for one in made)
