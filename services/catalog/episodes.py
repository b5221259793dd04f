"""What holds for every list of episodes, whoever tells of it: bounds, order, what has been on. Pure."""

import re
from collections.abc import Iterable, Sequence
from datetime import date

import msgspec

from libs.common.series import Episode

EPISODES_MAX = 1_500
"""With names of 100 characters at most 900 KiB: an answer over NATS is at most 1 MiB."""
NAME_CHARS_MAX = 100
NUMBER_MAX = 99_999
SEASON_MAX = 9_999
"""Some series call their seasons by the year."""
RUNTIME_S_MAX = 24 * 3600

_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_INVISIBLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def name_of(text: str | None, otherwise: str) -> str:
    """A name that can be shown: without what controls a line or its direction, of a certain length."""
    return _INVISIBLE.sub("", text or "").strip()[:NAME_CHARS_MAX].rstrip() or otherwise


def day_of(text: str | None) -> str | None:
    """The day that a date or a time begins with, if it is one."""
    found = _DATE.match(text or "")
    try:
        return date.fromisoformat(found[0]).isoformat() if found else None
    except ValueError:
        return None


def runtime_s_of(minutes: int | None) -> int | None:
    seconds = (minutes or 0) * 60
    return seconds if 0 < seconds <= RUNTIME_S_MAX else None


def in_order(episodes: Iterable[Episode]) -> list[Episode]:
    """By season and number, the specials last; of two with one number the first."""
    by_number = {(found.season, found.episode): found for found in reversed(list(episodes))}
    return sorted(by_number.values(), key=lambda found: (found.is_special, found.season, found.episode))


def as_of(today: date, episodes: Sequence[Episode]) -> tuple[Episode, ...]:
    """The same, with what has been on by that day marked.

    An episode without a date has been on if a later one of its season has: old ones often lack dates.
    """
    marked: list[Episode] = []
    season_on: int | None = None
    for found in reversed(episodes):
        is_aired = found.is_aired or _has_come(found.air_date, today)
        if found.air_date is None and found.season == season_on:
            is_aired = True
        if is_aired:
            season_on = found.season
        marked.append(msgspec.structs.replace(found, is_aired=is_aired))
    return tuple(reversed(marked))


def _has_come(day: str | None, today: date) -> bool:
    return day is not None and day <= today.isoformat()
