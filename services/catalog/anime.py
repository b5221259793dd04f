"""What MyAnimeList (by Jikan) tells of anime becomes episodes with a place in their series. Pure.

MyAnimeList has an entry for each part of a series: a season, half of one (a split cour), a film, an OVA. An
entry's place is counted from its prequels: those that were broadcast, in the order of their first days.
"""

import re
from collections.abc import Iterator, Sequence

import msgspec
from msgspec.structs import replace

from libs.common.events import Wire
from libs.common.series import Counting, Episode, ExternalIds, SeriesEpisodes
from services.catalog.episodes import EPISODES_MAX, NUMBER_MAX, day_of, name_of, runtime_s_of

PREQUELS_MAX = 20

_BROADCAST = ("TV", "ONA")
"""Everything else (OVA, film, special …) stands with the specials."""
_NUMERALS = {"ii": 2, "iii": 3, "iv": 4, "v": 5}
_PART = re.compile(
    r"\W*\b(?:(?:part|cour)\s*(?P<after>\d{1,2}|ii|iii|iv|v)|(?P<before>\d{1,2})(?:nd|rd|th)\s+(?:part|cour))\W*$",
    re.ASCII | re.IGNORECASE,
)
_SEASON = re.compile(
    r"\bseason\s*(\d{1,2})\b|\b(\d{1,2})(?:st|nd|rd|th)\s+season\b", re.ASCII | re.IGNORECASE
)
_DURATION = re.compile(r"(?:(\d{1,2})\s*hr)?\s*(?:(\d{1,3})\s*min)?", re.ASCII)


# Jikan's own shapes, as far as they are used; every field may be null or missing. Source: Jikan API 4,
# "anime/{id}/full", "anime/{id}/episodes".


class JikanAired(msgspec.Struct, frozen=True, kw_only=True):
    since: str | None = msgspec.field(default=None, name="from")


class JikanEntry(msgspec.Struct, frozen=True, kw_only=True):
    mal_id: int | None = None
    type: str | None = None


class JikanRelation(msgspec.Struct, frozen=True, kw_only=True):
    relation: str | None = None
    entry: tuple[JikanEntry, ...] | None = None


class JikanAnime(msgspec.Struct, frozen=True, kw_only=True):
    mal_id: int
    title: str | None = None
    title_english: str | None = None
    type: str | None = None
    episodes: int | None = None
    status: str | None = None
    duration: str | None = None
    aired: JikanAired | None = None
    relations: tuple[JikanRelation, ...] | None = None


class JikanEpisode(msgspec.Struct, frozen=True, kw_only=True):
    """`mal_id`: the episode's number in its entry."""

    mal_id: int | None = None
    title: str | None = None
    aired: str | None = None


# The transformation ---------------------------------------------------------------------------------------


class Part(Wire, frozen=True, kw_only=True):
    """One of MyAnimeList's entries. `episodes`: how many it has, or will have, if that is known."""

    mal_id: int
    title: str
    original_title: str
    kind: str
    episodes: int | None = None
    runtime_s: int | None = None
    began: str | None = None
    is_over: bool = False
    prequels: tuple[int, ...] = ()

    @property
    def is_broadcast(self) -> bool:
        return self.kind in _BROADCAST


def part_of(answer: JikanAnime) -> Part:
    original = name_of(answer.title, "Untitled")
    duration = _DURATION.match(answer.duration or "")
    hours, minutes = duration.groups() if duration else (None, None)
    return Part(
        mal_id=answer.mal_id,
        title=name_of(answer.title_english, original),
        original_title=original,
        kind=name_of(answer.type, "Unknown"),
        episodes=answer.episodes if answer.episodes and 0 < answer.episodes <= NUMBER_MAX else None,
        runtime_s=runtime_s_of(int(hours or 0) * 60 + int(minutes or 0)),
        began=day_of((answer.aired or JikanAired()).since),
        is_over=answer.status == "Finished Airing",
        prequels=tuple(_prequels(answer))[:PREQUELS_MAX],
    )


def _prequels(answer: JikanAnime) -> Iterator[int]:
    for relation in answer.relations or ():
        if relation.relation == "Prequel":
            yield from (e.mal_id for e in relation.entry or () if e.mal_id and e.type == "anime")


