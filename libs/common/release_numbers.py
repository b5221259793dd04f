"""Which part of a series a release is, by its name: season, episodes, date."""

import datetime
import re
from collections.abc import Callable

import msgspec

# A pack of more is a lie or an attack.
MAX_EPISODES = 200
YEARS = range(1900, 2036)

_B, _E = r"(?<![A-Za-z0-9])", r"(?![A-Za-z0-9])"
_SEASON_WORD = r"(?:season|saison|stagione|temporada|temp?|staffel|seizoen|sezon|series(?=[ ._]\d(?!\d)))"
_EPISODE_WORD = r"(?:episodes?|episodio|epis|folge|eps?)"

_CODE = re.compile(rf"{_B}S(\d{{1,4}})[ ._-]{{0,3}}(?:EP?|x)[ ._]?(\d{{1,5}})(?!\d)", re.I)
_NEXT = re.compile(
    r"(?:[ ._]?([-~&+])[ ._]?|[ ._]?)(?:S\d{1,4}[ ._-]?)?EP?(\d{1,5})(?!\d)"
    r"|([-~+])(\d{1,3})(?![A-Za-z0-9])",
    re.I,
)
_CROSS = re.compile(rf"{_B}(\d{{1,2}})x(\d{{1,3}})(?![0-9a-wyz])", re.I)
_NEXT_CROSS = re.compile(
    r"[ ._]?([-~&+])?[ ._]?\d{0,2}x(\d{1,3})(?![0-9a-wyz])|([-~+])(\d{2,3})(?![A-Za-z0-9])", re.I
)
_WORDS = re.compile(
    rf"{_B}{_SEASON_WORD}s?[ ._-]{{0,2}}(\d{{1,3}})(?:[ ._]{{0,2}}(?:-|&|to|and)[ ._]{{0,2}}(\d{{1,3}}))?{_E}"
    rf"(?:[ ._,-]{{1,3}}(?:{_EPISODE_WORD}|e)[ ._-]{{0,2}}(\d{{1,4}}){_E})?",
    re.I,
)
_NTH = re.compile(
    rf"{_B}(\d{{1,2}})(?:st|nd|rd|th|ª|º|\.)?[ ._](?:season|stagione|temporada|staffel){_E}", re.I
)
_PACK = re.compile(
    rf"{_B}S(\d{{1,2}}|(?:19|20)\d\d)"
    r"(?:(?:[ ._]?[-&+~][ ._]?|[ ._]?)S(\d{1,2})(?:[ ._]?-?[ ._]?S\d\d){0,20}|-(\d{1,2})"
    rf"|D\d{{1,2}}(?:[-&]\d){{0,4}})?{_E}",
    re.I,
)
_PACK_EPISODE = re.compile(r"[ .]-[ .](\d{1,4})(?:v\d)?(?![A-Za-z0-9])")
_EPISODE = re.compile(rf"{_B}(?:{_EPISODE_WORD}[ ._-]{{0,2}}|E)(\d{{1,4}})(?:v\d)?(?!\d)", re.I)
_UP_TO = r"(?:v\d)?(?:[ .]?[-~][ .]?(\d{1,4}))?"
_DASHED = re.compile(
    rf"[ .]-[ .]{{1,2}}(\d{{1,4}}){_UP_TO}(?=$|[ .]?[\[(]|[ .](?:-|end|vost|\d{{3,4}}[px]))", re.I
)
_PLAIN = re.compile(rf"[ .\[#]{{1,2}}(\d{{2,4}}){_UP_TO}(?=$|[ .]?[\[(\]]|[ .](?:end|vost))", re.I)
_LINES = {480, 576, 720, 1080, 2160}
_CAPITULO = re.compile(rf"{_B}cap(?:itulo)?[ ._]?(\d{{1,2}})(\d\d)(?:[_-]\d{{0,2}}(\d\d))?{_E}", re.I)
_YEAR_FIRST = re.compile(rf"{_B}((?:19|20)\d\d)[ ._-](\d\d)[ ._-](\d\d){_E}")
_DAY_FIRST = re.compile(rf"{_B}(\d\d)[ ._-](\d\d)[ ._-]((?:19|20)\d\d){_E}")


class Numbers(msgspec.Struct, frozen=True, kw_only=True):
    """What the name says, and where: from `start` to `end`."""

    start: int
    end: int
    season: int | None = None
    episodes: tuple[int, ...] = ()
    absolute: int | None = None
    date: datetime.date | None = None
    several_seasons: bool = False


