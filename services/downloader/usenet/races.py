"""When an article that doesn't come is asked for a second time. No sockets, no clock.

One connection in twenty may crawl or hang while all others are well: then a player waits for it, or the last
part of a fill does. Asking again elsewhere costs one article; the first good answer counts.
"""

from collections import deque
from typing import Final

from services.downloader.source import Urgency
from services.downloader.usenet.lanes import Article

REMEMBERED: Final = 64
"""Articles whose times make the measure."""
ENOUGH: Final = 8
"""Fewer are no measure yet."""
SLOWER: Final = 3.0
"""So many times longer than 95 of 100 others."""
LEAST_S: Final = {Urgency.PLAYER: 0.4, Urgency.DESCRIBE: 0.4, Urgency.FILL: 1.0}
UNMEASURED_S: Final = 2.0
RACES_MAX: Final = 4
"""At once."""
RACES_FREE: Final = 8
RACES_SHARE: Final = 0.005
"""Races in all, of the articles fetched, beside the free ones: it stays far below 1.01 of what is needed."""


class Races:
    """The measure, and the bounds."""

    def __init__(self) -> None:
        self._times_s: deque[float] = deque(maxlen=REMEMBERED)
        self._begun = 0
        self._fetched = 0

    def came(self, took_s: float) -> None:
        """A good article, so long after it was first asked for."""
        self._times_s.append(took_s)
        self._fetched += 1

    def begin(self) -> None:
        self._begun += 1

    def left(self, running: int) -> int:
        """How many may begin now."""
        allowed = RACES_FREE + int(self._fetched * RACES_SHARE) - self._begun
        return max(min(RACES_MAX - running, allowed), 0)

    def patience_s(self, urgency: Urgency) -> float:
        """How long such an article may take."""
        if len(self._times_s) < ENOUGH:
            return UNMEASURED_S
        slow_s = sorted(self._times_s)[int(len(self._times_s) * 0.95)]
        return max(LEAST_S[urgency], SLOWER * slow_s)


def late(article: Article, now: float, races: Races, *, ending: bool) -> bool:
    """Whether somebody waits for just this one, for too long; `ending`: nothing else is left to fetch."""
    blocks = ending or article.urgency < Urgency.FILL
    return blocks and article.under_way == 1 and now - article.asked_at > races.patience_s(article.urgency)
