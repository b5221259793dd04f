"""Where things are in a name: the title first, and the words about it behind."""

import re
from collections.abc import Iterable, Sequence

import msgspec

from libs.common.release_groups import leading_group
from libs.common.release_languages import CHINESE, LANGUAGE_CODES, LANGUAGES
from libs.common.release_numbers import YEARS, Numbers, find_bare, find_numbers
from libs.common.release_text import Span
from libs.common.release_words import (
    AUDIO,
    BIT_DEPTH,
    CODEC,
    EDITION,
    FLAGS,
    HDR,
    NOISE,
    RESOLUTION,
    SHORT_SOURCE,
    SOURCE,
    VAGUE_RESOLUTION,
    Found,
    Lookup,
)

_HARD = (RESOLUTION, SOURCE, CODEC, AUDIO, BIT_DEPTH, HDR)
_SOFT = (EDITION, FLAGS, LANGUAGES, LANGUAGE_CODES, CHINESE, VAGUE_RESOLUTION, NOISE)
_YEAR = re.compile(r"(?<![0-9A-Za-z])(?<!\d\d\.\d\d\.)((?:19|20)\d\d)(?![0-9A-Za-z])")
_FIRST_YEAR = re.compile(r"[ ]*[(\[]((?:19|20)\d\d)[)\]][ .-]*(?=\w)")
_COUNTED_BEFORE = re.compile(r"[ .]-[ .]?\d{1,4}(?:\.\d)?[ .]?[(\[]?$")
# An episode between two, which anime has: a recap.
_HALF = re.compile(r"[ .]-[ .]?\d{1,3}\.5[ .]?[(\[]?$")
_TITLE_BEHIND = re.compile(r"[)\]]?[ .]?[/|][ .]?([^\[\](){}|/]{2,80}?)(?=[ .]?[\[(/|]|$)")
_FIRST_DATE = re.compile(r"[12]\d(?:0[1-9]|1[0-2])[0-3]\d[ .](?=\S)")
_ARTICLE = re.compile(r"(?<![A-Za-z0-9])(?:the|an?|der|die|das|le|la|une?|el|il)[ .]$", re.IGNORECASE)
# Languages in three letters that are words, as they are written in the title of an episode.
_PLAIN_WORDS = {
    "Cat",
    "Dan",
    "Vie",
    "Fin",
    "Por",
    "Lat",
    "Ing",
    "Rom",
    "Tam",
    "Tel",
    "Pol",
    "Chi",
    "Max",
    "It",
}
_ARTICLES = {"", "the", "a", "an", "der", "die", "das", "le", "la", "les", "el", "il"}
_EAST_ASIAN = re.compile(r"[\u3041-\u30ff\u4e00-\u9fff]")


class Outline(msgspec.Struct, frozen=True, kw_only=True):
    """Titles in `regions` up to `title_end`, words about the release from `tags` on."""

    text: str
    regions: Sequence[Span]
    title_end: int
    tags: int
    leading_group: Span | None
    numbers: Numbers | None
    year: Found | None
    resolution: Found | None
    source: Found | None
    hard: Sequence[Found]
    """Words that no title has: resolution, source, codec, audio."""


def outline(look: Lookup) -> Outline:
    """Of a name without folders and endings (`release_text.read`)."""
    text = look.text
    leading, begin = leading_group(text)
    if leading and any(
        found.start < begin for kind in (RESOLUTION, SOURCE, CODEC) for found in look.find(kind)
    ):
        leading = None
    first_year = _FIRST_YEAR.match(text, begin)
    begin = first_year.end() if first_year else begin
    numbers = find_numbers(text, begin, anime=leading is not None or _EAST_ASIAN.search(text) is not None)
    first_date = _FIRST_DATE.match(text, begin) if numbers and numbers.start > begin + 7 else None
    begin = first_date.end() if first_date else begin
    words = {kind: look.find(kind, begin if leading else 0) for kind in _HARD}
    hard = min(
        (found.start for several in words.values() for found in several if found.start > begin),
        default=len(text),
    )
    source = next(iter(words[SOURCE]), None)
    if numbers is None and source and source.value in ("HDTV", "SDTV"):
        bare = find_bare(text, begin)
        numbers = bare if bare and bare.end <= hard else None
    bound = min(hard, numbers.start) if numbers else hard
    year = Found(*first_year.span(1), first_year[1]) if first_year else _year(text, begin, bound, numbers)
    bound = min(bound, year.start) if year and year.start >= begin else bound
    source = source or _short_source(look, begin, bound)
    hard = min(hard, source.start) if source else hard
    bound = min(bound, hard)
    title_end = _peeled_title(look, begin, bound, only_sure=bound != hard)
    resolution = next(iter(words[RESOLUTION]), None) or next(
        iter(look.find(VAGUE_RESOLUTION, title_end)), None
    )
    return Outline(
        text=text,
        regions=_regions(text, begin, title_end, numbers),
        title_end=title_end,
        tags=_tags(look, title_end, hard, numbers),
        leading_group=leading,
        numbers=numbers,
        year=year,
        resolution=resolution,
        source=source,
        hard=[found for kind in (SOURCE, AUDIO, RESOLUTION, CODEC, BIT_DEPTH) for found in words[kind]],
    )


