"""When a film's time is over: pure rules over a job's state and the owner's settings."""

from datetime import datetime, timedelta
from typing import Literal

from libs.common.jobs import JobState, Phase

Reason = Literal["age", "unwatched"]

FOREVER_DAYS = 36_500.0
"""A wait as long as this is none: a date that far away may not even exist."""


def due(state: JobState, unwatched_days: float, now: datetime) -> Reason | None:
    """Why the film is to be deleted at `now`; None if it isn't. 0 days: never for not being watched."""
    first = min(_deadlines(state, unwatched_days), default=None)
    return first[1] if first and first[0] <= now else None


def next_due(state: JobState, unwatched_days: float) -> datetime | None:
    """When `due` becomes true if nobody watches before; None: never."""
    return min((at for at, _ in _deadlines(state, unwatched_days)), default=None)


def _deadlines(state: JobState, unwatched_days: float) -> list[tuple[datetime, Reason]]:
    if state.phase is not Phase.READY or state.ready_at is None:
        return []
    deadlines: list[tuple[datetime, Reason]] = []
    if state.expires_at:
        deadlines.append((state.expires_at, "age"))
    if 0 < unwatched_days < FOREVER_DAYS:
        idle_since = max(state.ready_at, state.last_watched_at or state.ready_at)
        deadlines.append((idle_since + timedelta(days=unwatched_days), "unwatched"))
    return deadlines
