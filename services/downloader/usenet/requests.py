"""Who waits for which article: each is asked for once, however many wait. All of it belongs to the loop."""

import asyncio
from collections.abc import Iterable, Sequence
from itertools import count
from typing import Self

from services.downloader.errors import DownloaderError
from services.downloader.source import Urgency
from services.downloader.usenet.lanes import Article, Failed, Fetched, Missing, Outcome, Stopped
from services.downloader.usenet.pool import Engine

Place = tuple[int, int]
"""A file's index and a slot in it."""


class Request:
    """Some articles that somebody waits for: a context manager, which forgets them when left."""

    def __init__(self, requests: "Requests", urgency: Urgency, number: int) -> None:
        self.inbox: asyncio.Queue[Outcome] = asyncio.Queue()
        self.awaited: set[Article] = set()
        self.urgency = urgency
        self.number = number
        self._requests = requests

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._requests.leave(self)

    def add(self, places: Iterable[tuple[Place, str]]) -> None:
        """Ask for these, by their message-ids."""
        self._requests.want(self, places)

    async def settled(self) -> Place:
        """The next one that is there or lost. Raises the error of one that failed."""
        outcome = await self.inbox.get()
        if isinstance(outcome, Stopped | Failed):
            raise outcome.error
        self.awaited.discard(outcome.article)
        return outcome.article.file, outcome.article.slot


class Requests:
    """The articles that are wanted now, each with those who wait for it."""

    def __init__(self, engine: Engine, posted_at: Sequence[int]) -> None:
        """`posted_at`: when each file was posted, in seconds since 1970; 0 if not told."""
        self._engine = engine
        self._posted_at = posted_at
        self._articles: dict[Place, Article] = {}
        self._waiting: dict[Article, list[Request]] = {}
        self._stopped: DownloaderError | None = None
        self._numbers = count()

    def request(self, urgency: Urgency) -> Request:
        """For nothing as yet. Raises if the engine has stopped."""
        if self._stopped is not None:
            raise self._stopped
        return Request(self, urgency, next(self._numbers))

    def want(self, request: Request, places: Iterable[tuple[Place, str]]) -> None:
        articles = [self._article(place, message_id, request.urgency) for place, message_id in places]
        for article in articles:
            self._waiting.setdefault(article, []).append(request)
        request.awaited.update(articles)
        if articles:
            self._engine.want(articles, request.urgency, request.number)

    def leave(self, request: Request) -> None:
        unwanted: list[Article] = []
        for article in request.awaited:
            others = [other for other in self._waiting.get(article, ()) if other is not request]
            if others:
                self._waiting[article] = others
            elif self._waiting.pop(article, None) is not None:
                unwanted.append(article)
        if unwanted:
            self._engine.drop(unwanted)

    def settle(self, outcome: Fetched | Missing | Failed) -> None:
        self._articles.pop((outcome.article.file, outcome.article.slot), None)
        for request in self._waiting.pop(outcome.article, ()):
            request.inbox.put_nowait(outcome)

    def instead(self, article: Article, message_id: str) -> None:
        """Ask for another article of the same place, for those who wait for this one."""
        place = article.file, article.slot
        self._articles.pop(place, None)
        requests = self._waiting.pop(article, [])
        for request in requests:
            request.awaited.discard(article)
            self.want(request, [(place, message_id)])

    def stop(self, error: DownloaderError) -> None:
        """Nothing more comes: tell everyone who waits, and everyone who asks from now on."""
        self._stopped = self._stopped or error
        waiting = {request for requests in self._waiting.values() for request in requests}
        self._waiting.clear()
        for request in waiting:
            request.inbox.put_nowait(Stopped(error))

    def _article(self, place: Place, message_id: str, urgency: Urgency) -> Article:
        known = self._articles.get(place)
        if known is None:
            known = self._articles[place] = Article(*place, message_id, urgency, self._posted_at[place[0]])
        return known
