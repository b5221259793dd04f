"""Newznab and Torznab: one API, asked in the way that an indexer's own capabilities allow.

Source: Newznab API specification, "CAPS", "SEARCH", "MOVIE-SEARCH"; Torznab 1.3 draft.
"""

import asyncio
from typing import Final

import structlog

from libs.common.events import TitleRef
from services.indexer.caps import Caps, Question, parse_caps, questions
from services.indexer.desk import Desk
from services.indexer.errors import IndexerFailed, IndexerRests
from services.indexer.feed import parse_feed
from services.indexer.found import Found, sorted_out
from services.indexer.markup import ApiRefused, FeedRefused
from services.indexer.offers import Origin

log = structlog.get_logger(__name__)

CAPS_FRESH_S: Final = 86_400.0
API: Final = "/api"


class Newznab:
    """One indexer that speaks it."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk

    async def search(self, title: TitleRef) -> Found:
        """By id if it can, else by title, else by words; the next way only if one finds nothing.

        Raises IndexerFailed.
        """
        found: Found | None = None
        for question in questions(await self._caps(), title):
            try:
                found = await self._ask(title, question)
            except IndexerRests:
                # The budget ended between two ways of asking: the first one's answer stands.
                if found is None:
                    raise
                return found
            if found.offers:
                break
        return found or Found()

    async def _caps(self) -> Caps:
        key = f"caps {self.desk.name} {self.desk.fingerprint}"
        kept = await self.desk.kept.get(key, Caps, max_age_s=CAPS_FRESH_S)
        if kept:
            return kept
        # Jackett and Prowlarr want the key for this too.
        document = await self._get({"t": "caps"})
        try:
            caps = parse_caps(document)
        except (ApiRefused, FeedRefused) as error:
            log.warning("caps_assumed", indexer=self.desk.name, reason=str(error))
            caps = Caps()
        await self.desk.kept.put(key, caps)
        return caps

    async def _ask(self, title: TitleRef, question: Question) -> Found:
        document = await self._get(question.params)
        settings = self.desk.settings
        origin = Origin(
            indexer=settings.name,
            url=self.desk.url,
            api_key=settings.api_key,
            title=title,
            form=question.form,
        )
        try:
            # Taking apart a long list of names is work of tens of milliseconds and more.
            return await asyncio.to_thread(lambda: sorted_out(parse_feed(document), origin))
        except ApiRefused as error:
            raise self.desk.refused(error) from error
        except FeedRefused as error:
            raise IndexerFailed(f"{self.desk.name} {error}.") from error

    async def _get(self, params: dict[str, str | int]) -> bytes:
        response = await self.desk.get(API, params={**params, "apikey": self.desk.settings.api_key})
        return response.body
