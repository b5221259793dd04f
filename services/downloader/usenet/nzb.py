"""NZB files: which articles make up a release. They come from strangers, through an indexer."""

import re
from hashlib import sha256
from typing import Final

import msgspec
from defusedxml import ElementTree
from defusedxml.common import DefusedXmlException

from services.downloader.errors import NzbRefused

NZB_BYTES_MAX: Final = 64 * 1024 * 1024
FILES_MAX: Final = 20_000
SEGMENTS_MAX: Final = 2_000_000
ELEMENTS_MAX: Final = SEGMENTS_MAX + 20 * FILES_MAX
DEPTH_MAX: Final = 16
TEXT_LENGTH_MAX: Final = 1_000
"""Characters kept of a subject, poster, group or password."""
GROUPS_MAX: Final = 50
NUMBER_MAX: Final = 1_000_000
"""The highest segment number believed: 500 GiB in parts of 500 KiB."""
CLAIMED_BYTES_MAX: Final = 64 * 1024 * 1024
"""What one segment may claim; a claim is only ever an estimate."""
OTHERS_MAX: Final = 3
"""Further articles believed of one segment."""
PASSWORDS_MAX: Final = 5
_FEED_BYTES: Final = 256 * 1024

_MESSAGE_ID = re.compile(r"[!-;=?-~]{1,250}")
"""Printable ASCII without space and angle brackets: what may go into a command line (RFC 3977 §3.6)."""
_PASSWORD_IN_NAME = re.compile(r"\{\{(.{1,200}?)\}\}")


class Segment(msgspec.Struct, frozen=True, gc=False):
    """One article of a file."""

    number: int
    """Counted from 1."""
    claimed_bytes: int
    """The encoded size that the NZB claims; 0 if it claims none."""
    message_id: str
    """Without angle brackets; safe to put into a command."""
    others: tuple[str, ...] = ()
    """Further articles that are listed for the same part: as good as the first, in order."""


class NzbFile(msgspec.Struct, frozen=True, kw_only=True):
    """One posted file."""

    subject: str
    poster: str
    date: int
    """When it was posted, in seconds since 1970; 0 if not told."""
    groups: tuple[str, ...]
    segments: tuple[Segment, ...]
    """At least one; ascending by number, each number once."""


class Nzb(msgspec.Struct, frozen=True, kw_only=True):
    """One release: at least one file."""

    title: str
    passwords: tuple[str, ...]
    """That its archives may be encrypted with: at most PASSWORDS_MAX, the likeliest first. For no log."""
    files: tuple[NzbFile, ...]

    def digest(self) -> str:
        """The same for the same articles in the same places, and for nothing else."""
        digest = sha256()
        for file in self.files:
            digest.update(b"\n")
            for segment in file.segments:
                ids = " ".join((segment.message_id, *segment.others))
                digest.update(f"{segment.number} {ids} ".encode())
        return digest.hexdigest()


def parse_nzb(document: bytes) -> Nzb:
    """Read an NZB, with or without its namespace. Raises `NzbRefused` for anything that isn't one.

    A segment with an impossible number or message-id is left out, a file without segments too. Of
    segments with one number the later ones are the first's `others`. Memory is a small multiple of the
    result's; no tree is built.
    """
    if len(document) > NZB_BYTES_MAX:
        raise NzbRefused(f"the NZB is larger than {NZB_BYTES_MAX // 1024**2} MiB")
    if not document.strip():
        raise NzbRefused("the indexer sent an empty answer instead of an NZB")
    release = _Release()
    parser = ElementTree.XMLParser(target=release)
    try:
        for start in range(0, len(document), _FEED_BYTES):
            parser.feed(document[start : start + _FEED_BYTES])
        parser.close()
    except NzbRefused:
        raise
    except DefusedXmlException as error:
        raise NzbRefused("the NZB declares XML entities, which only an attack does") from error
    except (ElementTree.ParseError, ValueError, LookupError) as error:
        if _looks_like_html(document):
            raise NzbRefused(_WEB_PAGE) from error
        raise NzbRefused("the indexer sent something that is not an NZB: it can't be read as XML") from error
    return release.finished()


_WEB_PAGE = "the indexer sent a web page instead of an NZB; check its address and API key"


def _looks_like_html(document: bytes) -> bool:
    beginning = document[:1024].lower()
    return b"<html" in beginning or b"<!doctype html" in beginning


def passwords_in(name: str) -> list[str]:
    """Those that posters write into a release's name: `A film {{open sesame}}`."""
    return _PASSWORD_IN_NAME.findall(name[:TEXT_LENGTH_MAX])[:PASSWORDS_MAX]