def episodes_of(
    part: Part, before: Sequence[Part], listed: Sequence[JikanEpisode], *, is_whole: bool
) -> SeriesEpisodes:
    """The part's episodes. `before`: its prequels; `is_whole`: whether these are all of them."""
    by_number = {e.mal_id: e for e in reversed(listed) if e.mal_id and 0 < e.mal_id <= NUMBER_MAX}
    part = replace(part, episodes=max([part.episodes or 0, *by_number]) or None)
    mapping = places(part, before, is_whole=is_whole)
    own = mapping[-1] if part.episodes else None
    return SeriesEpisodes(
        series_id=f"mal:anime:{part.mal_id}",
        title=part.title,
        kind="anime",
        external=ExternalIds(mal_id=part.mal_id),
        mapping=mapping,
        episodes=tuple(_placed(part, own, by_number)) if own else (),
        is_complete=(part.episodes or 0) <= EPISODES_MAX,
    )


def _placed(part: Part, own: Counting, by_number: dict[int, JikanEpisode]) -> Iterator[Episode]:
    for index in range(min(part.episodes or 0, EPISODES_MAX)):
        told = by_number.get(index + 1, JikanEpisode())
        number = own.episode_from + index
        yield Episode(
            episode_key=f"mal:anime:{part.mal_id}:{own.season}:{number}",
            season=own.season,
            episode=number,
            absolute_ep=own.absolute_from + index if own.absolute_from else None,
            name=name_of(told.title, f"Episode {number}"),
            runtime_s=part.runtime_s,
            air_date=day_of(told.aired),
            is_special=own.season == 0,
            is_aired=part.is_over,
        )


def places(part: Part, before: Sequence[Part], *, is_whole: bool) -> tuple[Counting, ...]:
    """Where each part's episodes stand in the series, the asked one's last; specials are left out before it.

    A part whose number of episodes isn't known has no place, and behind it nothing is counted.
    """
    if not part.is_broadcast:
        return (_special(part),) if part.episodes else ()
    broadcast = sorted((p for p in before if p.is_broadcast), key=lambda p: (p.began or "9999", p.mal_id))
    found: list[Counting] = []
    counter = _Counter(is_whole=is_whole)
    for one in (*broadcast, part):
        place = counter.place(one)
        if place:
            found.append(place)
    return tuple(found)


def _special(part: Part) -> Counting:
    return Counting(
        season=0,
        episode_from=1,
        episode_to=part.episodes or 1,
        absolute_from=None,
        absolute_to=None,
        why=f"“{part.title}” ({part.kind}) stands with the specials, which aren't counted.",
    )


class _Counter:
    """Counts through parts, one after the other. No count before: from here on it isn't known."""

    def __init__(self, *, is_whole: bool) -> None:
        self._season = 0
        self._in_season = 0
        self._before: int | None = 0 if is_whole else None
        self._last: Part | None = None

    def place(self, part: Part) -> Counting | None:
        reason = self._enter(part)
        count, first, before = part.episodes, self._in_season, self._before
        self._last = part
        self._in_season += count or 0
        self._before = None if count is None or before is None else before + count
        if count is None:
            return None
        return Counting(
            season=self._season,
            episode_from=first + 1,
            episode_to=first + count,
            absolute_from=None if before is None else before + 1,
            absolute_to=None if before is None else before + count,
            why=f"“{part.title}” {reason}; {_told(before)}.",
        )

    def _enter(self, part: Part) -> str:
        """Goes on to the part's season; says why it is that one."""
        last, named = self._last, _season_in(part)
        if last and goes_on(part, last):
            return f"goes on with season {self._season}, for its title says that it is a part of it"
        self._in_season = 0
        if named and named > self._season:
            if named > self._season + 1:
                self._before = None
            self._season = named
            return f"is season {named}, as its title says"
        self._season += 1
        if last is None:
            return f"is season {self._season}, for no other is known before it"
        return f"is season {self._season}, for it follows “{last.title}”"


def _told(before: int | None) -> str:
    if before is None:
        return "how many episodes came before isn't known"
    if before == 0:
        return "counting begins with it"
    return f"{before} episode{'s' if before > 1 else ''} came before, specials not counted"


def goes_on(part: Part, last: Part) -> bool:
    """Whether a part is a further one of the season that the last one belongs to (a split cour).

    Its title must say so, and be the last one's but for that.
    """
    titles = ((part.title, last.title), (part.original_title, last.original_title))
    return any(_part_in(own) > 1 and _without_part(own) == _without_part(other) for own, other in titles)


def _part_in(title: str) -> int:
    found = _PART.search(title)
    text = (found["after"] or found["before"]).lower() if found else "0"
    return _NUMERALS.get(text) or int(text)


def _without_part(title: str) -> str:
    return "".join(letter for letter in _PART.sub("", title).casefold() if letter.isalnum())


def _season_in(part: Part) -> int | None:
    for title in (part.title, part.original_title):
        if found := _SEASON.search(title):
            return int(found[1] or found[2])
    return None
