"""Articles on their way, and the lanes they wait in. All of it belongs to the engine's thread."""

from collections import deque
from dataclasses import dataclass, field
from enum import Enum, auto

from services.downloader.errors import DownloaderError
from services.downloader.source import Span, Urgency


class Stage(Enum):
    IDLE = auto()
    WAITING = auto()
    IN_FLIGHT = auto()
    KEEPING = auto()
    """It has come, and is being checked and stored."""
    DONE = auto()
    """Its outcome is known: nothing will be done about it again."""


@dataclass(slots=True, eq=False)
class Article:
    """One wanted article and what has been tried for it."""

    file: int
    slot: int
    """Its place in the file, counted from 0: the segment number less one."""
    message_id: str
    urgency: Urgency
    posted_at: int = 0
    """In seconds since 1970; 0 if not told."""
    reader: int = 0
    """For whom it is fetched: readers of one urgency take turns."""
    home: "Lanes | None" = None
    """Where it waits, while it does."""
    stage: Stage = Stage.IDLE
    asked_at: float = 0.0
    """When it was last asked for while no other connection was bringing it."""
    under_way: int = 0
    """How many connections have been asked for it: two while it is raced."""
    refused_by: int = 0
    """A bit for each server that has missed it or sent it bad."""
    waited_for: int = 0
    """A bit for each server that was down and has been waited for."""
    bad_from: int = 0
    """The bit of the last server that had it, but bad."""
    retried: bool = False
    drops: int = 0
    """How often a connection was lost while this article was being answered."""
    reasons: list[str] = field(default_factory=list[str])


@dataclass(slots=True, eq=False)
class Inquiry:
    """Whether a server has an article: asked by STAT, without fetching it."""

    file: int
    slot: int
    message_id: str
    posted_at: int
    """In seconds since 1970; 0 if not told."""
    doubtful: bool = False
    """Some server told nothing about it."""


@dataclass(slots=True, frozen=True)
class Fetched:
    article: Article
    span: Span


@dataclass(slots=True, frozen=True)
class Missing:
    """No server has it in good order."""

    article: Article
    reason: str


@dataclass(slots=True, frozen=True)
class Failed:
    """It could not be asked for, or not be kept: the article itself may be fine."""

    article: Article
    error: DownloaderError


@dataclass(slots=True, frozen=True)
class Stopped:
    """The engine is gone; nothing will come any more, for no article."""

    error: DownloaderError


Outcome = Fetched | Missing | Failed | Stopped


class Lanes:
    """Articles waiting for a server: the most urgent first; readers of one urgency take turns.

    Its bound is the number of articles in one NZB; each waits in one place only (`Article.home`).
    """

    def __init__(self) -> None:
        self._lanes: dict[Urgency, dict[int, deque[Article]]] = {urgency: {} for urgency in Urgency}
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def push(self, article: Article, *, first: bool = False) -> None:
        article.home, article.stage = self, Stage.WAITING
        own = self._lanes[article.urgency].setdefault(article.reader, deque())
        if first:
            own.appendleft(article)
        else:
            own.append(article)
        self._count += 1

    def hurry(self, article: Article, urgency: Urgency) -> None:
        """Move an article that waits here to a lane of higher urgency."""
        # Its old entry stays where it is and is skipped: see `_waits`.
        article.urgency = urgency
        self._lanes[urgency].setdefault(article.reader, deque()).append(article)

    def discard(self, article: Article) -> None:
        """Take an article that waits here out of the queue."""
        article.home, article.stage = None, Stage.IDLE
        self._count -= 1

    def urgency(self) -> Urgency | None:
        """That of the next article."""
        for urgency, readers in self._lanes.items():
            while readers:
                reader, own = next(iter(readers.items()))
                while own and not self._waits(own[0], urgency):
                    own.popleft()
                if own:
                    return urgency
                del readers[reader]
        return None

    def pop(self) -> Article | None:
        urgency = self.urgency()
        if urgency is None:
            return None
        readers = self._lanes[urgency]
        reader = next(iter(readers))
        own = readers.pop(reader)
        article = own.popleft()
        if own:
            readers[reader] = own
        self.discard(article)
        return article

    def drain(self) -> list[Article]:
        """All of them, in order; the lanes are empty afterwards."""
        drained: list[Article] = []
        while (article := self.pop()) is not None:
            drained.append(article)
        return drained

    def _waits(self, article: Article, urgency: Urgency) -> bool:
        return article.home is self and article.urgency is urgency
