"""How often something may be asked: buckets, windows, a circuit breaker. Pure: the clock is an argument."""

from collections import deque
from collections.abc import Mapping

FAILURES_TO_OPEN = 5
OPEN_S = 30.0


class TokenBucket:
    """`rate_per_s` in the long run, and `burst` at once: by default what one second allows; at least one."""

    def __init__(self, rate_per_s: float, *, burst: float | None = None) -> None:
        self._rate_per_s = rate_per_s
        self._burst = max(1.0, rate_per_s if burst is None else burst)
        self._tokens = self._burst
        self._counted_at = 0.0

    def wait_s(self, now: float) -> float:
        """How long the next to come would have to wait."""
        return max(0.0, (1 - self._count(now)) / self._rate_per_s)

    def take(self, now: float) -> float:
        """Takes a token, one of the future's if need be; how long to wait before using it."""
        wait_s = self.wait_s(now)
        self._tokens = self._count(now) - 1
        self._counted_at = max(now, self._counted_at)
        return wait_s

    def _count(self, now: float) -> float:
        elapsed_s = max(0.0, now - self._counted_at)
        return min(self._burst, self._tokens + elapsed_s * self._rate_per_s)


class Windows:
    """Never more than so many in any span of so many seconds, for each of the limits."""

    def __init__(self, limits: Mapping[float, int]) -> None:
        """`limits`: how many, by seconds."""
        self._limits = dict(limits)
        self._taken: deque[float] = deque(maxlen=max(limits.values()))

    def wait_s(self, now: float) -> float:
        """How long the next to come would have to wait."""
        at = now
        for span_s, count in self._limits.items():
            if len(self._taken) >= count:
                at = max(at, self._taken[-count] + span_s)
        return at - now

    def take(self, now: float) -> float:
        """Takes a turn, one of the future's if need be; how long to wait before using it."""
        wait_s = self.wait_s(now)
        self._taken.append(now + wait_s)
        return wait_s


class CircuitBreaker:
    """Open after 5 failures in a row; then one trial every 30 s, until one succeeds."""

    def __init__(self) -> None:
        self._failures = 0
        self._open_until = 0.0

    def closed_in_s(self, now: float) -> float:
        """0 if the next request may go, else how long none may. A trial that may go counts as under way."""
        if self._failures < FAILURES_TO_OPEN:
            return 0.0
        if now < self._open_until:
            return self._open_until - now
        self._open_until = now + OPEN_S
        return 0.0

    def succeeded(self) -> None:
        self._failures = 0

    def failed(self, now: float) -> None:
        self._failures += 1
        self._open_until = now + OPEN_S
