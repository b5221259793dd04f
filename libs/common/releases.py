"""What a release's name says about it.

Names are made by people, for people; nobody checks them. `parse` looks for the words and numbers it knows,
and takes what stands before the first of them for the title. See docs/decisions/001-release-names.md.
"""

import datetime
import re
import unicodedata
from collections.abc import Iterable, Sequence
from typing import Literal

import msgspec

from libs.common.release_numbers import YEARS, Numbers, find_numbers
from libs.common.release_words import (
    AUDIO,
    BIT_DEPTH,
    CODEC,
    EDITION,
    FLAGS,
    HDR,
    LANGUAGES,
    RESOLUTION,
    SHORT_SOURCE,
    SOURCE,
    VAGUE_RESOLUTION,
    Found,
    Words,
)

MAX_NAME_CHARS = 500

Quality = Literal["4K", "1080p", "720p", "other"]


class Release(msgspec.Struct, frozen=True, kw_only=True):
    """A release as its name has it; None or empty where the name doesn't say."""

    title: str | None = None
    year: int | None = None
    season: int | None = None
    """Of several seasons the first; then "MULTI-SEASON" is among the flags."""
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
    group: str | None = None
    flags: tuple[str, ...] = ()
    """PROPER, REPACK, REMUX, 3D … in upper case."""


def quality(release: Release) -> Quality:
    """The tier by which people choose."""
    tiers: dict[str | None, Quality] = {"2160p": "4K", "1080p": "1080p", "1080i": "1080p", "720p": "720p"}
    return tiers.get(release.resolution, "other")


_FOLDERS = re.compile(r"^.*\S[\\/](?=\S[^\\/]{7})", re.DOTALL)
_EXTENSION = re.compile(
    r"\.(?:mkv|mp4|m4v|avi|ts|m2ts|wmv|mov|mpe?g|webm|flv|iso|nzb|torrent|rar|zip|7z|par2|srt|ass|sub|nfo)$",
    re.IGNORECASE,
)
_SITE = re.compile(r"^[\[( ]*www\.[\w-]{1,40}(?:\.[a-z]{2,8}){1,2}[\]) ._-]{1,5}", re.IGNORECASE)
# What those who post a release again hang on its name.
_REPOST = re.compile(
    r"[-_. ](?:obfuscated|scrambled|postbot|xpost|rakuv\w{0,12}|whiterev|buymore|asrequested|gerov|repost|"
    r"alternativetorequested|chamele0n|4p|4planet|\[?(?:rartv|rarbg|ettv|tgx|eztv(?:[ .]\w{2,3})?)\]?)$"
    r"|\[(?:rartv|rarbg|ettv|tgx|eztv(?:[ .]\w{2,3})?|[0-9a-f]{8})\]$",
    re.IGNORECASE,
)
_LEADING_GROUP = re.compile(r"\s*[\[【]([^\[\]【】]{1,40})[\]】][ .-]*")
_GROUP_WORD = r"[\w@&!$]{1,24}"
_LAST_WORDS = re.compile(
    rf"[ .]?-?[ .]?(?:by[ .])?({_GROUP_WORD}(?:[-.]{_GROUP_WORD})?)(?: ?[\[(][^\[\]()]{{0,30}}[\])])?[\])]?",
    re.IGNORECASE,
)
_DASHED_GROUP = re.compile(rf"-({_GROUP_WORD})(?: ?[\[(][^\[\]()]{{0,30}}[\])])?$")
_BRACKETED_GROUP = re.compile(r"[\[(]([A-Za-z0-9][A-Za-z0-9 .@&-]{1,24})[\])]\s*$")
_BEHIND_TITLE = re.compile(r" ?\(([^()]*)\)?$")
_YEAR = re.compile(r"(?<![0-9A-Za-z])((?:19|20)\d\d)(?![0-9A-Za-z])")
_CHANNELS = re.compile(
    r"(?<=[A-Za-z+ .\[(-])([1-9])\.([0-4])(?:ch)?(?![0-9A-Za-z])|(?<=[A-Za-z+])([1-9]) ([0-4])(?![0-9A-Za-z])"
)
_CHANNEL_COUNT = re.compile(r"(?<![0-9])([268])[ .]?ch(?![a-z])", re.IGNORECASE)
_BY_COUNT = {"2": "2.0", "6": "5.1", "8": "7.1"}
_INITIALS = re.compile(r"(?<![A-Za-z0-9])(?:[A-Za-z]\.){2,}(?:[A-Za-z](?![A-Za-z0-9]))?")


