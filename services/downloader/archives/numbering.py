"""Where a volume or piece is in its set, as its name claims."""

import re
from typing import NamedTuple

_NEW = re.compile(r"(.+)\.part(\d{1,5})\.rar", re.IGNORECASE | re.DOTALL)
_OLD = re.compile(r"(.+)\.([r-z])(\d\d)", re.IGNORECASE | re.DOTALL)
_FIRST_OLD = re.compile(r"(.+)\.rar", re.IGNORECASE | re.DOTALL)
_NUMERIC = re.compile(r"(.+)\.(\d{3,4})", re.DOTALL)


NUMERIC = "numeric"


class Place(NamedTuple):
    """`ordinal` counts from 0, or from 1 in a numeric set that begins with .001."""

    scheme: str
    stem: str
    ordinal: int


def rar_place(name: str) -> Place | None:
    """Of .part1.rar, .part2.rar …; of .rar, .r00 … .r99, .s00 …; and of .001, .002 …"""
    if match := _NEW.fullmatch(name):
        return Place("part", match[1].casefold(), int(match[2]) - 1)
    if match := _OLD.fullmatch(name):
        hundreds = ord(match[2].lower()) - ord("r")
        return Place("old", match[1].casefold(), 100 * hundreds + int(match[3]) + 1)
    if match := _FIRST_OLD.fullmatch(name):
        return Place("old", match[1].casefold(), 0)
    return numeric_place(name)


def numeric_place(name: str) -> Place | None:
    """Of name.001, name.002 …: pieces of a file that was cut by size."""
    match = _NUMERIC.fullmatch(name)
    return Place(NUMERIC, match[1].casefold(), int(match[2])) if match else None
