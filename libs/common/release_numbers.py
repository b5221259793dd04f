"""Which part of a series a release is, by its name: season, episodes, date."""

import re
from collections.abc import Callable

import msgspec

from libs.common.release_dates import Dated, dated, solid_date

# A pack of more is a lie or an attack.
MAX_EPISODES = 200
MAX_SEASONS = 60
YEARS = range(1900, 2036)

_B, _E = r"(?<![A-Za-z0-9])", r"(?![A-Za-z0-9])"
_SEASON_WORD = (
    r"(?:seasons?|saisons?|stagion[ei]|temporadas?|temp?|staffeln?|seizoen|sezon[ay]?|сезоны?|se|"
    r"series(?=[ ._]\d(?!\d)))"
)
_EPISODE_WORD = r"(?:episodes?|episodio|épisode|epis|folgen?|afl(?:evering)?|серии|серия|eps?)"

_CODE = re.compile(rf"{_B}S(\d{{1,4}})[ ._-]{{0,3}}x?(?:EP?|x)[ ._-]?(\d{{1,5}})(?![0-9])", re.I)
_BRACKETED_CODE = re.compile(r"(?<![A-Za-z0-9])S(\d{1,2})[ ._]?\[(?:EP?)?(\d{1,4})(?:v\d)?\]", re.I)
_GLUED_CODE = re.compile(r"(?<=[a-z0-9])s(\d{2})e(\d{2,3})(?![0-9])", re.I)
_NEXT = re.compile(
    r"(?:[ ._]{0,2}([-~&+]|to|and)[ ._]{0,2}|[ ._]?)(?:S\d{1,4}[ ._-]?)?EP?(\d{1,5})(?!\d)"
    r"|[ ._]?([-~+])[ ._]?(\d{1,4})(?![A-Za-z0-9]|[ ._]?(?:bits?|fps|ch)\b|\.\d(?!\d))"
    r"|(?:,[ ]?)(?:E?)(\d{1,3})(?![A-Za-z0-9])",
    re.I,
)
_CROSS = re.compile(
    rf"(?:{_B}|(?<=\[))(\d{{1,2}}|(?!1920)(?:19\d|20[0-3])\d)x(\d{{1,3}})(?![0-9a-wyz])", re.I
)
_NEXT_CROSS = re.compile(
    r"(?:[ ._]{0,2}([-~&+])[ ._]{0,2}|[ ._]?)(?:\d{1,2}|(?!1920)(?:19\d|20[0-3])\d)?x(\d{1,3})(?![0-9a-wyz])"
    r"|([-~+ _])(\d{2,3})(?![A-Za-z0-9])",
    re.I,
)
_RANGE = r"(?:[ ._]{0,2}(?:-|–|~|&|to|and|à|a|и|en|y|et)[ ._]{0,2}(?:S(?:eason[ ._]?)?)?(\d{1,3}))?"
_WORDS = re.compile(
    rf"{_B}{_SEASON_WORD}[ ._-]{{0,3}}(\d{{1,4}}){_RANGE}{_E}"
    rf"(?:[ ._,/-]{{1,3}}[\[(]?(?:{_EPISODE_WORD}|e)[ ._-]{{0,3}}(\d{{1,4}})"
    rf"(?:[ ._]?(?:-|~|&|en|and|to)[ ._]?(\d{{1,4}}))?{_E})?",
    re.I,
)
_NTH = re.compile(
    rf"{_B}(\d{{1,2}})(?:st|nd|rd|th|ª|º|\.|-?й)?[ ._](?:season|stagione|temporada|staffel|сезон|sezon){_E}",
    re.I,
)
_CHINESE_NTH = re.compile(r"第?([一二三四五六七八九十]|\d{1,2})季")
_PACK = re.compile(
    rf"{_B}S(?:[ ._](?=\d\d(?!\d)))?(\d{{1,2}}|(?:19|20)\d\d)"
    r"(?:[ ._]?(?:[-&+~][ ._]?|(?:to|thru)[ ._]?|)S(\d{1,2})(?:[ ._]?-?[ ._]?S\d\d){0,20}|-(\d{1,2})"
    rf"|[ ._]?D(?:isc?)?[ ._]?\d{{1,2}}(?:[-&]\d){{0,4}})?(?:v\d)?{_E}",
    re.I,
)
_PACK_EPISODE = re.compile(
    rf"[ .]{{1,2}}-[ .]{{1,3}}(?:{_EPISODE_WORD}[ .]?)?(\d{{1,4}})(?:v\d)?"
    r"(?:[ .]?[-~][ .]?(\d{1,4}))?(?![A-Za-z0-9])"
    rf"|[ .]\((?:{_EPISODE_WORD}[ .]?)?(\d{{1,3}})\)"
    r"|[ .](\d{1,4})(?:v\d)?(?=$|[ .]?[\[(])|[ .]?\]?\[(\d{1,4})(?:v\d)?(?:[ .-]?(?:end|fin|完))?\]",
    re.I,
)
_EPISODE = re.compile(
    rf"(?:{_B}|(?<=\[))(?:{_EPISODE_WORD}[ ._-]{{0,2}}|E)(\d{{1,5}})(?:v\d)?(?=$|[^A-Za-z0-9]|E\d)", re.I
)
_EAST_ASIAN = re.compile(r"第[ ]?(\d{1,4})(?:[ ]?[-~][ ]?(\d{1,4}))?[ ]?[話话集回]|全(\d{1,4})[話话集回]")
_TURKISH = re.compile(rf"{_B}(\d{{1,4}})\.?[ ._](?:b[öo]l[üu]m|blm){_E}", re.I)
_TURKISH_SEASON = re.compile(rf"{_B}(\d{{1,2}})\.?[ ._]sezon[ ._](\d{{1,4}})\.?[ ._]b[öo]l[üu]m{_E}", re.I)
_VOST = re.compile(r"[ .](\d{1,4})(?:v\d)?(?=[ .]vost)", re.I)
_ENDS = r"(?:[ .-]?(?:end|fin|final|完|完结))?"
_IN_BRACKETS = re.compile(
    rf"\[(?:EP?|#)?[ .]?(\d{{1,4}})(?:v\d)?(?:[ .]?[-~][ .]?(\d{{1,4}}))?{_ENDS}\]", re.I
)
_UP_TO = rf"(?:v\d)?(?:[ .]?[-~][ .]?(\d{{1,4}}))?(?:v\d)?{_ENDS}"
_DASHED = re.compile(
    rf"(?:[ .]-[ .]{{1,2}}|[ ]-)(\d{{1,4}}){_UP_TO}"
    r"(?=$|[ .]?[\[(]|[ .](?:-|end|vost|oad|ova|ona|dvd|bd|web|multi|batch|\d{3,4}[px]))",
    re.I,
)
_GLUED_DASH = re.compile(rf"(?<=[A-Za-z!?])-(\d{{2,4}}){_UP_TO}(?=$|[ .]?[\[(])", re.I)
_PLAIN = re.compile(
    rf"(?:(?<!\d)[.]|[ \[#]){{1,2}}(\d{{2,4}}|\d(?=[ ]?[\[(])){_UP_TO}"
    r"(?=$|[ .]?[\[(\]]|[ .](?:end|vost|fhd|\d{3,4}[px]))",
    re.I,
)
_PADDED_RANGE = re.compile(r"[ .](0+\d{1,2}|1)[ ]?[-~][ ]?(\d{1,4})(?=$|[ .]?[\[(])")
_PARENTHESISED = re.compile(r"\((\d{1,4})[ ]?[-~][ ]?(\d{1,4})\)(?=$|[ .]?[\[(])")
_LOOSE = re.compile(r"(?<=[A-Za-z!?])[ .](\d{2,3})(?=[ .][A-Za-z])")
_LINES = {360, 480, 540, 576, 720, 1080, 1440, 2160}
_CAPITULO = re.compile(rf"{_B}cap(?:itulo)?[ ._]?(\d{{1,2}})(\d\d)(?:[_ -]\d{{0,2}}(\d\d))?{_E}", re.I)
_OF = re.compile(rf"{_B}\(?(\d{{1,2}})[ ._]?(?:of|von|de|из)[ ._]?(\d{{1,3}})\)?{_E}", re.I)
_PART = re.compile(
    rf"{_B}(?:part|pt|parte|teil)[ ._]?(\d{{1,2}}|one|two|three|four|five|six|seven|eight|nine|ten){_E}", re.I
)
_COUNTED = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
_BARE = re.compile(
    rf"{_B}([1-9]|1[0-8]|2[1-9])(?!00)(\d\d)(?:[ ._-](?:\1)(\d\d))?"
    r"(?=[ ._-](?:720p|1080[pi]|480p|hdtv|[pd]sr|p?dtv|sdtv|internal))",
    re.I,
)
_CHINESE_DIGITS = "一二三四五六七八九十"


