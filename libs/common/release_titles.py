"""The title, out of the part of a name that has it."""

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache

from libs.common.release_text import Span
from libs.common.release_words import Found

_INITIALS = re.compile(r"(?<![A-Za-z0-9])(?:[A-Za-z]\.){2,}(?:[A-Za-z](?![A-Za-z0-9]))?")
_POINT = re.compile(r"\.(?! )")
_BEHIND_TITLE = re.compile(r" ?\(([^()]*)\)?$")
_AGAIN = re.compile(
    r"[ .]+(?:AKA|a\.k\.a\.?)[ .]+|[ .]?[/|][ .]|(?<=[^ -~])[ .]?[/|·][ .]?|[ .]?[/|][ .]?(?=[^ -~])"
)
_EAST_ASIAN = re.compile(r"[\u2e80-\u2fff\u3001-\u9fff\uac00-\ud7af\uf900-\ufaff★☆]")
_VERSION = re.compile(r"[ .-]+v[2-5]$", re.IGNORECASE)


def titles(text: str, regions: Iterable[Span]) -> list[Found]:
    """The title and what else it is called in the same name; of several scripts the Latin one first."""
    found = list({title.value: title for region in regions for title in _in_region(text, region)}.values())
    if found and not _is_latin(text, found[0]):
        found.sort(key=lambda title: not _is_latin(text, title))
    return found


def _in_region(text: str, region: Span) -> Iterator[Found]:
    start, end = region
    for again in [*_AGAIN.finditer(text, start, end), None]:
        stop = again.start() if again else end
        if title := _title(text[start:stop]):
            yield Found(start, stop, title)
        start = again.end() if again else end


@lru_cache(maxsize=1024)
def _title(raw: str) -> str | None:
    """The releases of one film have the same; 1 MB at most."""
    title = raw.strip(" .-[(/|")
    if " " not in title or title.count(".") > title.count(" "):
        kept = _INITIALS.sub(lambda match: match[0].replace(".", "\0") + " " * (match[0][-1] == "."), title)
        title = _POINT.sub(" ", kept).replace("\0", ".")
    title = _without_east_asian(title)
    title = re.sub(r"\s+", " ", re.sub(r"[\[\]{}★☆]", " ", title)).strip(" -–,+").lstrip(".")
    title = _VERSION.sub("", title)
    # Behind a title stands its translation, or in two or three letters the country.
    alone = _BEHIND_TITLE.sub(lambda match: f" {match[1]}" if len(match[1]) <= 3 else "", title).strip()
    title = alone or title.strip("()")
    return (title if "(" in title else title.removesuffix(")").rstrip()) or None


def _without_east_asian(title: str) -> str:
    """What is in Latin letters, if it is a title on its own: the rest says the same, or the season."""
    if not _EAST_ASIAN.search(title):
        return title
    words = re.split(r"[\s\[\]]+", title)
    left = " ".join(word for word in words if not _EAST_ASIAN.search(word))
    return left if len(re.findall(r"[A-Za-z]", left)) > 2 else title


def _is_latin(text: str, title: Found) -> bool:
    said = text[title.start : title.end]
    return all(ord(character) < 0x370 or not character.isalpha() for character in said)
