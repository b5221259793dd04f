"""What a release is judged by, beside itself."""

from collections.abc import Mapping
from datetime import datetime

import msgspec

from libs.common.events import Quality
from libs.common.sections import Scoring
from services.indexer.learned import Verdict

NOMINAL_RUNTIME_MIN = 110
"""Of a film whose length nobody has told."""


class Basis(msgspec.Struct, frozen=True, kw_only=True):
    wanted: Quality
    now: datetime
    max_film_bytes: int
    scoring: Scoring = Scoring()
    runtime_min: int | None = None
    retention_days: int = 0
    """How far back the news server with the longest memory goes; 0: unknown."""
    grabs_per_day: Mapping[str, int] = {}
    grabs_today: Mapping[str, int] = {}
    verdict: Verdict | None = None
    """What became of this very release the last time."""

    @property
    def minutes(self) -> int:
        return self.runtime_min or NOMINAL_RUNTIME_MIN


def gigabytes(size_bytes: float) -> str:
    return f"{size_bytes / 1e9:.1f} GB" if size_bytes >= 1e9 else f"{size_bytes / 1e6:.0f} MB"


def counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
