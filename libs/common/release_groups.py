"""Who made a release, by its name."""

import re
from collections.abc import Iterable, Iterator, Sequence

from libs.common.release_text import Span
from libs.common.release_words import Found

_WORD = r"[\w@&!$'+-]{1,24}"
_NAME = r"[\w@&!$']{1,24}"
# Behind the last known word: a dash and a name of up to three words, or a single word.
_LAST = re.compile(
    rf"[ .]?-[ .]?(?:by[ .])?({_NAME}(?:[-. ]{_NAME}){{0,3}})(?: ?[\[(][^\[\]()]{{0,60}}[\])])*[\])]?"
    rf"|[ .](?:by[ .])?({_NAME}(?:[-. ]{_NAME})?)(?: ?[\[(][^\[\]()]{{0,30}}[\])])*[\])]?",
    re.IGNORECASE,
)
_DASHED = re.compile(rf"-({_NAME})(?: ?[\[(][^\[\]()]{{0,60}}[\])])?$")
_BEHIND_BRACKETS = re.compile(rf"[\])][ .-]{{0,3}}({_WORD})$")
_BRACKETED = re.compile(r"[\[(]([A-Za-z0-9][A-Za-z0-9 .@&'!-]{1,24})[\])]\s*$")
_INNER = re.compile(r"\(([\w-]{2,20})\)\]$")
_LAST_IN_BRACKETS = re.compile(r"[ .-]([A-Za-z][\w]{1,20})[\])]$")
_LEADING = re.compile(r"[ ]*\[([^\[\]]{1,50})\][ .-]*(?=[^ ])")
_HASH = re.compile(r"[0-9A-Fa-f]{8}")
_NO_NAMES = {
    "sub",
    "subs",
    "eng",
    "mp4",
    "mkv",
    "esubs",
    "multi",
    "end",
    "season",
    "batch",
    "msubs",
    "weekly",
}


def leading_group(text: str) -> tuple[Span | None, int]:
    """What stands in brackets before the title, and where the title begins."""
    match = _LEADING.match(text)
    if match is None:
        return None, 0
    return match.span(1) if any(map(str.isalpha, match[1])) else None, match.end()


def group(
    text: str, start: int, hard: Sequence[Found], soft: Sequence[Found], leading: Span | None
) -> Span | None:
    """What follows the last known word or the last dash; else in brackets at the beginning, or at the end.

    `hard` and `soft`: the known words behind `start`, where the title ends; a group may be called like a
    soft one.
    """
    text = text[: _without_language(text, hard, soft)]
    if start >= len(text):
        return leading
    soft = [found for found in soft if found.end <= len(text)]
    dashed = _DASHED.search(text, start)
    listed = dashed and any(found.end == dashed.start() for found in soft)
    if dashed and _is_name(dashed.span(1), text, hard, soft if listed else ()):
        return _grown(text, dashed.span(1), _last_end(text, hard, soft))
    if leading:
        return leading
    spans = _ways(text, start, _last_end(text, hard, soft)) if hard else _in_brackets(text, start)
    return next((span for span in spans if span and _is_name(span, text, hard, soft)), None)


def _without_language(text: str, hard: Sequence[Found], soft: Sequence[Found]) -> int:
    """Where a name ends that has its language behind the group."""
    last = max((found.end for found in hard), default=len(text))
    for found in soft:
        if found.end == len(text) and text[found.start - 1] in " ." and "-" in text[last : found.start]:
            return found.start - 1
    return len(text)


def _last_end(text: str, hard: Sequence[Found], soft: Sequence[Found]) -> int:
    # A group may be called like a word we know: behind a dash, at the end, it is the group.
    listed = {found.end for found in soft}
    ends = [
        found.end
        for found in soft
        if text[found.start - 1] != "-" or found.end < len(text) or found.start - 1 in listed
    ]
    return max([*ends, *(found.end for found in hard)], default=0)


def _grown(text: str, span: Span, last_word: int) -> Span:
    """Of a name with a dash in it all, if it stands behind the last known word."""
    match = _LAST.fullmatch(text, last_word)
    return match.span(1) if match and match[1] and match.start(1) <= span[0] < match.end(1) else span


def _ways(text: str, start: int, last_word: int) -> Iterator[Span | None]:
    last = _LAST.fullmatch(text, last_word)
    if last:
        yield last.span(1) if last[1] else last.span(2)
    for pattern in (_BEHIND_BRACKETS, _INNER, _BRACKETED, _LAST_IN_BRACKETS):
        match = pattern.search(text, start)
        yield match and match.span(1)


def _in_brackets(text: str, start: int) -> Iterator[Span | None]:
    match = _BRACKETED.search(text, start)
    yield match and match.span(1)


def _is_name(span: Span, text: str, hard: Iterable[Found], soft: Iterable[Found]) -> bool:
    start, end = span
    name = text[start:end]
    return (
        any(map(str.isalpha, name))
        and name.lower() not in _NO_NAMES
        and not _HASH.fullmatch(name)
        and not any(found.start < end and start < found.end for found in hard)
        and not _is_all(span, text, soft)
    )


def _is_all(span: Span, text: str, words: Iterable[Found]) -> bool:
    """Whether there is nothing but these words."""
    said = {place for found in words for place in range(found.start, found.end)}
    return all(place in said or not text[place].isalnum() for place in range(*span))
