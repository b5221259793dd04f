"""What players tell is counted, and nobody drowns the figures."""

import pytest
from prometheus_client import REGISTRY

from services.streamer.players import BURST, EVERY_S, SESSIONS_MAX, PlayerEventKind, PlayerEvents


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def figure(name: str) -> float:
    return REGISTRY.get_sample_value(name) or 0.0


@pytest.mark.parametrize(
    ("kind", "value", "name", "more"),
    [
        ("buffering", None, "matinee_buffer_events_total", 1),
        ("buffering", 1500.0, "matinee_buffer_seconds_total", 1.5),
        ("fallback", None, "matinee_fallback_switch_total", 1),
        ("error", None, "matinee_player_errors_total", 1),
        ("first_frame", 800.0, "matinee_start_to_first_frame_ms_sum", 800),
        ("first_frame", 800.0, "matinee_start_to_first_frame_ms_count", 1),
        ("first_frame", None, "matinee_start_to_first_frame_ms_count", 0),
    ],
)
def test_each_kind_has_its_figure(kind: PlayerEventKind, value: float | None, name: str, more: float) -> None:
    before = figure(name)
    PlayerEvents(Clock()).tell("s", kind, value)
    assert figure(name) - before == more


def test_a_player_that_tells_too_much_is_heard_again_later() -> None:
    clock = Clock()
    events = PlayerEvents(clock)
    for _ in range(BURST):
        events.tell("s", "error", None)
    before = figure("matinee_player_errors_total")
    events.tell("s", "error", None)
    assert figure("matinee_player_errors_total") == before
    events.tell("another", "error", None)
    clock.now += EVERY_S
    events.tell("s", "error", None)
    events.tell("s", "error", None)
    assert figure("matinee_player_errors_total") == before + 2


def test_no_more_sessions_are_remembered_than_the_bound() -> None:
    events = PlayerEvents(Clock())
    for _ in range(BURST):
        events.tell("first", "fallback", None)
    for number in range(SESSIONS_MAX):
        events.tell(str(number), "fallback", None)
    events.tell("first", "fallback", None)
