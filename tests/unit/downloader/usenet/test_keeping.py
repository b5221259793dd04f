"""The thread that stores what has come."""

import threading
from collections.abc import Iterator

import pytest

from services.downloader.errors import ScratchFull
from services.downloader.source import Span
from services.downloader.usenet.articles import PartRefused
from services.downloader.usenet.keeping import ANSWERS_MAX, Keeper, Kept

PATIENCE_S = 5.0


@pytest.fixture
def keeper() -> Iterator[Keeper]:
    keeper = Keeper()
    yield keeper
    keeper.close()


def kept_of(keeper: Keeper, outcome: Kept) -> Kept:
    told: list[Kept] = []
    done = threading.Event()

    def store() -> Span:
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    def tell(kept: Kept) -> None:
        told.append(kept)
        done.set()

    keeper.keep(store, tell)
    assert done.wait(PATIENCE_S)
    return told[0]


@pytest.mark.parametrize(
    "outcome", [Span(3, 7), PartRefused("damaged"), ScratchFull("full"), ZeroDivisionError("a bug")]
)
def test_what_became_of_it_is_told_and_the_next_one_is_kept_too(keeper: Keeper, outcome: Kept) -> None:
    assert kept_of(keeper, outcome) is outcome
    assert kept_of(keeper, Span(0, 1)) == Span(0, 1)


def test_they_are_kept_in_order_one_at_a_time(keeper: Keeper) -> None:
    stored: list[int] = []
    for number in range(50):
        keeper.keep(lambda number=number: stored.append(number) or Span(0, 1), lambda _: None)
    kept_of(keeper, Span(0, 1))
    assert stored == list(range(50))


def test_whoever_hands_over_waits_while_the_disk_hangs(keeper: Keeper) -> None:
    disk = threading.Event()
    handed_over: list[int] = []

    def hang() -> Span:
        disk.wait(PATIENCE_S)
        return Span(0, 1)

    def hand_over() -> None:
        for number in range(ANSWERS_MAX + 5):
            keeper.keep(hang, lambda _: None)
            handed_over.append(number)

    engine = threading.Thread(target=hand_over)
    engine.start()
    engine.join(0.2)
    # One is being stored, the others wait for it.
    assert len(handed_over) <= ANSWERS_MAX + 1
    disk.set()
    engine.join(PATIENCE_S)
    assert len(handed_over) == ANSWERS_MAX + 5


def test_once_closed_nothing_more_is_stored() -> None:
    keeper, disk, stored = Keeper(), threading.Event(), list[int]()

    def first() -> Span:
        disk.wait(PATIENCE_S)
        return Span(0, 1)

    keeper.keep(first, lambda _: None)
    keeper.keep(lambda: stored.append(1) or Span(0, 1), lambda _: None)
    closing = threading.Thread(target=keeper.close)
    closing.start()
    closing.join(0.1)
    disk.set()
    closing.join(PATIENCE_S)
    assert not closing.is_alive()
    assert not stored
