"""Whether a release is of the film that was asked for: indexers ignore what they are asked. Pure."""

import re
import unicodedata
from functools import lru_cache
from typing import Literal

from libs.common import releases
from libs.common.events import TitleRef, Wire
from services.indexer.caps import Form, imdb_number
from services.indexer.feed import Item

Certainty = Literal["sure", "unsure", "other"]
"""Of the film; perhaps (a person may say so, nothing is taken by itself); of another one."""

YEARS_APART_MAX = 1
"""A film's year is that of its first showing, or of the one at home."""

_WORD = re.compile(r"\w+")
_SEVERAL_TITLES = re.compile(r"\s(?:aka|a k a|/|\|)\s", re.IGNORECASE)


class Identity(Wire, frozen=True, kw_only=True):
    certainty: Certainty
    reason: str
    """For people."""


def identify(title: TitleRef, item: Item, parsed: releases.Release, form: Form) -> Identity:
    """What the indexer's own ids say first, then the name. `form` is how the indexer was asked.

    Of a film without an IMDb id only a name with its title and its very year is sure, and only if the indexer
    hasn't it under some id: films share titles.
    """
    named = _names(parsed, title)
    told_other = _other_id(title, item)
    if told_other is None:
        return _made("sure", "the indexer has it under the same id")
    if told_other:
        doubt = f"the indexer has it under another film's id ({told_other})"
        return _made("unsure" if named is None else "other", doubt)
    if named is None and item.imdb_id and not imdb_number(title):
        return _made("unsure", f"the indexer has it under an id ({item.imdb_id}), and the film has none")
    if named is None and not imdb_number(title) and (not title.year or parsed.year != title.year):
        told = f"the year {parsed.year}" if parsed.year else "no year"
        return _made("unsure", f"its name has the title, but {told}, and the film has no IMDb id")
    if named is None:
        return _made("sure", "its name has the title" + (" and the year" if parsed.year else ""))
    # Asked by id it may be the film under a title of another language; asked by words it is what it says.
    return _made("unsure" if form == "id" else "other", named)


def _made(certainty: Certainty, reason: str) -> Identity:
    return Identity(certainty=certainty, reason=reason)


def _other_id(title: TitleRef, item: Item) -> str | None:
    """None: the ids are the same; empty: there are none to compare; else the id it has instead."""
    if item.imdb_id and title.imdb_id:
        same = item.imdb_id.removeprefix("tt").lstrip("0") == title.imdb_id.removeprefix("tt").lstrip("0")
        return None if same else item.imdb_id
    if item.tmdb_id and title.key.startswith("tmdb:movie:"):
        return None if item.tmdb_id == title.movie_id else f"tmdb {item.tmdb_id}"
    return ""


def _names(parsed: releases.Release, title: TitleRef) -> str | None:
    """Why its name isn't the film's; None if it is."""
    if parsed.season is not None or parsed.episodes:
        return "its name is that of an episode"
    if not same_title(parsed.title or "", title.name):
        return f"its name has another title ({(parsed.title or 'none')[:80]!r}, not {title.name[:80]!r})"
    if parsed.year and title.year and abs(parsed.year - title.year) > YEARS_APART_MAX:
        return f"its name has another year ({parsed.year}, not {title.year})"
    return None


def same_title(told: str, wanted: str) -> bool:
    """Whether they are the same words, whatever the signs, accents and the first article are."""
    goal = _folded(wanted)
    return any(_folded(part) == goal for part in (told, *_SEVERAL_TITLES.split(told)) if part) and bool(goal)


@lru_cache(maxsize=1024)
def _folded(text: str) -> str:
    plain = unicodedata.normalize("NFKD", text.casefold().replace("&", " and "))
    words = _WORD.findall("".join(c for c in plain if not unicodedata.combining(c) and c not in "'\u2019"))
    joined = "".join(words[1:] if len(words) > 1 and words[0] in ("the", "a", "an") else words)
    return joined.replace("_", "")
