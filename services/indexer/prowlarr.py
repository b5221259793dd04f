"""Prowlarr's own API: one address for all indexers that the owner has set up there.

Source: github.com/Prowlarr/Prowlarr, `SearchController` (API v1). It binds query, type, categories, limit and
offset; ids are tokens within the query. What fails inside of it is an empty list.
"""

import asyncio
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Final

import msgspec

from libs.common.events import TitleRef
from services.indexer.caps import MOVIES_CATEGORY, Form, imdb_number, search_words
from services.indexer.desk import Desk
from services.indexer.errors import IndexerFailed
from services.indexer.feed import ITEMS_MAX, TEXT_CHARS_MAX, Item, printable
from services.indexer.found import Found, sorted_out
from services.indexer.offers import Origin

SEARCH: Final = "/api/v1/search"
ITEMS_ASKED: Final = 100
_NUMBER_MAX = 10**15
_WEB_PAGE = re.compile(rb"\s*<")


class _Category(msgspec.Struct, frozen=True):
    id: int = 0


class _Result(msgspec.Struct, frozen=True, rename="camel"):
    """As much of a `ReleaseResource` as is used. Every field may be null or missing."""

    title: str | None = None
    guid: str | None = None
    download_url: str | None = None
    size: float | None = None
    publish_date: str | None = None
    grabs: float | None = None
    protocol: str | None = None
    imdb_id: float | None = None
    tmdb_id: float | None = None
    categories: tuple[_Category, ...] | None = None


class Prowlarr:
    """One Prowlarr."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk

    async def search(self, title: TitleRef) -> Found:
        """By IMDb id, or by words if that finds nothing. Raises IndexerFailed."""
        found = Found()
        for form, query in _queries(title):
            found = await self._ask(title, form, query)
            if found.offers:
                break
        return found

    async def _ask(self, title: TitleRef, form: Form, query: str) -> Found:
        settings = self.desk.settings
        response = await self.desk.get(
            SEARCH,
            params={"query": query, "type": "movie", "categories": MOVIES_CATEGORY, "limit": ITEMS_ASKED},
            headers={"X-Api-Key": settings.api_key, "Accept": "application/json"},
        )
        origin = Origin(
            indexer=settings.name, url=self.desk.url, api_key=settings.api_key, title=title, form=form
        )
        try:
            return await asyncio.to_thread(lambda: sorted_out(parse_results(response.body), origin))
        except msgspec.MsgspecError as error:
            says = "sent a web page" if _WEB_PAGE.match(response.body) else "sent what is no list of releases"
            raise IndexerFailed(f"{self.desk.name} {says}; check its address.") from error


def _queries(title: TitleRef) -> Iterator[tuple[Form, str]]:
    if imdb := imdb_number(title):
        yield "id", f"{{imdbid:tt{imdb}}}"
    if words := search_words(title):
        yield "text", words


def parse_results(document: bytes) -> tuple[Item, ...]:
    """The results in their order, at most 1,000; those without a title or an address are left out.

    Raises msgspec.MsgspecError if it is no list. A result of another shape is left out alone.
    """
    try:
        raw = msgspec.json.decode(document, type=list[msgspec.Raw])
    except (UnicodeDecodeError, RecursionError) as error:
        raise msgspec.DecodeError("not UTF-8, or nested too deeply") from error
    return tuple(item for one in raw[:ITEMS_MAX] if (item := _item(one)))


def _item(raw: msgspec.Raw) -> Item | None:
    try:
        result = msgspec.json.decode(raw, type=_Result)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    title = printable(" ".join((result.title or "").split()))
    torrent = (result.protocol or "").lower() == "torrent"
    url = (result.download_url or "").strip() or ("magnet:" if torrent else "")
    guid = result.guid or url
    if not title or not url or max(map(len, (title, url, guid))) > TEXT_CHARS_MAX:
        return None
    imdb = _whole(result.imdb_id)
    return Item(
        title=title,
        guid=guid,
        url=url,
        size_bytes=_whole(result.size),
        posted_at=_date(result.publish_date or ""),
        grabs=_whole(result.grabs),
        categories=tuple(category.id for category in (result.categories or ())[:20]),
        torrent=torrent,
        imdb_id=f"tt{imdb:07}" if imdb else None,
        tmdb_id=_whole(result.tmdb_id),
    )


def _whole(number: float | None) -> int:
    return int(number) if number is not None and 0 < number < _NUMBER_MAX else 0


def _date(text: str) -> datetime | None:
    """ISO 8601; a date without a zone is taken as UTC."""
    try:
        date = datetime.fromisoformat(text[:40])
        return (date if date.tzinfo else date.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
