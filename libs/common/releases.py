"""What a release's name says about it.

Names are made by people, for people; nobody checks them. `parse` looks for the words and numbers it knows,
and takes what stands before the first of them for the title. See docs/decisions/009.
"""

import datetime
import re
from collections.abc import Iterable, Mapping
from typing import Literal

import msgspec

from libs.common.release_groups import group
from libs.common.release_languages import CHINESE, LANGUAGE_CODES, LANGUAGES
from libs.common.release_numbers import Numbers
from libs.common.release_outline import Outline, outline, soft_words, within
from libs.common.release_text import Span, Text, read
from libs.common.release_titles import titles
from libs.common.release_words import AUDIO, BIT_DEPTH, CODEC, EDITION, FLAGS, HDR, Found, Lookup

Quality = Literal["4K", "1080p", "720p", "other"]


class Release(msgspec.Struct, frozen=True, kw_only=True):
    """A release as its name has it; None or empty where the name doesn't say."""

    title: str | None = None
    aliases: tuple[str, ...] = ()
    """What else the same name calls it: in another script, or behind AKA."""
    year: int | None = None
    season: int | None = None
    """Of several seasons the first; then "MULTI-SEASON" is among the flags."""
    seasons: tuple[int, ...] = ()
    """Of a pack of several seasons, all of them."""
    episodes: tuple[int, ...] = ()
    """Empty with a season: all of it."""
    absolute: int | None = None
    """An episode counted over all seasons, as anime is. A range of such is in `episodes`, with no season."""
    date: datetime.date | None = None
    """When an episode of a daily show was aired."""
    resolution: str | None = None
    """2160p, 1080p, 1080i, 720p, 576p, 480p …"""
    source: str | None = None
    """BluRay, WEB-DL, WEBRip, HDTV, SDTV, DVD, HD-DVD, HDRip, VHS, SCR, TC, TS, CAM, WORKPRINT."""
    codec: str | None = None
    """H.264, H.265, H.266, AV1, VP9, XviD, DivX, MPEG-2, VC-1."""
    bit_depth: int | None = None
    hdr: tuple[str, ...] = ()
    """DV, HDR10+, HDR10, HDR, HLG, SDR."""
    audio: tuple[str, ...] = ()
    """AAC, AC-3, E-AC-3, DTS, DTS-HD, DTS-HD MA, DTS:X, TrueHD, Atmos, FLAC, Opus, PCM, MP3, Vorbis."""
    channels: str | None = None
    """2.0, 5.1, 7.1 …"""
    languages: tuple[str, ...] = ()
    """ISO 639-1, or "multi"."""
    edition: str | None = None
    """Director's Cut, Extended … ; of several, all of them in the order of the name."""
    group: str | None = None
    flags: tuple[str, ...] = ()
    """PROPER, REPACK, REMUX, 3D … in upper case."""


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """A release, and where in the name each of its fields stands."""

    release: Release
    spans: Mapping[str, tuple[Span, ...]]
    """Field → places, in the order of the field's values; only of fields that the name says."""


def quality(release: Release) -> Quality:
    """The tier by which people choose."""
    tiers: dict[str | None, Quality] = {"2160p": "4K", "1080p": "1080p", "1080i": "1080p", "720p": "720p"}
    return tiers.get(release.resolution, "other")


def parse(name: str) -> Release:
    """Never raises, in time proportional to the name. Only its first 300 characters count."""
    text = read(name)
    if _RANDOM.fullmatch(text.text):
        return _OBFUSCATED
    look = Lookup(text.text)
    lines = outline(look)
    return _release(_found(lines, look), lines.numbers)


_CHANNELS = re.compile(
    r"(?<=[A-Za-z+ .\[(-])([1-9])\.([0-4])(?:ch)?(?![0-9A-Za-z])"
    r"|(?:(?<=[A-Za-z+])|(?<=[A-Za-z3] ))([1-9]) ([0-4])(?![0-9A-Za-z])"
    r"|(?<![0-9])([268])[ .]?ch(?![a-z])",
    re.IGNORECASE,
)
_BY_COUNT = {"2": "2.0", "6": "5.1", "8": "7.1"}
_RANDOM = re.compile(r"(?=(?:[^0-9]*[0-9]){3})(?=.*[A-Za-z])[A-Za-z0-9]{16,}")
_OBFUSCATED = Release(flags=("OBFUSCATED",))


def explain(name: str) -> Reading:
    """What `parse` says, and the places in `name` that say it."""
    text = read(name)
    if _RANDOM.fullmatch(text.text):
        return Reading(release=_OBFUSCATED, spans={"flags": (text.span(0, len(text.text)),)})
    look = Lookup(text.text)
    lines = outline(look)
    found = _found(lines, look)
    return Reading(release=_release(found, lines.numbers), spans=_spans(found, lines.numbers, text))


