"""Which articles the servers say they have: asked by STAT (RFC 3977 §6.2.4), which costs 60 bytes an article.

What a server says is kept as what it says: a `Survey` is no proof, and whoever condemns by it tries a body.
All of it belongs to the engine's thread.
"""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from services.downloader.usenet.lanes import Inquiry
from services.downloader.usenet.upstreams import Upstream

ABSENT: Final = frozenset({423, 430, 451})
"""No such article; 451 is what some servers say of one that was taken down."""
PRESENT: Final = 223
LOSSES_MAX: Final = 3
"""Connections lost over inquiries before a server is not asked any more."""
SURVEY_WITHIN_S: Final = 30.0
"""What hasn't been answered by then stays unknown: the fill gets its connections back."""

INQUIRIES_MAX: Final = 256
"""In flight on one connection: at 30 ms of round trip five connections ask 40,000 a second."""
INQUIRERS_SHARE: Final = 4
"""One of so many connections carries inquiries while there are any, and no fill meanwhile."""

IsThere = Callable[[Inquiry], bool]
"""Whether the article itself has come meanwhile. Called on the engine's thread."""


@dataclass(slots=True, frozen=True)
class Surveyed:
    """What all servers together said of a list of articles."""

    missing: Sequence[Inquiry]
    """Every server said that it hasn't got these."""
    unknown: int
    """Articles that some server would not or could not tell about, and no other one has."""


class Survey:
    """Asks one server after the other, in order of priority; a miss goes to the next. No sockets, no clock.

    Its bound is the number of articles in one NZB.
    """

    def __init__(
        self, upstreams: Sequence[Upstream], inquiries: Sequence[Inquiry], is_there: IsThere
    ) -> None:
        self._upstreams = upstreams
        self._is_there = is_there
        self._waiting: list[deque[Inquiry]] = [deque() for _ in upstreams]
        self._silent: set[Upstream] = set()
        self._losses: dict[Upstream, int] = {}
        self._missing: list[Inquiry] = []
        self._unknown = 0
        self._unsettled = len(inquiries)
        for inquiry in inquiries:
            self._pass_on(inquiry, 0)

    @property
    def done(self) -> bool:
        return self._unsettled == 0

    def result(self) -> Surveyed:
        """What is known now; what isn't counts as unknown."""
        return Surveyed(self._missing, self._unknown + self._unsettled)

    def waiting(self, upstream: Upstream) -> int:
        return len(self._waiting[upstream.number])

    def take(self, upstream: Upstream, count: int) -> list[Inquiry]:
        """The next inquiries for this server; those whose article has come need none."""
        waiting, taken = self._waiting[upstream.number], list[Inquiry]()
        while waiting and len(taken) < count:
            inquiry = waiting.popleft()
            if self._is_there(inquiry):
                self._unsettled -= 1
            else:
                taken.append(inquiry)
        return taken

    def answered(self, inquiry: Inquiry, upstream: Upstream, code: int) -> None:
        if code in ABSENT:
            self._pass_on(inquiry, upstream.number + 1)
            return
        if code != PRESENT:
            self.silenced(upstream)
            inquiry.doubtful = True
            self._pass_on(inquiry, upstream.number + 1)
            return
        self._unsettled -= 1

    def lost(self, inquiries: Sequence[Inquiry], upstream: Upstream, *, silent: bool) -> None:
        """A connection ended with these unanswered; `silent`: while the server owed an answer to one."""
        self._losses[upstream] = self._losses.get(upstream, 0) + 1
        if silent or self._losses[upstream] >= LOSSES_MAX:
            self.silenced(upstream)
        for inquiry in inquiries:
            self._pass_on(inquiry, upstream.number)

    def silenced(self, upstream: Upstream) -> None:
        """It is down, or tells nothing by STAT: the others are asked, but without it nothing is missing."""
        self._silent.add(upstream)
        waiting = self._waiting[upstream.number]
        for _ in range(len(waiting)):
            self._pass_on(waiting.popleft(), upstream.number)

    def _pass_on(self, inquiry: Inquiry, number: int) -> None:
        for upstream in self._upstreams[number:]:
            if upstream in self._silent:
                inquiry.doubtful = True
            elif upstream.keeps(inquiry.posted_at):
                self._waiting[upstream.number].append(inquiry)
                return
        self._unsettled -= 1
        if inquiry.doubtful:
            self._unknown += 1
        else:
            self._missing.append(inquiry)


Tell = Callable[[Surveyed], None]
"""Called once, on the engine's thread."""


@dataclass(slots=True, frozen=True)
class Sweep:
    """A survey that is under way."""

    survey: Survey
    tell: Tell
    until: float


def inquirers(upstream: Upstream) -> int:
    """How many connections of a server may carry inquiries at once."""
    return max(upstream.limit // INQUIRERS_SHARE, 1)
