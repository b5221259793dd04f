"""Whoever guesses passwords waits ever longer."""

import pytest

from services.streamer.auth.throttle import (
    FORGOTTEN_AFTER_S,
    FREE_TRIES,
    LONGEST_WAIT_S,
    MAX_CLIENTS,
    Throttle,
    TooManyTries,
)


class Clock:
    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


def wait_of(throttle: Throttle, address: str = "10.0.0.1") -> int:
    with pytest.raises(TooManyTries) as caught:
        throttle.admit(address)
    return caught.value.retry_after_s


def test_the_first_tries_are_free_and_then_each_costs_twice_as_much(clock: Clock) -> None:
    throttle = Throttle(clock)
    for _ in range(FREE_TRIES):
        throttle.admit("10.0.0.1")
    waits: list[int] = []
    for _ in range(10):
        waits.append(wait_of(throttle))
        clock.now_s += waits[-1]
        throttle.admit("10.0.0.1")
    assert waits[:4] == [5, 9, 17, 33]
    assert waits[-1] == LONGEST_WAIT_S + 1


def test_waiting_is_not_a_try(clock: Clock) -> None:
    throttle = Throttle(clock)
    for _ in range(FREE_TRIES):
        throttle.admit("10.0.0.1")
    assert [wait_of(throttle) for _ in range(20)] == [5] * 20


def test_the_right_password_is_forgiven(clock: Clock) -> None:
    throttle = Throttle(clock)
    for _ in range(3 * FREE_TRIES):
        throttle.admit("10.0.0.1")
        throttle.forgive("10.0.0.1")


def test_time_forgives_as_well(clock: Clock) -> None:
    throttle = Throttle(clock)
    for _ in range(FREE_TRIES):
        throttle.admit("10.0.0.1")
    clock.now_s += FORGOTTEN_AFTER_S + 1
    for _ in range(FREE_TRIES):
        throttle.admit("10.0.0.1")


@pytest.mark.parametrize(
    ("first", "second", "same"),
    [
        ("10.0.0.1", "10.0.0.2", False),
        ("2001:db8::1", "2001:db8::2:3:4:5", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("not an address", "not an address", True),
    ],
)
def test_a_client_is_an_address_or_a_64_of_ipv6(clock: Clock, first: str, second: str, same: bool) -> None:
    throttle = Throttle(clock)
    for _ in range(FREE_TRIES):
        throttle.admit(first)
    refused = False
    try:
        throttle.admit(second)
    except TooManyTries:
        refused = True
    assert refused is same


def test_memory_has_a_bound(clock: Clock) -> None:
    throttle = Throttle(clock)
    for _ in range(FREE_TRIES):
        throttle.admit("10.0.0.1")
    for number in range(MAX_CLIENTS):
        throttle.admit(f"client {number}")
    throttle.admit("10.0.0.1")