_BARE_EPISODE = re.compile(r"(?<=[A-Za-z])[ ._]0?(\d{1,2})(?:v\d)?(?=[ ._](?:hdtv|p?dtv|sdtv|[pd]sr))", re.I)


class Numbers(msgspec.Struct, frozen=True, kw_only=True):
    """What the name says, and where: from `start` to `end`."""

    start: int
    end: int
    season: int | None = None
    seasons: tuple[int, ...] = ()
    """Of a pack of several."""
    episodes: tuple[int, ...] = ()
    absolute: int | None = None
    date: Dated | None = None


Way = Callable[[str, int], Numbers | None]


def find_numbers(text: str, start: int, *, anime: bool) -> Numbers | None:
    """The first way of numbering that fits, the plainest ways first; `anime` names count from one on."""
    return next(
        (found for way in (_ANIME if anime else _WAYS) if (found := way(text, start)) is not None), None
    )


def find_bare(text: str, start: int) -> Numbers | None:
    """103 or Part 2, which only a series on television means by its episode."""
    if match := _BARE.search(text, start):
        last = match[3] or match[2]
        episodes = tuple(sorted({int(match[2]), int(last)}))
        return Numbers(start=match.start(), end=match.end(), season=int(match[1]), episodes=episodes)
    match = _PART.search(text, start) or _BARE_EPISODE.search(text, start)
    if match is None or match.start() == start:
        return None
    said = match[1].lower()
    number = int(said) if said.isdecimal() else _COUNTED.index(said) + 1
    return Numbers(start=match.start(), end=match.end(), episodes=(number,))


