"""When an indexer is asked again, and how often it was."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.indexer.standing import LADDER_S, Standing

NOW = datetime(2026, 11, 20, 12, 30, tzinfo=UTC)


def after(failures: int, rest_s: float = 0.0) -> Standing:
    standing = Standing()
    for _ in range(failures):
        standing = standing.failed(NOW, "It is down.", rest_s)
    return standing


def rest_s(standing: Standing) -> float:
    return (standing.resting_until - NOW).total_seconds() if standing.resting_until else 0.0


@pytest.mark.parametrize(
    ("failures", "minutes"),
    [(1, 0), (2, 1), (3, 5), (4, 15), (5, 30), (6, 60), (7, 180), (8, 360), (9, 720), (10, 1440), (99, 1440)],
)
def test_the_ladder(failures: int, minutes: float) -> None:
    assert rest_s(after(failures)) == minutes * 60


@pytest.mark.parametrize(
    ("failures", "asked_s", "expected_s"), [(1, 90.0, 90), (6, 90.0, 3600), (1, 1e9, 86_400)]
)
def test_it_rests_as_long_as_it_asks_but_a_day_at_most(
    failures: int, asked_s: float, expected_s: float
) -> None:
    assert rest_s(after(failures, asked_s)) == expected_s


def test_it_rests_until_its_time_has_come() -> None:
    standing = after(2)
    moments = [NOW, NOW + timedelta(seconds=59), NOW + timedelta(seconds=60)]
    assert [standing.rests(moment) for moment in moments] == [True, True, False]


def test_a_clock_that_was_set_back_silences_nobody() -> None:
    assert not after(10).rests(NOW - timedelta(days=2))


def test_a_success_is_one_rung_down_and_the_end_of_the_rest() -> None:
    standing = after(4).succeeded(NOW)
    assert (standing.failures, standing.resting_until, standing.last_success) == (3, None, NOW)
    assert standing.last_error == "It is down."
    assert rest_s(standing.failed(NOW, "Again.", 0)) == LADDER_S[3]


def test_queries_of_24_hours() -> None:
    standing = Standing()
    for hours in (0, 0, 1, 23):
        standing = standing.asked(NOW + timedelta(hours=hours))
    counts = [standing.queries_today(NOW + timedelta(hours=hours)) for hours in (23, 24, 25, 46, 47)]
    assert counts == [4, 2, 1, 1, 0]


@given(st.lists(st.integers(0, 500), max_size=60))
def test_what_is_remembered_of_queries_is_bounded(hours: list[int]) -> None:
    standing = Standing()
    for hour in sorted(hours):
        standing = standing.asked(NOW + timedelta(hours=hour))
    assert len(standing.hours) <= 24
    if hours:
        last = max(hours)
        expected = sum(1 for hour in hours if last - 24 < hour <= last)
        assert standing.queries_today(NOW + timedelta(hours=last)) == expected
