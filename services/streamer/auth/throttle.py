"""Slows down whoever guesses passwords."""

import ipaddress
from collections.abc import Callable

import msgspec

from services.streamer.limits import TooMuch

FREE_TRIES = 5
FIRST_WAIT_S = 4.0
LONGEST_WAIT_S = 300.0
FORGOTTEN_AFTER_S = 3600.0
MAX_CLIENTS = 10_000
"""Clients remembered; beyond it the one that tried longest ago is forgotten."""


class TooManyTries(TooMuch):
    def __init__(self, retry_after_s: int) -> None:
        unit = "second" if retry_after_s == 1 else "seconds"
        message = f"Too many wrong passwords. Try again in {retry_after_s} {unit}."
        super().__init__(message, retry_after_s=retry_after_s)


class _Tries(msgspec.Struct, frozen=True):
    count: int
    last_at: float


class Throttle:
    """Every try counts as failed until it is forgiven, so tries at the same time don't get around it."""

    def __init__(self, clock: Callable[[], float]) -> None:
        """`clock`: seconds, monotonic."""
        self._clock = clock
        self._tries: dict[str, _Tries] = {}

    def admit(self, address: str) -> None:
        """Count a try from this address. Raises TooManyTries if it has to wait; waiting isn't a try."""
        client, now = _client(address), self._clock()
        tries = self._tries.pop(client, _Tries(0, now))
        if now - tries.last_at > FORGOTTEN_AFTER_S:
            tries = _Tries(0, now)
        wait_s = _wait_s(tries.count) - (now - tries.last_at)
        if wait_s > 0:
            self._tries[client] = tries
            raise TooManyTries(int(wait_s) + 1)
        self._tries[client] = _Tries(tries.count + 1, now)
        if len(self._tries) > MAX_CLIENTS:
            del self._tries[next(iter(self._tries))]

    def forgive(self, address: str) -> None:
        """The password was right."""
        self._tries.pop(_client(address), None)


def _wait_s(count: int) -> float:
    """How long after so many tries the next one has to wait."""
    if count < FREE_TRIES:
        return 0.0
    return min(FIRST_WAIT_S * 2.0 ** min(count - FREE_TRIES, 16), LONGEST_WAIT_S)


def _client(address: str) -> str:
    # One household has a whole /64 of IPv6.
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return address[:64]
    return str(ipaddress.ip_network((ip, 64), strict=False)) if ip.version == 6 else str(ip)