def _code(text: str, start: int) -> Numbers | None:
    """S01E02, S01E02E03, S01E02-04, S01E02-S01E04."""
    return _series(text, _CODE.search(text, start), _NEXT)


def _turkish_season(text: str, start: int) -> Numbers | None:
    """2. Sezon 7. Bölüm."""
    return _series(text, _TURKISH_SEASON.search(text, start), _NEXT)


def _bracketed_code(text: str, start: int) -> Numbers | None:
    """S02[07]."""
    return _series(text, _BRACKETED_CODE.search(text, start), _NEXT)


def _glued_code(text: str, start: int) -> Numbers | None:
    """Showss01e02."""
    return _series(text, _GLUED_CODE.search(text, start), _NEXT)


def _cross(text: str, start: int) -> Numbers | None:
    """1x02, 1x02x03, 1x02-04, 2009x09."""
    return _series(text, _CROSS.search(text, start), _NEXT_CROSS)


def _series(text: str, first: re.Match[str] | None, following: re.Pattern[str]) -> Numbers | None:
    if first is None:
        return None
    episodes, end = _more(text, [int(first[2])], first.end(), following)
    return Numbers(start=first.start(), end=end, season=int(first[1]), episodes=episodes)


def _more(
    text: str, episodes: list[int], end: int, following: re.Pattern[str]
) -> tuple[tuple[int, ...], int]:
    while (match := following.match(text, end)) and len(episodes) < MAX_EPISODES:
        *joint, said = filter(None, match.groups())
        number = int(said)
        last = episodes[-1]
        if not last < number <= last + MAX_EPISODES - len(episodes):
            break
        episodes += (
            range(last + 1, number + 1) if joint and joint[0].lower() in ("-", "~", "to") else [number]
        )
        end = match.end()
    return tuple(episodes), end


def _worded(text: str, start: int) -> Numbers | None:
    """Season 1, Season 1 Episode 2, Saison 1-3, 2nd Season - 05."""
    if nth := _NTH.search(text, start):
        return _season(text, nth, None)
    match = _WORDS.search(text, start)
    if match is None:
        return None
    if match[3] is None:
        return _season(text, match, match[2])
    episodes = _span_of(int(match[3]), int(match[4] or match[3]))
    return Numbers(start=match.start(), end=match.end(), season=int(match[1]), episodes=episodes)


def _pack(text: str, start: int) -> Numbers | None:
    """S01, S01-S03, S2 - 05."""
    match = _PACK.search(text, start)
    return match and _season(text, match, match[2] or match[3])


