"""Of all files of a release that could be the film, the one that is meant."""

import re
import unicodedata
from collections.abc import Sequence
from typing import Protocol, TypeVar

import msgspec

from .archives.parts import Part, sniff
from .kinds import ARCHIVES, Kind, container_of, kind_of, says_extra, says_sample
from .source import Reads

SAMPLE_SHARE = 0.25
"""What calls itself a sample is one if it is a smaller part of the release; a film may be named so too."""
MAX_SNIFFED = 20
"""Packed files whose first bytes are read, the likeliest first, until one is a film."""
LEAST_SHARE = 0.05
"""Of the largest file: what is smaller is not the film beside it, whatever its name says."""
LEAST_BYTES_PER_MIN = 750_000
"""100 kbit/s: a film of that many minutes can't be smaller than that."""

_YEAR = re.compile(r"(?<!\d)(?:19|20)\d\d(?!\d)")


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """The film that somebody asked for."""

    title: str
    year: int | None = None
    runtime_min: int | None = None


class Film(msgspec.Struct, frozen=True, kw_only=True):
    part: Part
    container: str
    """A key of `kinds.CONTENT_TYPES`, by the film's first bytes."""


class Named(Protocol):
    """What a name and a size tell of a file."""

    @property
    def name(self) -> str: ...
    @property
    def directory(self) -> str: ...
    @property
    def size_bytes(self) -> int: ...


NamedFile = TypeVar("NamedFile", bound=Named)


def choose_by_name(files: Sequence[NamedFile], wanted: Wanted | None) -> NamedFile | None:
    """As `choose_film` chooses, for files whose bytes can't be looked at yet."""
    release_bytes = sum(file.size_bytes for file in files)
    films = [
        file
        for file in files
        if file.size_bytes
        and container_of(file.name, b"")
        and not is_sample(file.name, file.directory, file.size_bytes, release_bytes)
    ]
    least = _least_bytes(films, wanted)
    return max(films, key=lambda film: _likelihood(film, wanted, least), default=None)


async def choose_film(source: Reads, parts: Sequence[Part], wanted: Wanted | None) -> Film | None:
    """The film among these files: the likeliest that is playable; None if there is none.

    A sample is never it. What comes with a film (trailers, featurettes) is it only if there is nothing else;
    then its name counts, if a title is `wanted`, and then its size.
    """
    release_bytes = sum(part.size_bytes for part in parts)
    films = [
        part
        for part in parts
        if part.size_bytes
        and kind_of(part.name, part.head) not in ARCHIVES
        and not (part.head and kind_of(part.name, part.head) is not Kind.VIDEO)
        and not is_sample(part.name, part.directory, part.size_bytes, release_bytes)
    ]
    least = _least_bytes(films, wanted)
    sniffed = 0
    for part in sorted(films, key=lambda part: _likelihood(part, wanted, least), reverse=True):
        known = part
        if not part.head:
            if sniffed >= MAX_SNIFFED:
                continue
            sniffed += 1
            known = await sniff(source, part)
        if container := container_of(known.name, known.head):
            return Film(part=known, container=container)
    return None


def is_sample(name: str, directory: str, size_bytes: int, release_bytes: int) -> bool:
    return says_sample(name, directory) and size_bytes < SAMPLE_SHARE * release_bytes


def _least_bytes(films: Sequence[Named], wanted: Wanted | None) -> float:
    largest = max((film.size_bytes for film in films), default=0)
    return max(LEAST_SHARE * largest, ((wanted and wanted.runtime_min) or 0) * LEAST_BYTES_PER_MIN)


def _likelihood(part: Named, wanted: Wanted | None, least_bytes: float) -> tuple[bool, bool, int, int]:
    is_extra = says_extra(part.name, part.directory)
    named = _named(part, wanted) if wanted else 0
    return not is_extra, part.size_bytes >= least_bytes, named, part.size_bytes


def _named(part: Named, wanted: Wanted) -> int:
    """How well the name fits: 2 with the title and not another year, 1 with the title, 0 otherwise."""
    return max(_fits(text, wanted) for text in (part.name, part.directory))


def _fits(text: str, wanted: Wanted) -> int:
    title = _words(wanted.title)
    words = _words(text)
    starts = [at for at in range(len(words)) if title and words[at : at + len(title)] == title]
    if not starts:
        return 0
    # A title may have a number like a year in it, so that only what follows the title counts.
    years = _YEAR.findall(" ".join(words[starts[0] + len(title) :]))
    return 1 if wanted.year and years and str(wanted.year) not in years else 2


def _words(text: str) -> list[str]:
    """Without accents, case and punctuation, as titles lose those in names."""
    plain = "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))
    return re.findall(r"\w+", plain.casefold().replace("_", " ").replace("'", "").replace("’", ""))
