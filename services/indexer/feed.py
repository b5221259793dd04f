"""Newznab's answers: RSS 2.0 with attributes of its own. They come from strangers.

Source: the Newznab API specification (github.com/nZEDb/nZEDb, "newznab_api_specification").
"""

import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final

import msgspec
from defusedxml import ElementTree
from defusedxml.common import DefusedXmlException

FEED_BYTES_MAX: Final = 16 * 1024 * 1024
ITEMS_MAX: Final = 1_000
ELEMENTS_MAX: Final = 200 * ITEMS_MAX
DEPTH_MAX: Final = 16
TEXT_CHARS_MAX: Final = 2_000
"""Characters of a title, a URL or a guid; an item with longer ones is left out."""
NUMBER_DIGITS_MAX: Final = 15
_FEED_CHUNK_BYTES: Final = 64 * 1024

_CODE = re.compile(r"\d{1,5}")


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


class FeedRefused(Exception):
    """It isn't a feed. The sentence's end: "<name> …"."""


class ApiRefused(Exception):
    """The indexer answered with an error of its own."""

    def __init__(self, code: int, description: str) -> None:
        super().__init__(description)
        self.code = code
        self.description = description


def parse_feed(document: bytes) -> tuple[Item, ...]:
    """The feed's items in their order, at most 1,000.

    Items without a title or an address are left out. Raises ApiRefused for the indexer's own errors and
    FeedRefused for anything else that is no feed. No tree is built; no entity is ever expanded.
    """
    if len(document) > FEED_BYTES_MAX:
        raise FeedRefused(f"sent more than {FEED_BYTES_MAX // 1024**2} MiB")
    feed = _Feed()
    parser = ElementTree.XMLParser(target=feed)
    try:
        for start in range(0, len(document), _FEED_CHUNK_BYTES):
            parser.feed(document[start : start + _FEED_CHUNK_BYTES])
        parser.close()
    except DefusedXmlException as error:
        raise FeedRefused("sent XML with entities, which only an attack does") from error
    except (ElementTree.ParseError, ValueError, LookupError) as error:
        if _looks_like_html(document):
            raise FeedRefused(_WEB_PAGE) from error
        raise FeedRefused("sent something that can't be read as XML") from error
    return tuple(feed.items)


_WEB_PAGE: Final = "sent a web page instead of a list; check its address"


def _looks_like_html(document: bytes) -> bool:
    beginning = document[:1024].lower()
    return b"<html" in beginning or b"<!doctype html" in beginning


class _Draft:
    """What has been read of one item."""

    def __init__(self) -> None:
        self.texts: dict[str, str] = {}
        self.attributes: dict[str, str] = {}
        self.categories: list[int] = []
        self.enclosure: dict[str, str] = {}

    def add_attribute(self, name: str, value: str) -> None:
        if name != "category":
            self.attributes.setdefault(name, value)
        elif _CODE.fullmatch(value):
            self.categories.append(int(value))

    def finished(self) -> Item | None:
        title = "".join(c for c in " ".join(self.texts.get("title", "").split()) if c.isprintable())
        url = (self.enclosure.get("url") or self.texts.get("link", "")).strip()
        guid = self.texts.get("guid") or self.attributes.get("guid") or url
        if not title or not url or max(map(len, (title, url, guid))) > TEXT_CHARS_MAX:
            return None
        date = self.attributes.get("usenetdate") or self.texts.get("pubdate", "")
        return Item(
            title=title,
            guid=guid,
            url=url,
            size_bytes=_number(self.enclosure.get("length")) or _number(self.attributes.get("size")),
            posted_at=_date(date),
            grabs=_number(self.attributes.get("grabs")),
            categories=tuple(self.categories[:20]),
        )


class _Feed:
    """Takes the parser's events (the `target` of an XMLParser) and keeps only what an Item is made of."""

    def __init__(self) -> None:
        self.items: list[Item] = []
        self._depth = 0
        self._elements = 0
        self._draft: _Draft | None = None
        self._text: list[str] = []
        self._text_chars = 0

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        name = _local(tag)
        if self._depth == 0:
            _check_root(name, attributes)
        self._depth += 1
        self._elements += 1
        if self._depth > DEPTH_MAX or self._elements > ELEMENTS_MAX:
            raise FeedRefused("sent a list that is nested too deeply or has too many elements")
        self._forget_text()
        if name == "item":
            self._draft = _Draft()
        elif self._draft and name == "enclosure":
            self._draft.enclosure = self._draft.enclosure or attributes
        elif self._draft and name == "attr":
            self._draft.add_attribute(attributes.get("name", "").lower(), attributes.get("value", ""))

    def data(self, text: str) -> None:
        # One more than allowed is kept, so that what is too long is seen to be.
        if self._draft and self._text_chars <= TEXT_CHARS_MAX:
            self._text.append(text[: TEXT_CHARS_MAX + 1])
            self._text_chars += len(text)

    def end(self, tag: str) -> None:
        self._depth -= 1
        name = _local(tag)
        if self._draft and name == "item":
            item = self._draft.finished()
            if item and len(self.items) < ITEMS_MAX:
                self.items.append(item)
            self._draft = None
        elif self._draft and name in ("title", "link", "guid", "pubdate"):
            self._draft.texts.setdefault(name, "".join(self._text).strip())
        self._forget_text()

    def close(self) -> None:
        pass

    def _forget_text(self) -> None:
        self._text.clear()
        self._text_chars = 0


def _local(tag: str) -> str:
    return tag.rpartition("}")[2].lower()


def _check_root(name: str, attributes: dict[str, str]) -> None:
    if name == "rss":
        return
    if name == "html":
        raise FeedRefused(_WEB_PAGE)
    if name == "error":
        told = "".join(c for c in attributes.get("description", "") if c.isprintable())
        code = attributes.get("code", "")
        raise ApiRefused(int(code) if _CODE.fullmatch(code) else 0, told[:200])
    raise FeedRefused("sent XML that is no list of releases")


def _number(text: str | None) -> int:
    """A decimal number, or 0 for anything else."""
    text = (text or "").strip()
    return int(text) if text.isascii() and text.isdigit() and len(text) <= NUMBER_DIGITS_MAX else 0


def _date(text: str) -> datetime | None:
    """RFC 2822; a date without a zone is taken as UTC."""
    try:
        date = parsedate_to_datetime(text)
        return (date if date.tzinfo else date.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, TypeError, OverflowError, IndexError):
        return None
