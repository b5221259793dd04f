"""When an episode of a daily show was aired, by its release's name."""

import datetime
import re

import msgspec

_B, _E = r"(?<![A-Za-z0-9])", r"(?![A-Za-z0-9])"
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_MONTH = r"(jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]{0,7}"
_YEAR = r"((?:19|20)\d\d)"
# With points between them single digits are the sound (2019.5.1) or a size.
_YEAR_FIRST = re.compile(rf"{_B}{_YEAR}(?:([ ._/-]{{1,3}})(?=\d\d\2\d\d)|([-/]))(\d\d?)(?:\2|\3)(\d\d?){_E}")
_DAY_FIRST = re.compile(rf"{_B}(\d\d?)(?:([ ._/-]{{1,3}})(?=\d\d\2)|([-/]))(\d\d?)(?:\2|\3){_YEAR}{_E}")
_SHORT_YEAR = re.compile(rf"{_B}(\d\d)[.](\d\d)[.](\d\d){_E}")
_DAY_MONTH = re.compile(
    rf"{_B}(\d{{1,2}})(?:st|nd|rd|th)?[ ._-]{{1,2}}{_MONTH}[ ._,-]{{1,2}}{_YEAR}{_E}", re.I
)
_MONTH_DAY = re.compile(
    rf"{_B}{_MONTH}[ ._-]{{1,2}}(\d{{1,2}})(?:st|nd|rd|th)?[ ._,-]{{1,2}}{_YEAR}{_E}", re.I
)
_YEAR_MONTH = re.compile(rf"{_B}{_YEAR}[ ._-]{_MONTH}[ ._-](\d{{1,2}}){_E}", re.I)
_SOLID = re.compile(rf"{_B}((?:19|20)?\d\d)([01]\d)([0-3]\d)(?=$|[ ._-])")


class Dated(msgspec.Struct, frozen=True):
    """A day at its place in a name."""

    start: int
    end: int
    day: datetime.date


def dated(text: str, start: int) -> Dated | None:
    """2026.03.01, 01.03.2026, 03.21.2026 as only Americans can mean it, 1 March 2026."""
    if match := _YEAR_FIRST.search(text, start):
        return _day(match, match[1], match[4], match[5])
    if match := _DAY_FIRST.search(text, start):
        return _day(match, match[5], match[4], match[1])
    if match := _DAY_MONTH.search(text, start):
        return _day(match, match[3], _month(match[2]), match[1])
    if match := _MONTH_DAY.search(text, start):
        return _day(match, match[3], _month(match[1]), match[2])
    if match := _YEAR_MONTH.search(text, start):
        return _day(match, match[1], _month(match[2]), match[3])
    return None


def solid_date(text: str, start: int) -> Dated | None:
    """20260301, 260301, 26.03.01: what may be other numbers, and is a day only where no plainer number is."""
    for match in (*_SHORT_YEAR.finditer(text, start), *_SOLID.finditer(text, start)):
        year = match[1] if len(match[1]) == 4 else f"20{match[1]}"
        if match.start() > start and (day := _day(match, year, match[2], match[3])):
            return day
    return None


def _month(name: str) -> str:
    return str(_MONTHS.index(name.lower()) + 1)


def _day(match: re.Match[str], year: str, month: str, day: str) -> Dated | None:
    if int(month) > 12:
        month, day = day, month
    try:
        return Dated(match.start(), match.end(), datetime.date(int(year), int(month), int(day)))
    except ValueError:
        return None
