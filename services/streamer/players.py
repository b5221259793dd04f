"""What players tell of how it goes, as figures."""

from collections.abc import Callable
from typing import Literal

import msgspec
from prometheus_client import Counter, Histogram

PlayerEventKind = Literal["first_frame", "buffering", "fallback", "error"]

BURST = 30
"""Events of one signed-in session that count at once; then one in EVERY_S."""
EVERY_S = 2.0
SESSIONS_MAX = 10_000
"""Sessions remembered; beyond it the one that told something longest ago is forgotten."""

BUFFER_EVENTS = Counter("matinee_buffer_events_total", "Times that a film stopped for want of bytes")
BUFFER_SECONDS = Counter("matinee_buffer_seconds_total", "How long films stood still for want of bytes")
FALLBACKS = Counter("matinee_fallback_switch_total", "Times that a player took another way to play a film")
PLAYER_ERRORS = Counter("matinee_player_errors_total", "Times that a player gave up")
FIRST_FRAME_MS = Histogram(
    "matinee_start_to_first_frame_ms",
    "From the start of a play session to its first picture, as players measure it",
    buckets=(100, 200, 350, 500, 750, 1000, 1500, 2000, 3000, 5000, 10_000, 30_000),
)


class _Account(msgspec.Struct, frozen=True):
    left: float
    at: float


class PlayerEvents:
    def __init__(self, clock: Callable[[], float]) -> None:
        """`clock`: seconds, monotonic."""
        self._clock = clock
        self._accounts: dict[str, _Account] = {}

    def tell(self, session: str, kind: PlayerEventKind, value_ms: float | None) -> None:
        """Count an event of this signed-in session; beyond BURST at once and one in EVERY_S none."""
        if not self._is_admitted(session):
            return
        match kind:
            case "first_frame":
                if value_ms is not None:
                    FIRST_FRAME_MS.observe(value_ms)
            case "buffering":
                BUFFER_EVENTS.inc()
                BUFFER_SECONDS.inc((value_ms or 0.0) / 1000)
            case "fallback":
                FALLBACKS.inc()
            case "error":
                PLAYER_ERRORS.inc()

    def _is_admitted(self, session: str) -> bool:
        now = self._clock()
        account = self._accounts.pop(session, _Account(BURST, now))
        left = min(BURST, account.left + (now - account.at) / EVERY_S)
        is_admitted = left >= 1
        self._accounts[session] = _Account(left - is_admitted, now)
        if len(self._accounts) > SESSIONS_MAX:
            del self._accounts[next(iter(self._accounts))]
        return is_admitted
