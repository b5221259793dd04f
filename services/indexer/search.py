"""Every configured indexer asked at once; what they said is kept for 15 minutes."""

import asyncio
import hashlib
import re
from collections.abc import Sequence

import structlog

from libs.common.errors import ErrorCode, ServiceError
from libs.common.events import TitleRef
from libs.common.settings import IndexerSettings
from services.indexer.newznab import Newznab
from services.indexer.offers import Offer
from services.indexer.store import Searches

log = structlog.get_logger(__name__)

_IMDB_ID = re.compile(r"tt\d{1,10}")


class Search:
    """Finds offers for a title. The list that people choose from and the choice itself share one search."""

    def __init__(self, settings: Sequence[IndexerSettings], cache: Searches, *, user_agent: str) -> None:
        """Indexers of other kinds, and those without an API key, are left out, and the log says so once."""
        self._cache = cache
        self._indexers = [Newznab(one, user_agent=user_agent) for one in settings if _usable(one)]
        self._trouble = _trouble(settings)
        names = "\n".join(f"{one.name} {one.url}" for one in settings)
        self._origin = hashlib.sha256(names.encode()).hexdigest()[:16]

    async def offers(self, title: TitleRef) -> tuple[Offer, ...]:
        """What can be had of the title; nothing if its IMDb id isn't known.

        Raises ServiceError: INTERNAL_ERROR if no indexer is set up, NZBGEEK_ERROR if none could be asked.
        """
        if not self._indexers:
            raise ServiceError(ErrorCode.INTERNAL_ERROR, self._trouble)
        if not title.imdb_id or not _IMDB_ID.fullmatch(title.imdb_id):
            return ()
        key = f"{self._origin} {title.imdb_id}"
        if kept := await self._cache.get(key):
            return kept
        found, failures = await self._ask_all(title.imdb_id)
        if failures and len(failures) == len(self._indexers):
            raise failures[0]
        # Neither an empty answer nor half of one is worth keeping: the next one may say more.
        if found and not failures:
            await self._cache.put(key, found)
        return found

    async def close(self) -> None:
        for indexer in self._indexers:
            await indexer.close()

    async def _ask_all(self, imdb_id: str) -> tuple[tuple[Offer, ...], list[ServiceError]]:
        async with asyncio.TaskGroup() as tasks:
            asked = [
                tasks.create_task(_ask(indexer, imdb_id), name=f"search-{indexer.name}")
                for indexer in self._indexers
            ]
        answers = [task.result() for task in asked]
        found = {made.release_id: made for answer in answers if isinstance(answer, tuple) for made in answer}
        return tuple(found.values()), [answer for answer in answers if isinstance(answer, ServiceError)]


async def _ask(indexer: Newznab, imdb_id: str) -> tuple[Offer, ...] | ServiceError:
    try:
        return await indexer.search(imdb_id)
    except ServiceError as error:
        log.warning("indexer_failed", indexer=indexer.name, error=error.message)
        return error


def _usable(settings: IndexerSettings) -> bool:
    if settings.kind != "newznab":
        log.warning("indexer_skipped", indexer=settings.name, reason=f"{settings.kind} is not supported yet")
        return False
    if not settings.api_key:
        log.warning("indexer_skipped", indexer=settings.name, reason="it has no api_key")
        return False
    return True


def _trouble(settings: Sequence[IndexerSettings]) -> str:
    for one in settings:
        if one.kind == "newznab":
            return f"{one.name} has no API key: set api_key of this indexer in [[indexers]]."
    return "No indexer is set up: add a Newznab indexer with its api_key under [[indexers]] in matinee.toml."