def find_numbers(text: str, start: int, *, anime: bool) -> Numbers | None:
    """The first way of numbering that fits, the plainest ways first; `anime` names count from one on."""
    ways: list[Callable[[str, int], Numbers | None]] = [_code, _cross, _dated, _worded, _pack, _capitulo]
    ways += [_dashed, _plain, _episode] if anime else [_episode, _dashed]
    return next((found for way in ways if (found := way(text, start)) is not None), None)


def _code(text: str, start: int) -> Numbers | None:
    """S01E02, S01E02E03, S01E02-04, S01E02-S01E04."""
    return _series(text, _CODE.search(text, start), _NEXT)


def _cross(text: str, start: int) -> Numbers | None:
    """1x02, 1x02x03, 1x02-04."""
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
        joint, number = match[1] or match[3], int(match[2] or match[4])
        last = episodes[-1]
        if not last < number <= last + MAX_EPISODES - len(episodes):
            break
        episodes += range(last + 1, number + 1) if joint in ("-", "~") else [number]
        end = match.end()
    return tuple(episodes), end


def _worded(text: str, start: int) -> Numbers | None:
    """Season 1, Season 1 Episode 2, Saison 1-3, 2nd Season - 05."""
    match = _WORDS.search(text, start)
    if match is None:
        nth = _NTH.search(text, start)
        return nth and _season(text, nth, several=False)
    if match[3] is None:
        return _season(text, match, several=match[2] is not None)
    return Numbers(start=match.start(), end=match.end(), season=int(match[1]), episodes=(int(match[3]),))


def _pack(text: str, start: int) -> Numbers | None:
    """S01, S01-S03, S2 - 05."""
    match = _PACK.search(text, start)
    return match and _season(text, match, several=int(match[2] or match[3] or 0) > int(match[1]))


def _season(text: str, match: re.Match[str], *, several: bool) -> Numbers:
    """A season, and the episode that anime names have behind it."""
    episode = None if several else _PACK_EPISODE.match(text, match.end())
    return Numbers(
        start=match.start(),
        end=episode.end() if episode else match.end(),
        season=int(match[1]),
        episodes=(int(episode[1]),) if episode else (),
        several_seasons=several,
    )


def _capitulo(text: str, start: int) -> Numbers | None:
    """[Cap.102], Spanish for season 1, episode 2."""
    match = _CAPITULO.search(text, start)
    if match is None:
        return None
    first, last = int(match[2]), int(match[3] or match[2])
    episodes = tuple(range(first, max(first, last) + 1))
    return Numbers(start=match.start(), end=match.end(), season=int(match[1]), episodes=episodes)


def _episode(text: str, start: int) -> Numbers | None:
    """E02, Episode 2, with no season."""
    match = _EPISODE.search(text, start)
    if match is None or match.start() == start:
        return None
    episodes, end = _more(text, [int(match[1])], match.end(), _NEXT)
    return Numbers(start=match.start(), end=end, episodes=episodes)


def _dashed(text: str, start: int) -> Numbers | None:
    """Name - 12, Name - 01 ~ 12."""
    return _absolute(_DASHED.search(text, start))


def _plain(text: str, start: int) -> Numbers | None:
    """Name 12 [."""
    return _absolute(_PLAIN.search(text, start))


def _absolute(match: re.Match[str] | None) -> Numbers | None:
    if match is None or (int(match[1]) in (*YEARS, *_LINES) and not match[2]):
        return None
    first, last = int(match[1]), int(match[2] or 0)
    if first < last < first + MAX_EPISODES:
        return Numbers(start=match.start(), end=match.end(), episodes=tuple(range(first, last + 1)))
    return Numbers(start=match.start(), end=match.end(1), absolute=first)


def _dated(text: str, start: int) -> Numbers | None:
    """2026.03.01, 01.03.2026, and 03.21.2026 as only Americans can mean it."""
    if match := _YEAR_FIRST.search(text, start):
        year, month, day = int(match[1]), int(match[2]), int(match[3])
    elif match := _DAY_FIRST.search(text, start):
        year, month, day = int(match[3]), int(match[2]), int(match[1])
    else:
        return None
    if month > 12:
        month, day = day, month
    try:
        aired = datetime.date(year, month, day)
    except ValueError:
        return None
    return Numbers(start=match.start(), end=match.end(), date=aired)