def _found(lines: Outline, look: Lookup) -> dict[str, list[Found]]:
    """Each word of each field, once, in the order of the name."""
    text, tags, begin = lines.text, lines.tags, lines.regions[0][0]
    named = titles(text, lines.regions)
    heard = _channels(text, tags)
    maker = _group(lines, look, heard if tags == lines.title_end else _channels(text, lines.title_end))
    # With the dash before it, so that a group called like a word is not that word too.
    apart = [*lines.hard, *(Found(made.start - 1, made.end, made.value) for made in maker)]
    spoken = [found for words in (LANGUAGES, LANGUAGE_CODES, CHINESE) for found in look.find(words, tags)]
    return {
        "title": named[:1],
        "aliases": named[1:],
        "year": [lines.year] if lines.year else [],
        "resolution": [lines.resolution] if lines.resolution else [],
        "source": [lines.source] if lines.source else [],
        "codec": _each(look.find(CODEC, begin))[:1],
        "bit_depth": _each(look.find(BIT_DEPTH, begin))[:1],
        "hdr": _each(look.find(HDR, tags)),
        "audio": _each(look.find(AUDIO, begin)),
        "channels": heard,
        "languages": _each(sorted(spoken, key=lambda found: found.start), apart),
        "edition": _each(look.find(EDITION, tags), apart),
        "group": maker,
        "flags": [*_each(look.find(FLAGS, tags), apart), *_several_seasons(lines)],
    }


def _release(found: Mapping[str, list[Found]], numbers: Numbers | None) -> Release:
    year, bit_depth = _first(found["year"]), _first(found["bit_depth"])
    return Release(
        title=_first(found["title"]),
        aliases=_all(found["aliases"]),
        year=int(year) if year else None,
        season=numbers.season if numbers else None,
        seasons=numbers.seasons if numbers else (),
        episodes=numbers.episodes if numbers else (),
        absolute=numbers.absolute if numbers else None,
        date=numbers.date.day if numbers and numbers.date else None,
        resolution=_first(found["resolution"]),
        source=_first(found["source"]),
        codec=_first(found["codec"]),
        bit_depth=int(bit_depth) if bit_depth else None,
        hdr=_all(found["hdr"]),
        audio=_all(found["audio"]),
        channels=_first(found["channels"]),
        languages=_all(found["languages"]),
        edition=" ".join(_all(found["edition"])) or None,
        group=_first(found["group"]),
        flags=_all(found["flags"]),
    )


def _first(words: list[Found]) -> str | None:
    return words[0].value if words else None


def _all(words: list[Found]) -> tuple[str, ...]:
    return tuple([word.value for word in words]) if words else ()


def _spans(
    found: Mapping[str, list[Found]], numbers: Numbers | None, text: Text
) -> dict[str, tuple[Span, ...]]:
    spans = {
        field: tuple(text.span(word.start, word.end) for word in words) for field, words in found.items()
    }
    if numbers:
        said = ("season", "seasons", "episodes", "absolute", "date")
        place = (text.span(numbers.start, numbers.end),)
        spans |= {field: place for field in said if getattr(numbers, field) not in (None, ())}
    return {field: places for field, places in spans.items() if places}


def _each(words: Iterable[Found], apart: Iterable[Found] = ()) -> list[Found]:
    """The first of each value, but not what is a piece of a longer word (the DL of WEB-DL)."""
    first: dict[str, Found] = {}
    for found in words:
        if found.value not in first and not within(found, apart):
            first[found.value] = found
    return list(first.values())


def _several_seasons(lines: Outline) -> list[Found]:
    several = lines.numbers and lines.numbers.seasons
    return (
        [Found(lines.numbers.start, lines.numbers.end, "MULTI-SEASON")] if lines.numbers and several else []
    )


def _channels(text: str, start: int) -> list[Found]:
    for match in _CHANNELS.finditer(text, start):
        counted = _BY_COUNT[match[5]] if match[5] else f"{match[1] or match[3]}.{match[2] or match[4]}"
        return [Found(match.start(), match.end(), counted)]
    return []


def _group(lines: Outline, look: Lookup, heard: list[Found]) -> list[Found]:
    text, start = lines.text, lines.title_end
    marks = (lines.numbers, lines.year, lines.resolution, lines.source)
    soft = [*soft_words(look, start), *heard]
    soft += [Found(mark.start, mark.end, "") for mark in marks if mark]
    place = group(text, start, lines.hard, soft, lines.leading_group)
    return [Found(*place, text[slice(*place)].strip())] if place else []
