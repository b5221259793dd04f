"""Who waits for which article: each is asked for once, however many wait. All of it belongs to the loop."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from typing import Self

from services.downloader.errors import DownloaderError
from services.downloader.source import Urgency
from services.downloader.usenet.lanes import Article, Failed, Fetched, Missing, Outcome, Stopped
from services.downloader.usenet.pool import Engine

Place = tuple[int, int]
"""A file's index and a slot in it."""


class Request:
    """A number of articles that somebody waits for: a context manager, which forgets them when left."""

    def __init__(self, requests: "Requests", articles: Iterable[Article]) -> None:
        self.inbox: asyncio.Queue[Outcome] = asyncio.Queue()
        self.awaited = set(articles)
        self._requests = requests

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._requests.leave(self)

    async def outcomes(self) -> AsyncIterator[Fetched | Missing]:
        """One for each article, as they come. Raises the error of one that failed."""
        while self.awaited:
            outcome = await self.inbox.get()
            if isinstance(outcome, Stopped | Failed):
                raise outcome.error
            self.awaited.discard(outcome.article)
            yield outcome


class Requests:
    """The articles that are wanted now, each with those who wait for it."""

    def __init__(self, engine: Engine, message_id: Callable[[Place], str | None]) -> None:
        self._engine = engine
        self._message_id = message_id
        self._articles: dict[Place, Article] = {}
        self._waiting: dict[Article, list[Request]] = {}
        self._stopped: DownloaderError | None = None

    def request(self, places: Sequence[Place], urgency: Urgency) -> Request:
        """Ask for these, which must all have an article. Raises if the engine has stopped."""
        if self._stopped is not None:
            raise self._stopped
        request = Request(self, [self._article(place, urgency) for place in places])
        for article in request.awaited:
            self._waiting.setdefault(article, []).append(request)
        if request.awaited:
            self._engine.want([self._articles[place] for place in places], urgency)
        return request

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

    def stop(self, error: DownloaderError) -> None:
        """Nothing more comes: tell everyone who waits, and everyone who asks from now on."""
        self._stopped = self._stopped or error
        waiting = {request for requests in self._waiting.values() for request in requests}
        self._waiting.clear()
        for request in waiting:
            request.inbox.put_nowait(Stopped(error))

    def _article(self, place: Place, urgency: Urgency) -> Article:
        known = self._articles.get(place)
        if known is None:
            message_id = self._message_id(place)
            assert message_id is not None  # noqa: S101  the caller's duty
            known = self._articles[place] = Article(*place, message_id, urgency)
        return known
