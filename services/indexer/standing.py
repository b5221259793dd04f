"""How an indexer stands with us: when it may be asked, how often it was. Pure: the clock is an argument."""

from collections.abc import Mapping
from datetime import datetime, timedelta

from msgspec.structs import replace

from libs.common.events import Wire

MINUTE_S, HOUR_S = 60.0, 3600.0
LADDER_S = (
    0.0,
    MINUTE_S,
    5 * MINUTE_S,
    15 * MINUTE_S,
    30 * MINUTE_S,
    HOUR_S,
    3 * HOUR_S,
    6 * HOUR_S,
    12 * HOUR_S,
    24 * HOUR_S,
)
"""How long an indexer is left alone after its first failure, its second, and so on (as Prowlarr does)."""
REST_MAX_S = 24 * HOUR_S
DAY_HOURS = 24


class Standing(Wire, frozen=True, kw_only=True):
    """What is remembered of one indexer, also over a restart."""

    fingerprint: str = ""
    """Of its settings: with others it begins anew."""
    failures: int = 0
    """The rung of the ladder: one more with each failure, one fewer with each success."""
    resting_until: datetime | None = None
    last_success: datetime | None = None
    last_error: str | None = None
    last_error_at: datetime | None = None
    hours: Mapping[int, int] = {}
    """Queries by the hour (since 1970) in which they were asked."""

    def asked(self, now: datetime) -> "Standing":
        """After one more query."""
        hour = _hour(now)
        hours = {past: count for past, count in self.hours.items() if hour - DAY_HOURS < past <= hour}
        hours[hour] = hours.get(hour, 0) + 1
        return replace(self, hours=hours)

    def queries_today(self, now: datetime) -> int:
        """In this hour and the 23 before it."""
        hour = _hour(now)
        return sum(count for past, count in self.hours.items() if hour - DAY_HOURS < past <= hour)

    def succeeded(self, now: datetime) -> "Standing":
        return replace(self, failures=max(0, self.failures - 1), resting_until=None, last_success=now)

    def failed(self, now: datetime, message: str, rest_s: float) -> "Standing":
        """Rests as long as the ladder says, or `rest_s` if that is longer; a day at most."""
        rung = LADDER_S[min(self.failures, len(LADDER_S) - 1)]
        rest = min(max(rung, rest_s), REST_MAX_S)
        return replace(
            self,
            failures=min(self.failures + 1, len(LADDER_S)),
            resting_until=now + timedelta(seconds=rest) if rest > 0 else None,
            last_error=message,
            last_error_at=now,
        )

    def rests(self, now: datetime) -> bool:
        # A clock that was set back must not keep an indexer silent for longer than it ever would be.
        until = self.resting_until
        return until is not None and now < until <= now + timedelta(seconds=REST_MAX_S)


def _hour(moment: datetime) -> int:
    return int(moment.timestamp() // HOUR_S)