class _Release:
    """Takes the parser's events (the `target` of an XMLParser) and keeps only what an Nzb is made of."""

    def __init__(self) -> None:
        self._depth = 0
        self._elements = 0
        self._segment_count = 0
        self._text: list[str] = []
        self._text_length = 0
        self._attributes: dict[str, str] = {}
        self._title = ""
        self._passwords: list[str] = []
        self._file: dict[str, str] | None = None
        self._groups: list[str] = []
        self._segments: dict[int, Segment] = {}
        self._files: list[NzbFile] = []

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        name = _local(tag)
        self._elements += 1
        if self._depth == 0:
            _check_root(name, attributes)
        self._depth += 1
        if self._depth > DEPTH_MAX or self._elements > ELEMENTS_MAX:
            raise NzbRefused("the NZB is nested too deeply or has too many elements")
        self._text.clear()
        self._text_length = 0
        self._attributes = attributes
        if name == "file":
            self._file, self._groups, self._segments = attributes, [], {}
            if len(self._files) >= FILES_MAX:
                raise NzbRefused(f"the NZB lists more than {FILES_MAX} files")

    def data(self, text: str) -> None:
        if self._text_length < TEXT_LENGTH_MAX:
            self._text.append(text)
            self._text_length += len(text)

    def end(self, tag: str) -> None:
        self._depth -= 1
        name = _local(tag)
        if name == "segment":
            self._add_segment()
        elif name == "group" and len(self._groups) < GROUPS_MAX:
            self._groups.append(self._taken_text())
        elif name == "meta":
            self._add_meta(self._attributes.get("type", "").lower(), self._taken_text())
        elif name == "file":
            self._add_file()
        self._text.clear()
        self._text_length = 0

    def close(self) -> None:
        pass

    def finished(self) -> Nzb:
        if not self._files:
            raise NzbRefused("the NZB lists no articles; the indexer may have removed the release")
        passwords = dict.fromkeys([*self._passwords, *passwords_in(self._title)])
        return Nzb(title=self._title, passwords=tuple(passwords)[:PASSWORDS_MAX], files=tuple(self._files))

    def _add_meta(self, kind: str, text: str) -> None:
        if kind == "title":
            self._title = self._title or text
        elif kind == "password" and text and len(self._passwords) < PASSWORDS_MAX:
            self._passwords.append(text)

    def _taken_text(self) -> str:
        return "".join(self._text)[:TEXT_LENGTH_MAX].strip()

    def _add_segment(self) -> None:
        self._segment_count += 1
        if self._segment_count > SEGMENTS_MAX:
            raise NzbRefused(f"the NZB lists more than {SEGMENTS_MAX} articles")
        number = _number(self._attributes.get("number", ""), NUMBER_MAX)
        message_id = self._taken_text().removeprefix("<").removesuffix(">")
        if number == 0 or not _MESSAGE_ID.fullmatch(message_id):
            return
        if known := self._segments.get(number):
            self._segments[number] = _with_another(known, message_id)
            return
        claimed_bytes = _number(self._attributes.get("bytes", ""), CLAIMED_BYTES_MAX)
        self._segments[number] = Segment(number, claimed_bytes, message_id)

    def _add_file(self) -> None:
        if self._file is None or not self._segments:
            return
        ordered = tuple(self._segments[number] for number in sorted(self._segments))
        self._files.append(
            NzbFile(
                subject=self._file.get("subject", "")[:TEXT_LENGTH_MAX],
                poster=self._file.get("poster", "")[:TEXT_LENGTH_MAX],
                date=_number(self._file.get("date", ""), 2**40),
                groups=tuple(self._groups),
                segments=ordered,
            )
        )
        self._file = None


def _with_another(segment: Segment, message_id: str) -> Segment:
    others = segment.others
    if len(others) >= OTHERS_MAX or message_id in (segment.message_id, *others):
        return segment
    return msgspec.structs.replace(segment, others=(*others, message_id))


def _local(tag: str) -> str:
    return tag.rpartition("}")[2].lower()


def _check_root(name: str, attributes: dict[str, str]) -> None:
    if name == "nzb":
        return
    if name == "html":
        raise NzbRefused(_WEB_PAGE)
    if name == "error":
        told = "".join(c for c in attributes.get("description", "no reason given") if c.isprintable())
        raise NzbRefused(f"the indexer sent an error instead of an NZB: {told[:200]}")
    raise NzbRefused("the indexer sent XML that is not an NZB")


def _number(text: str, highest: int) -> int:
    """A decimal number from 1 to `highest`, or 0 for anything else."""
    text = text.strip()
    if not (text.isascii() and text.isdigit() and len(text) <= 19):
        return 0
    value = int(text)
    return value if value <= highest else 0
