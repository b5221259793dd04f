"""Cues: what is read and when, tidied so that a page can show any number of them without harm."""

import heapq
from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

CUES_MAX: Final = 20_000
"""Of a document: a film of three hours has some 3,000."""
TIME_MAX_MS: Final = 100 * 3600 * 1000
SHOWN_MAX_MS: Final = 120_000
"""A longer cue is a mistyped end."""
AT_ONCE_MAX: Final = 8
"""A page lays out every cue that is showing, again for each that comes: more at once would stop it."""
_UNENDED_MS: Final = 5_000


class NoSubtitles(ValueError):
    """What was given holds nothing that could be shown; the text is a sentence for a person."""


class Cue(msgspec.Struct, frozen=True, kw_only=True, order=True):
    """Times count from the film's beginning. `text` is WebVTT cue text, never empty, as `markup` makes it."""

    start_ms: int
    end_ms: int
    """Not after `start_ms`: unknown."""
    text: str
    place: str = ""
    """WebVTT cue settings; empty: where the player likes."""


def tidied(cues: Iterable[Cue]) -> list[Cue]:
    """In order of time, within the bounds above, each with an end, pictures of one moving line joined.

    A cue without an end ends as the next begins, after 5 s at the latest.
    """
    ordered = sorted(
        {cue for cue in cues if cue.start_ms < TIME_MAX_MS and max(cue.start_ms, cue.end_ms) >= 0}
    )
    return _thinned(_joined(_ended(ordered[:CUES_MAX])))


def window(cues: Iterable[Cue], start_ms: int, end_ms: int) -> list[Cue]:
    """The tidied cues that show at some time of [start_ms, end_ms).

    Those that began before it are not joined with others, so that neighbouring windows tell the same of them.
    """
    showing = [cue for cue in _ended(sorted(set(cues))) if cue.start_ms < end_ms and cue.end_ms > start_ms]
    carried = [cue for cue in showing if cue.start_ms < start_ms]
    begun = [cue for cue in showing if cue.start_ms >= start_ms]
    return _thinned([*carried, *_joined(begun)][:CUES_MAX])


def _ended(ordered: Sequence[Cue]) -> list[Cue]:
    found: list[Cue] = []
    next_ms = TIME_MAX_MS
    for cue in reversed(ordered):
        start_ms, end_ms = max(cue.start_ms, 0), min(cue.end_ms, cue.start_ms + SHOWN_MAX_MS)
        if cue.end_ms <= cue.start_ms:
            end_ms = min(next_ms if next_ms > start_ms else TIME_MAX_MS, start_ms + _UNENDED_MS)
        next_ms = start_ms
        if end_ms > start_ms:
            found.append(Cue(start_ms=start_ms, end_ms=end_ms, text=cue.text, place=cue.place))
    found.sort()
    return found


def _joined(ordered: Sequence[Cue]) -> list[Cue]:
    """ASS moves a line by showing it anew for each picture; WebVTT stands still."""
    found: list[Cue] = []
    last: dict[tuple[str, str], int] = {}
    for cue in ordered:
        at = last.get((cue.text, cue.place))
        if at is not None and found[at].end_ms >= cue.start_ms:
            end_ms = max(found[at].end_ms, cue.end_ms)
            found[at] = Cue(start_ms=found[at].start_ms, end_ms=end_ms, text=cue.text, place=cue.place)
        else:
            last[cue.text, cue.place] = len(found)
            found.append(cue)
    return found


def _thinned(ordered: Sequence[Cue]) -> list[Cue]:
    found: list[Cue] = []
    ends: list[int] = []
    for cue in ordered:
        while ends and ends[0] <= cue.start_ms:
            heapq.heappop(ends)
        if len(ends) < AT_ONCE_MAX:
            heapq.heappush(ends, cue.end_ms)
            found.append(cue)
    return found
