"""Newznab's and Torznab's answers: RSS 2.0 with attributes of their own. They come from strangers.

Source: the Newznab API specification (github.com/nZEDb/nZEDb, "newznab_api_specification"); Torznab's is
Newznab's with other attributes (torznab.github.io/spec-1.3-draft).
"""

import re
from contextlib import suppress
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final

import msgspec

from services.indexer.markup import ApiRefused, FeedRefused, check_root, read

__all__ = ["ITEMS_MAX", "ApiRefused", "FeedRefused", "Item", "parse_feed"]

ITEMS_MAX: Final = 1_000
ELEMENTS_MAX: Final = 200 * ITEMS_MAX
DEPTH_MAX: Final = 16
TEXT_CHARS_MAX: Final = 2_000
"""Characters of a title, a URL or a guid; an item with longer ones is left out."""
NUMBER_DIGITS_MAX: Final = 15

_CODE = re.compile(r"\d{1,5}", re.ASCII)
_MONTH_NAMES = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_MONTHS = {name: number for number, name in enumerate(_MONTH_NAMES, start=1)}
# As most indexers write it; all the other ways are left to the standard library, which takes its time.
_PLAIN_DATE = re.compile(
    rf"[A-Z][a-z]{{2}}, (\d\d) ({'|'.join(_MONTHS)}) ([12]\d{{3}}) (\d\d):(\d\d):(\d\d) [+-]0000", re.ASCII
)
_IMDB_DIGITS = re.compile(r"(?:tt)?(\d{1,10})", re.ASCII)


class Item(msgspec.Struct, frozen=True, kw_only=True):
    """One item as the indexer tells it. Nothing is believed yet but its form."""

    title: str
    guid: str
    url: str
    """Where the NZB is: the enclosure's address, else the link."""
    size_bytes: int
    """0 if not told."""
    posted_at: datetime | None
    """When it was posted to Usenet, or published by the indexer."""
    grabs: int
    categories: tuple[int, ...]
    torrent: bool = False
    imdb_id: str | None = None
    """Whose film the indexer takes it for: `tt…`."""
    tmdb_id: int = 0
    passworded: bool = False
    """The indexer saw an archive with a password in it."""


def parse_feed(document: bytes) -> tuple[Item, ...]:
    """The feed's items in their order, at most 1,000.

    Items without a title or an address are left out. Raises ApiRefused for the indexer's own errors and
    FeedRefused for anything else that is no feed. No tree is built; no entity is ever expanded.
    """
    feed = _Feed()
    read(document, feed)
    return tuple(feed.items)


class _Draft:
    """What has been read of one item."""

    def __init__(self) -> None:
        self.texts: dict[str, str] = {}
        self.attributes: dict[str, str] = {}
        self.categories: list[int] = []
        self.enclosure: dict[str, str] = {}

    def add_attribute(self, name: str, value: str) -> None:
        if name != "category":
            self.attributes.setdefault(name[:TEXT_CHARS_MAX], value[: TEXT_CHARS_MAX + 1])
        elif _CODE.fullmatch(value):
            self.categories.append(int(value))

    def finished(self) -> Item | None:
        title = printable(" ".join(self.texts.get("title", "").split()))
        url = (self.enclosure.get("url") or self.texts.get("link", "")).strip()
        guid = self.texts.get("guid") or self.attributes.get("guid") or url
        told = self.attributes
        if not title or not url or max(map(len, (title, url, guid))) > TEXT_CHARS_MAX:
            return None
        date = told.get("usenetdate") or self.texts.get("pubdate", "")
        size = self.enclosure.get("length"), told.get("size"), self.texts.get("size")
        return Item(
            title=title,
            guid=guid,
            url=url,
            size_bytes=next((number for text in size if (number := _number(text))), 0),
            posted_at=_date(date),
            grabs=_number(told.get("grabs")),
            categories=tuple(self.categories[:20]),
            torrent=self._is_torrent(url),
            imdb_id=_imdb_id(told.get("imdbid") or told.get("imdb") or ""),
            tmdb_id=_number(told.get("tmdbid")),
            passworded=_number(told.get("password")) > 0,
        )

    def _is_torrent(self, url: str) -> bool:
        kind = self.enclosure.get("type", "").lower()
        magnet = url.lower().startswith("magnet:") or "magneturl" in self.attributes
        return kind == "application/x-bittorrent" or magnet or "infohash" in self.attributes


_TEXTS = frozenset({"title", "link", "guid", "pubdate", "size"})


class _Feed:
    """Takes the parser's events and keeps only what an Item is made of."""

    def __init__(self) -> None:
        self.items: list[Item] = []
        self._depth = 0
        self._elements = 0
        self._draft: _Draft | None = None
        self._text: list[str] = []
        self._text_chars = 0

    def start(self, name: str, attributes: dict[str, str]) -> None:
        if self._depth == 0:
            check_root(name, attributes, "rss", "list of releases")
        self._depth += 1
        self._elements += 1
        if self._depth > DEPTH_MAX or self._elements > ELEMENTS_MAX:
            raise FeedRefused("sent a list that is nested too deeply or has too many elements")
        if self._text:
            self._forget_text()
        draft = self._draft
        if name == "item":
            self._draft = _Draft()
        elif draft is None:
            pass
        elif name == "attr":
            draft.add_attribute(attributes.get("name", "").lower(), attributes.get("value", ""))
        elif name == "enclosure":
            draft.enclosure = draft.enclosure or attributes

    def data(self, text: str) -> None:
        # One more than allowed is kept, so that what is too long is seen to be.
        if self._draft and self._text_chars <= TEXT_CHARS_MAX:
            self._text.append(text[: TEXT_CHARS_MAX + 1])
            self._text_chars += len(text)

    def end(self, name: str) -> None:
        self._depth -= 1
        draft = self._draft
        if draft is None:
            return
        if name == "item":
            item = draft.finished()
            if item and len(self.items) < ITEMS_MAX:
                self.items.append(item)
            self._draft = None
        elif name in _TEXTS:
            draft.texts.setdefault(name, "".join(self._text).strip())
        if self._text:
            self._forget_text()

    def close(self) -> None:
        pass

    def _forget_text(self) -> None:
        self._text.clear()
        self._text_chars = 0


def printable(text: str) -> str:
    return text if text.isprintable() else "".join(c for c in text if c.isprintable())


def _imdb_id(text: str) -> str | None:
    """`tt` and at least seven digits; None for anything else, and for the zeros that stand for unknown."""
    digits = _IMDB_DIGITS.fullmatch(text.strip())
    return f"tt{int(digits[1]):07}" if digits and int(digits[1]) else None


def _number(text: str | None) -> int:
    """A decimal number, or 0 for anything else."""
    text = (text or "").strip()
    return int(text) if text.isascii() and text.isdigit() and len(text) <= NUMBER_DIGITS_MAX else 0


def _date(text: str) -> datetime | None:
    """RFC 2822; a date without a zone is taken as UTC."""
    if plain := _PLAIN_DATE.fullmatch(text):
        day, month, year, hour, minute, second = plain.groups()
        with suppress(ValueError):
            return datetime(
                int(year), _MONTHS[month], int(day), int(hour), int(minute), int(second), tzinfo=UTC
            )
    try:
        date = parsedate_to_datetime(text)
        return (date if date.tzinfo else date.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, TypeError, OverflowError, IndexError):
        return None