class _Outline(msgspec.Struct, frozen=True, kw_only=True):
    """Where things are in a name: its title from `begin` to `title_end`, words about it from `tags` on."""

    text: str
    begin: int
    title_end: int
    tags: int
    leading_group: str | None
    numbers: Numbers | None
    year: Found | None
    resolution: Found | None
    source: Found | None


def parse(name: str) -> Release:
    """Never raises, and takes time in proportion to the name. Only its first 500 characters count."""
    outline = _outline(_cleaned(name))
    text, tags, numbers = outline.text, outline.tags, outline.numbers
    taken = [found for words in (SOURCE, AUDIO, RESOLUTION, CODEC) for found in words.find(text, tags)]
    several = ["MULTI-SEASON"] if numbers and numbers.several_seasons else []
    return Release(
        title=_title(text[outline.begin : outline.title_end]),
        year=int(outline.year.value) if outline.year else None,
        season=numbers.season if numbers else None,
        episodes=numbers.episodes if numbers else (),
        absolute=numbers.absolute if numbers else None,
        date=numbers.date if numbers else None,
        resolution=outline.resolution.value if outline.resolution else None,
        source=outline.source.value if outline.source else None,
        codec=next(iter(_values(CODEC, text, outline.begin)), None),
        bit_depth=next((int(depth) for depth in _values(BIT_DEPTH, text, outline.begin)), None),
        hdr=tuple(_values(HDR, text, tags)),
        audio=tuple(_values(AUDIO, text, outline.begin)),
        channels=_channels(text, tags),
        languages=tuple(_values(LANGUAGES, text, tags, taken)),
        edition=next(iter(_values(EDITION, text, tags)), None),
        group=_group(outline, taken),
        flags=(*_values(FLAGS, text, tags, taken), *several),
    )


def _outline(text: str) -> _Outline:
    leading = _LEADING_GROUP.match(text)
    begin = leading.end() if leading else 0
    numbers = find_numbers(text, begin, anime=leading is not None)
    resolution, source, *others = (
        next(words.find(text, begin), None) for words in (RESOLUTION, SOURCE, CODEC, AUDIO, BIT_DEPTH, HDR)
    )
    # `hard`: where the first word stands that no title has. `bound`: the same, or a year or an episode.
    hard = min(
        (word.start for word in (resolution, source, *others) if word and word.start > begin),
        default=len(text),
    )
    bound = min(hard, numbers.start) if numbers else hard
    year = _year(text, begin, bound, numbers)
    bound = min(bound, year.start) if year else bound
    source = source or _short_source(text, begin, bound)
    hard = min(hard, source.start) if source else hard
    bound = min(bound, hard)
    title_end = _peeled(text, begin, bound, title=True, only_sure=bound != hard)
    resolution = resolution or next(VAGUE_RESOLUTION.find(text, title_end), None)
    # Between an episode's number and the first hard word may stand its title, with any words in it.
    behind = numbers is not None and numbers.end < hard
    tags = _peeled(text, numbers.end, hard, title=False) if numbers and behind else title_end
    return _Outline(
        text=text,
        begin=begin,
        title_end=title_end,
        tags=tags,
        leading_group=leading[1].strip() if leading else None,
        numbers=numbers,
        year=year,
        resolution=resolution,
        source=source,
    )


def _cleaned(name: str) -> str:
    text = unicodedata.normalize("NFC", name[:MAX_NAME_CHARS])
    text = _FOLDERS.sub("", text)
    text = "".join(
        " " if character in "_\t\r\n" else character
        for character in text
        if character.isprintable() or character.isspace()
    )
    text = _EXTENSION.sub("", text.strip())
    text = _SITE.sub("", text)
    while (shorter := _REPOST.sub("", text).rstrip()) != text:
        text = shorter
    return text


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


