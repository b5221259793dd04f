"""XML from strangers, read within bounds: no tree is built, no entity is ever expanded."""

import re
from collections.abc import Callable
from typing import Final, Protocol, cast

from defusedxml import ElementTree
from defusedxml.common import DefusedXmlException

DOCUMENT_BYTES_MAX: Final = 16 * 1024 * 1024
_CHUNK_BYTES: Final = 64 * 1024
_CODE = re.compile(r"\d{1,5}", re.ASCII)
_WEB_PAGE: Final = "sent a web page instead of a list; check its address"


class FeedRefused(Exception):
    """It isn't what was asked for. The sentence's end: "<name> …"."""


class ApiRefused(Exception):
    """The indexer answered with an error of its own (which comes with status 200)."""

    def __init__(self, code: int, description: str) -> None:
        super().__init__(description)
        self.code = code
        self.description = description


class Target(Protocol):
    """What a parser tells. Elements come by their `local_name`."""

    def start(self, name: str, attributes: dict[str, str], /) -> None: ...
    def data(self, text: str, /) -> None: ...
    def end(self, name: str, /) -> None: ...
    def close(self) -> None: ...


class _Expat(Protocol):
    """Of a `pyexpat` parser what is set here."""

    ordered_attributes: bool
    specified_attributes: bool
    StartElementHandler: Callable[[str, dict[str, str]], None]
    EndElementHandler: Callable[[str], None]


def read(document: bytes, target: Target) -> None:
    """Tell the target what is in the document.

    Raises FeedRefused for what is too large or no XML; what the target raises goes through.
    """
    if len(document) > DOCUMENT_BYTES_MAX:
        raise FeedRefused(f"sent more than {DOCUMENT_BYTES_MAX // 1024**2} MiB")
    parser = ElementTree.XMLParser(target=target)
    _heard_directly(cast("_Expat", parser.parser), target)
    try:
        for start in range(0, len(document), _CHUNK_BYTES):
            parser.feed(document[start : start + _CHUNK_BYTES])
        parser.close()
    except DefusedXmlException as error:
        raise FeedRefused("sent XML with entities, which only an attack does") from error
    except (ElementTree.ParseError, ValueError, LookupError) as error:
        if _looks_like_html(document):
            raise FeedRefused(_WEB_PAGE) from error
        raise FeedRefused("sent something that can't be read as XML") from error


def _heard_directly(expat: _Expat, target: Target) -> None:
    """Elements without the tree builder's handling of their names, which takes longer than reading them."""
    names: dict[str, str] = {}

    def start(tag: str, attributes: dict[str, str]) -> None:
        name = names.get(tag)
        if name is None:
            name = names[tag] = local_name(tag)
        target.start(name, attributes)

    def end(tag: str) -> None:
        # What ends has begun.
        target.end(names[tag])

    expat.ordered_attributes = False
    # A document type may give every element attributes of megabytes that stand in it once.
    expat.specified_attributes = True
    expat.StartElementHandler, expat.EndElementHandler = start, end


def local_name(tag: str) -> str:
    """A tag's name in lower case, without its namespace: indexers mix those up."""
    return tag.rpartition("}")[2].lower()


def check_root(name: str, attributes: dict[str, str], expected: str, what: str) -> None:
    """Raises ApiRefused or FeedRefused unless the document's first element is the expected one."""
    if name == expected:
        return
    if name == "html":
        raise FeedRefused(_WEB_PAGE)
    if name == "error":
        told = "".join(c for c in attributes.get("description", "") if c.isprintable())
        code = attributes.get("code", "")
        raise ApiRefused(int(code) if _CODE.fullmatch(code) else 0, told[:200])
    raise FeedRefused(f"sent XML that is no {what}")


def _looks_like_html(document: bytes) -> bool:
    beginning = document[:1024].lower()
    return b"<html" in beginning or b"<!doctype html" in beginning
