import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.common.pacing import FAILURES_TO_OPEN, OPEN_S, CircuitBreaker, TokenBucket, Windows


def test_a_burst_of_one_second_then_the_rate() -> None:
    bucket = TokenBucket(2)
    assert [bucket.take(100) for _ in range(5)] == [0, 0, 0.5, 1.0, 1.5]
    assert bucket.wait_s(101) == 1.0
    assert bucket.take(200) == 0


def test_a_slow_rate_lets_one_go_at_once() -> None:
    bucket = TokenBucket(0.25)
    assert [bucket.take(100), bucket.take(100), bucket.take(102)] == [0, 4, 6]


def test_without_a_burst_one_goes_after_the_other() -> None:
    bucket = TokenBucket(10, burst=0)
    assert [bucket.take(100) for _ in range(3)] == pytest.approx([0, 0.1, 0.2])
    assert bucket.take(200) == 0
    assert bucket.take(200) == pytest.approx(0.1)


@given(st.floats(0.1, 50), st.lists(st.floats(0, 3), max_size=60))
def test_no_window_holds_more_than_the_rate(rate_per_s: float, pauses: list[float]) -> None:
    bucket, now, used = TokenBucket(rate_per_s), 1000.0, list[float]()
    for pause in pauses:
        now += pause
        used.append(now + bucket.take(now))
    burst = max(1.0, rate_per_s)
    for first in range(len(used)):
        for last in range(first, len(used)):
            assert last - first + 1 <= burst + rate_per_s * (used[last] - used[first]) + 1e-6


def test_windows_let_a_burst_go_and_then_hold() -> None:
    windows = Windows({1.0: 3, 60.0: 5})
    assert [windows.take(100) for _ in range(7)] == [0, 0, 0, 1.0, 1.0, 60.0, 60.0]
    assert windows.wait_s(130) == 30.0
    assert windows.take(300) == 0


@given(st.lists(st.floats(0, 3), max_size=40))
def test_no_span_holds_more_than_its_limit(pauses: list[float]) -> None:
    windows, now, used = Windows({1.0: 3, 10.0: 7}), 1000.0, list[float]()
    for pause in pauses:
        now += pause
        used.append(now + windows.take(now))
    assert used == sorted(used)
    assert all(later - first >= 1.0 - 1e-6 for first, later in zip(used, used[3:], strict=False))
    assert all(later - first >= 10.0 - 1e-6 for first, later in zip(used, used[7:], strict=False))


def opened(now: float) -> CircuitBreaker:
    breaker = CircuitBreaker()
    for _ in range(FAILURES_TO_OPEN):
        breaker.failed(now)
    return breaker


def test_fewer_failures_leave_it_closed() -> None:
    breaker = CircuitBreaker()
    for _ in range(FAILURES_TO_OPEN - 1):
        breaker.failed(100)
    assert breaker.closed_in_s(100) == 0
    breaker.succeeded()
    breaker.failed(100)
    assert breaker.closed_in_s(100) == 0


def test_it_opens_for_a_while() -> None:
    breaker = opened(100)
    assert breaker.closed_in_s(100) == OPEN_S
    assert breaker.closed_in_s(110) == pytest.approx(OPEN_S - 10)


def test_then_one_trial_at_a_time() -> None:
    breaker = opened(100)
    assert breaker.closed_in_s(100 + OPEN_S) == 0
    assert breaker.closed_in_s(100 + OPEN_S) == OPEN_S


def test_a_trial_that_fails_opens_it_again() -> None:
    breaker = opened(100)
    breaker.closed_in_s(130)
    breaker.failed(135)
    assert breaker.closed_in_s(136) == pytest.approx(29)


def test_a_trial_that_succeeds_closes_it() -> None:
    breaker = opened(100)
    breaker.closed_in_s(130)
    breaker.succeeded()
    assert [breaker.closed_in_s(131), breaker.closed_in_s(131)] == [0, 0]