def _season(text: str, match: re.Match[str], up_to: str | None) -> Numbers:
    """A season, and the episode that anime names have behind it."""
    first, last = int(match[1]), int(up_to or 0)
    if first < last < first + MAX_SEASONS:
        seasons = tuple(range(first, last + 1))
        return Numbers(start=match.start(), end=match.end(), season=first, seasons=seasons)
    episode = _PACK_EPISODE.match(text, match.end())
    number = int(episode[1] or episode[3] or episode[4] or episode[5]) if episode else None
    if episode is None or number is None or number in (*_LINES, *range(1950, 2036)):
        return Numbers(start=match.start(), end=match.end(), season=first)
    episodes = _span_of(number, int(episode[2] or number))
    return Numbers(start=match.start(), end=episode.end(), season=first, episodes=episodes)


def _span_of(first: int, last: int) -> tuple[int, ...]:
    return tuple(range(first, last + 1)) if first < last < first + MAX_EPISODES else (first,)


def _capitulo(text: str, start: int) -> Numbers | None:
    """[Cap.102], Spanish for season 1, episode 2."""
    match = _CAPITULO.search(text, start)
    if match is None:
        return None
    first, last = int(match[2]), int(match[3] or match[2])
    # The season may be said in words before it; what is between them is not the title.
    season = _WORDS.search(text, start)
    begin = season.start() if season and season.start() < match.start() else match.start()
    return Numbers(start=begin, end=match.end(), season=int(match[1]), episodes=_span_of(first, last))


def _episode(text: str, start: int) -> Numbers | None:
    """E02, Episode 2, with no season."""
    match = _EPISODE.search(text, start)
    if match is None or match.start() == start:
        return None
    episodes, end = _more(text, [int(match[1])], match.end(), _NEXT)
    return Numbers(start=match.start(), end=end, episodes=episodes)


def _of(text: str, start: int) -> Numbers | None:
    """2of6."""
    match = _OF.search(text, start)
    if match is None or not 0 < int(match[1]) <= int(match[2]):
        return None
    return Numbers(start=match.start(), end=match.end(), episodes=(int(match[1]),))


def _east_asian(text: str, start: int) -> Numbers | None:
    """第12話, 第01-15集, but not 全24集, which is all of them."""
    match = _EAST_ASIAN.search(text, start)
    if match is None or match[1] is None:
        return None
    season = _CHINESE_NTH.search(text, start)
    if season is None:
        return _absolute(match)
    said = season[1]
    return Numbers(
        start=min(season.start(), match.start()),
        end=match.end(),
        season=_CHINESE_DIGITS.index(said) + 1 if said in _CHINESE_DIGITS else int(said),
        episodes=_span_of(int(match[1]), int(match[2] or match[1])),
    )


def _matching(pattern: re.Pattern[str]) -> Way:
    """The first absolute number, or range of such, that the pattern finds; no year and no lines."""

    def way(text: str, start: int) -> Numbers | None:
        found = (_absolute(match) for match in pattern.finditer(text, start) if match.start() > start)
        return next((numbers for numbers in found if numbers), None)

    return way


def _absolute(match: re.Match[str]) -> Numbers | None:
    first, last = int(match[1]), int((match[2] if match.re.groups > 1 else 0) or 0)
    if first < last < first + MAX_EPISODES:
        return Numbers(start=match.start(), end=match.end(), episodes=tuple(range(first, last + 1)))
    if first in YEARS or first in _LINES:
        return None
    return Numbers(start=match.start(), end=match.end(), absolute=first)


def _dated(text: str, start: int) -> Numbers | None:
    return _aired(dated(text, start))


def _solid_date(text: str, start: int) -> Numbers | None:
    return _aired(solid_date(text, start))


def _aired(found: Dated | None) -> Numbers | None:
    return found and Numbers(start=found.start, end=found.end, date=found)


_dashed, _plain = _matching(_DASHED), _matching(_PLAIN)
_range, _in_brackets = _matching(_PADDED_RANGE), _matching(_IN_BRACKETS)
_COMMON: tuple[Way, ...] = (
    _code,
    _bracketed_code,
    _capitulo,
    _cross,
    _turkish_season,
    _matching(_TURKISH),
    _dated,
    _worded,
    _pack,
    _east_asian,
)
_WAYS: tuple[Way, ...] = (
    *_COMMON,
    _episode,
    _solid_date,
    _of,
    _range,
    _dashed,
    _matching(_VOST),
    _in_brackets,
    _glued_code,
)
_ANIME: tuple[Way, ...] = (
    *_COMMON,
    _episode,
    _range,
    _dashed,
    _in_brackets,
    _matching(_GLUED_DASH),
    _plain,
    _matching(_PARENTHESISED),
    _matching(_LOOSE),
    _glued_code,
)
