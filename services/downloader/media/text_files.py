"""A film's texts as files, out of what its stretches were found to say. Pure."""

from collections.abc import Iterable, Mapping
from typing import Final

import msgspec

from libs.common.subtitles import ass
from libs.common.subtitles.cues import CUES_MAX, Cue, tidied
from libs.common.subtitles.webvtt import document

CHARS_MAX: Final = 48 << 20
"""Of all of a film's texts together, here; what comes when it is full is left out."""
EVENTS_MAX: Final = 3 * CUES_MAX
"""Of one text, before they are joined: a script may move a line in many steps."""


class TextStretch(msgspec.Struct, frozen=True, kw_only=True):
    """What begins in a stretch of a film, of one of its texts."""

    number: int
    cues: tuple[Cue, ...] = ()
    head: str = ""
    """What a script begins with, if it is one; with the film's first stretch alone."""
    events: tuple[tuple[int, str], ...] = ()
    """A script's lines, with their places in it."""

    @property
    def chars(self) -> int:
        return sum(len(cue.text) for cue in self.cues) + sum(len(line) for _, line in self.events)


class TextFiles:
    """Stretches in the film's order become `text-{k}.vtt`, and `text-{k}.ass` of those that are scripts."""

    def __init__(self) -> None:
        self._heads: dict[int, str] = {}
        self._cues: dict[int, list[Cue]] = {}
        self._events: dict[int, list[tuple[int, str]]] = {}
        self._room_chars = CHARS_MAX

    def add(self, stretches: Iterable[TextStretch]) -> None:
        for stretch in stretches:
            cues = self._cues.setdefault(stretch.number, [])
            events = self._events.setdefault(stretch.number, [])
            self._room_chars -= stretch.chars
            if self._room_chars < 0 or max(len(cues), len(events)) > EVENTS_MAX:
                continue
            if stretch.head:
                self._heads[stretch.number] = stretch.head
            cues += stretch.cues
            events += stretch.events

    def vtts(self) -> Mapping[int, bytes]:
        """By the text's number; none of a text without a cue."""
        tidy = {number: tidied(cues) for number, cues in self._cues.items()}
        return {number: document(cues).encode() for number, cues in tidy.items() if cues}

    def scripts(self) -> Mapping[int, bytes]:
        """By the text's number, of those that are ASS."""
        return {number: _script(head, self._events[number]) for number, head in self._heads.items()}


def _script(head: str, events: Iterable[tuple[int, str]]) -> bytes:
    lines = [line for _, line in sorted(events)]
    beginning = head.replace("\0", "").rstrip()
    if "[events]" not in beginning.lower():
        beginning += f"\n\n[Events]\n{ass.EVENTS_FORMAT}"
    return "\n".join([beginning, *lines, ""]).encode()