def _year(text: str, begin: int, bound: int, numbers: Numbers | None) -> Found | None:
    """The last year before the first other mark, for a film's title may have years in it; else one after."""
    years = [
        Found(match.start(), match.end(), match[1])
        for match in _YEAR.finditer(text, begin)
        if int(match[1]) in YEARS and not (numbers and numbers.start <= match.start() < numbers.end)
    ]
    before = [year for year in years if year.start < bound and text[begin : year.start].strip(" .[(-")]
    after = [year for year in years if year.start > bound]
    return before[-1] if before else after[0] if after else None


def _short_source(look: Lookup, begin: int, bound: int) -> Found | None:
    """A source in two or three letters: any after the title, before it only what can't be a word of it."""
    text, found = look.text, look.find(SHORT_SOURCE, begin + 1)
    return next(
        (
            short
            for short in found
            if short.start >= bound or bound == len(text) or text[short.start - 1] in "[("
        ),
        None,
    )


def _tags(look: Lookup, title_end: int, hard: int, numbers: Numbers | None) -> int:
    """Between an episode's number and the first hard word may stand its title, with any words in it."""
    if numbers is None or numbers.end >= hard:
        return title_end
    words = [
        found
        for found in _soft(look, numbers.end, hard)
        if not _ARTICLE.search(look.text, 0, found.start)
        and not (_plain(look, found) and look.text[found.start : found.end].istitle())
    ]
    return _peeled(look.text, hard, words)


def _peeled_title(look: Lookup, begin: int, end: int, *, only_sure: bool) -> int:
    """Where the title ends: the words behind it, back from `end`, are about the release.

    Before a year or an episode the title may end in any word: then only phrases and upper case are sure.
    """
    text = look.text
    mixed_case = any(character.islower() for character in text[begin:end])
    words = [
        found
        for found in _soft(look, begin, end)
        if text[begin : found.start].strip(" .-[(").lower() not in _ARTICLES
        and _sure(look, found, mixed_case, only_sure=only_sure)
    ]
    end = _peeled(text, end, words)
    counted = (_COUNTED_BEFORE if only_sure else _HALF).search(text, begin, end)
    return counted.start() if counted and counted.start() > begin else end


def _soft(look: Lookup, begin: int, end: int) -> list[Found]:
    return [found for kind in _SOFT for found in look.find(kind, begin) if found.end <= end]


def _peeled(text: str, end: int, words: Iterable[Found]) -> int:
    for found in sorted(words, key=lambda found: (found.end, -found.start), reverse=True):
        if found.end <= end and not text[found.end : end].strip(" .-[](){}+,&/|"):
            end = found.start
    return end


def _plain(look: Lookup, found: Found) -> bool:
    """Whether it may as well be a word of a title: not if it goes on a list of languages."""
    listed = any(other.end + 1 == found.start for other in look.find(LANGUAGES))
    return look.text[found.start : found.end].capitalize() in _PLAIN_WORDS and not listed


def _sure(look: Lookup, found: Found, mixed_case: bool, *, only_sure: bool) -> bool:
    said = look.text[found.start : found.end]
    if said in ("3D", "4K") or re.search(r"[ .-]", said):
        return True
    shouted = mixed_case and said.isupper()
    if only_sure:
        return len(said) > 3 and (shouted or found.value in _EDITIONS)
    return shouted or not _plain(look, found)


_EDITIONS = {
    "Director's Cut",
    "Extended",
    "Unrated",
    "Uncut",
    "Theatrical",
    "Remastered",
    "Despecialized",
    "Fan Edit",
    "IMAX",
    "2in1",
}


def _regions(text: str, begin: int, title_end: int, numbers: Numbers | None) -> list[Span]:
    """The title's, and that of the same in another language behind the numbers: Один (S1E2) / One (S1E2)."""
    behind = _TITLE_BEHIND.match(text, numbers.end) if numbers else None
    return [(begin, title_end), *([behind.span(1)] if behind else [])]


def within(found: Found, others: Iterable[Found]) -> bool:
    """Whether it is a piece of one of them (the DL of WEB-DL), and not all of it."""
    return any(
        other.start <= found.start
        and found.end <= other.end
        and other.end - other.start > found.end - found.start
        for other in others
    )


def soft_words(look: Lookup, start: int) -> list[Found]:
    """Editions, flags, languages, and what says nothing, from `start` on."""
    return [found for words in (*_SOFT, HDR, BIT_DEPTH) for found in look.find(words, start)]