def _short_source(text: str, begin: int, bound: int) -> Found | None:
    """A source in two or three letters: any after the title, before it only what can't be a word of it."""
    found = SHORT_SOURCE.find(text, begin + 1)
    return next(
        (
            short
            for short in found
            if short.start >= bound or bound == len(text) or text[short.start - 1] in "[("
        ),
        None,
    )


def _peeled(text: str, begin: int, end: int, *, title: bool, only_sure: bool = False) -> int:
    """Where the words that are no title begin, going back from `end`.

    Before a year or an episode the title may end in any word: then only phrases and upper case are sure.
    """
    kinds = (EDITION, FLAGS, LANGUAGES, VAGUE_RESOLUTION)
    words = [found for kind in kinds for found in kind.find(text, begin) if found.end <= end]
    mixed_case = any(character.islower() for character in text[begin:end])
    for found in sorted(words, key=lambda found: found.end, reverse=True):
        joined = not text[found.end : end].strip(" .-[](){}+,&")
        bare = title and not text[begin : found.start].strip(" .-[(")
        if not joined or bare or (only_sure and not _sure(text[found.start : found.end], mixed_case)):
            break
        end = found.start
    return end


def _sure(said: str, mixed_case: bool) -> bool:
    shouted = mixed_case and len(said) > 3 and said.isupper()
    return shouted or said in ("3D", "4K") or re.search(r"[ .-]", said) is not None


def _values(words: Words, text: str, start: int, taken: Iterable[Found] = ()) -> dict[str, None]:
    """Each once, in the order of the name, but not what is a piece of a longer word (the DL of WEB-DL)."""
    return dict.fromkeys(
        found.value
        for found in words.find(text, start)
        if not any(other.start <= found.start and found.end <= other.end for other in taken)
    )


def _channels(text: str, start: int) -> str | None:
    match = _CHANNELS.search(text, start)
    if match:
        return f"{match[1] or match[3]}.{match[2] or match[4]}"
    count = _CHANNEL_COUNT.search(text, start)
    return _BY_COUNT[count[1]] if count else None


def _group(outline: _Outline, taken: Sequence[Found]) -> str | None:
    """What follows the last known word or the last dash; else in brackets at the beginning, or at the end."""
    text, start = outline.text, outline.title_end
    if start < len(text):
        last_words = _LAST_WORDS.fullmatch(text, _last_word_end(outline, taken))
        if taken and last_words and last_words.start(1) > last_words.start():
            return last_words[1]
        dashed = _DASHED_GROUP.search(text, start)
        if dashed and _is_group(dashed, taken):
            return dashed[1]
    bracketed = None if outline.leading_group else _BRACKETED_GROUP.search(text, start)
    return bracketed[1] if bracketed and _is_group(bracketed, taken) else outline.leading_group


def _last_word_end(outline: _Outline, taken: Iterable[Found]) -> int:
    text, start = outline.text, outline.title_end
    kinds = (LANGUAGES, EDITION, FLAGS, HDR, BIT_DEPTH)
    soft = [found for words in kinds for found in words.find(text, start)]
    # A group may be called like a word we know: behind a dash, at the end, it is the group.
    ends = [found.end for found in soft if text[found.start - 1] != "-" or found.end < len(text)]
    ends += [match.end() for match in _CHANNELS.finditer(text, start)]
    ends += [found.end for found in taken]
    ends += [mark.end for mark in (outline.numbers, outline.year, outline.resolution, outline.source) if mark]
    return max(ends, default=start)


def _is_group(match: re.Match[str], taken: Iterable[Found]) -> bool:
    named = any(character.isalpha() for character in match[1])
    return named and not any(found.start < match.end(1) and match.start(1) < found.end for found in taken)


def _title(raw: str) -> str | None:
    title = raw.strip(" .-[(")
    if " " not in title:
        kept = _INITIALS.sub(lambda match: match[0].replace(".", "\0"), title)
        title = kept.replace(".", " ").replace("\0", ".")
    title = re.sub(r"\s+", " ", re.sub(r"[\[\]{}]", " ", title)).strip(" -–,+")
    # Behind a title stands its translation, or in two or three letters the country.
    alone = _BEHIND_TITLE.sub(lambda match: f" {match[1]}" if len(match[1]) <= 3 else "", title).strip()
    title = alone or title
    return (title if "(" in title else title.removesuffix(")").rstrip()) or None
