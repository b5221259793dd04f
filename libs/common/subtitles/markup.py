"""The text of one cue, from whatever its maker wrote, as WebVTT cue text that can do nothing but be read.

Of markup i, b, u, ruby and the eight colour classes are kept, closed in order; everything else that looks
like a tag goes, and whatever is left over is escaped (WebVTT §4.2 "cue text"). A place is a few cue settings.
"""

import html
import re
from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

CHARS_MAX: Final = 2_000
"""Of one cue, before markup: what is longer is cut."""
LINES_MAX: Final = 12
_DEPTH_MAX: Final = 8
_KEPT: Final = frozenset({"i", "b", "u", "c", "ruby", "rt"})
_COLOURS: Final = frozenset({"white", "lime", "cyan", "red", "yellow", "magenta", "blue", "black"})

# What XML can't hold has no business in a text either; line ends come as \n.
_CONTROLS: Final = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff\ud800-\udfff]")
_TAG: Final = re.compile(r"<(/?)([A-Za-z]{1,20})((?:[\s./=][^<>]{0,300})?)>|<[\d:.]{1,20}>")
_SRT_TOKEN: Final = re.compile(rf"{_TAG.pattern}|\{{\\([^{{}}]{{0,300}})\}}")
_ASS_TOKEN: Final = re.compile(r"\{([^{}]{0,5000})\}|\\([Nnh])")
_OVERRIDE: Final = re.compile(r"\\(an|a|p|i|b|u|r)(-?\d{0,4})(?![A-Za-z(])")
_CLASS: Final = re.compile(r"\.([a-z_]{1,20})")

_TOP, _MIDDLE = "line:5%", "line:50%"
_LEFT, _RIGHT = "position:5% align:start", "position:95% align:end"
_PLACES: Final = {
    "1": _LEFT,
    "2": "",
    "3": _RIGHT,
    "4": f"{_MIDDLE} {_LEFT}",
    "5": _MIDDLE,
    "6": f"{_MIDDLE} {_RIGHT}",
    "7": f"{_TOP} {_LEFT}",
    "8": _TOP,
    "9": f"{_TOP} {_RIGHT}",
}
OLD_ALIGNMENTS: Final[Mapping[str, str]] = {
    "1": "1", "2": "2", "3": "3", "5": "7", "6": "8", "7": "9", "9": "4", "10": "5", "11": "6",
}  # fmt: skip
r"""What SSA and \a say, as on the keys of a number pad."""


class Marked(msgspec.Struct, frozen=True):
    """`text` is empty if nothing is left to read."""

    text: str
    place: str = ""


class Style(msgspec.Struct, frozen=True):
    """What an ASS style says about a whole line."""

    is_italic: bool = False
    is_bold: bool = False
    alignment: str = "2"
    """As on the keys of a number pad."""


def from_spans(spans: Sequence[tuple[str, str]]) -> Marked:
    """Pieces of text without markup, each with the tags of one letter that it stands in (`ib`)."""
    page = _Page()
    for text, tags in spans:
        for name in tags:
            page.tag(name, is_end=False)
        page.say(_lines(text))
        page.close_all()
    return Marked(page.end())


def from_subrip(text: str) -> Marked:
    r"""SubRip's HTML-like tags, and the `{\an8}` that people borrow from ASS."""
    page, place = _Page(), ""
    for said, token in _split(_SRT_TOKEN, _lines(text)):
        page.say(html.unescape(said))
        if token is None:
            continue
        if token[4] is not None:
            for name, value in _OVERRIDE.findall("\\" + token[4]):
                place = _placed(name, value, place)
                _switch(page, name, value)
        elif token[2]:
            page.tag(token[2].lower(), is_end=bool(token[1]))
    return Marked(page.end(), place)


def from_webvtt(text: str) -> Marked:
    """WebVTT cue text; its settings are `settings`' business."""
    page = _Page()
    for said, token in _split(_TAG, _lines(text)):
        page.say(html.unescape(said))
        if token is not None and token[2]:
            name, classes = token[2].lower(), _CLASS.findall(token[3].partition(" ")[0])
            page.tag(name, is_end=bool(token[1]), classes=classes)
    return Marked(page.end())


def from_ass(text: str, style: Style) -> Marked:
    r"""The text of an ASS event: override tags go but \i \b \u \an; what is drawn (\p) is not said."""
    page, place, is_drawn = _Page(), _PLACES.get(style.alignment, ""), False
    _restyle(page, style)
    for said, token in _split(_ASS_TOKEN, _lines(text)):
        page.say("" if is_drawn else said)
        if token is None:
            continue
        if token[2]:
            page.say(" " if token[2] == "h" or is_drawn else "\n")
        for name, value in _OVERRIDE.findall(token[1] or ""):
            if name == "p":
                is_drawn = value not in ("", "0")
            elif name == "r":
                page.close_all()
                _restyle(page, style)
            place = _placed(name, value, place)
            _switch(page, name, value)
    return Marked(page.end(), place)


def settings(text: str) -> str:
    """The cue settings of a WebVTT timing line that are well-formed (WebVTT §4.4), one of each."""
    found: dict[str, str] = {}
    for word in text.split()[:10]:
        name, _, value = word.partition(":")
        if (pattern := _SETTINGS.get(name)) and pattern.fullmatch(value):
            found.setdefault(name, f"{name}:{value}")
    return " ".join(found.values())


_PERCENT: Final = r"(?:100(?:\.0{1,4})?|\d{1,2}(?:\.\d{1,4})?)%"
_SETTINGS: Final = {
    "line": re.compile(rf"(?:{_PERCENT}|-?\d{{1,2}})(?:,(?:start|center|end))?"),
    "position": re.compile(rf"{_PERCENT}(?:,(?:line-left|center|line-right))?"),
    "size": re.compile(_PERCENT),
    "align": re.compile(r"start|center|end|left|right"),
    "vertical": re.compile(r"rl|lr"),
}


class _Page:
    """Collects text and tags; what comes out is nested and closed, and no tag stands around nothing."""

    def __init__(self) -> None:
        self._parts: list[str] = []
        self._open: list[tuple[str, str]] = []
        self._written = 0
        """How many of the open tags are in the parts."""
        self._chars = 0

    def say(self, text: str) -> None:
        text = _CONTROLS.sub("", text)[: CHARS_MAX - self._chars]
        self._chars += len(text)
        if text.strip():
            self._parts += [tag for _, tag in self._open[self._written :]]
            self._written = len(self._open)
        self._parts.append(html.escape(text, quote=False))

    def tag(self, name: str, *, is_end: bool, classes: Sequence[str] = ()) -> None:
        if name not in _KEPT:
            return
        names = [opened for opened, _ in self._open]
        if is_end:
            # Of what lies inside of it, too: `<i><b></i>` ends both.
            while name in names:
                names.pop()
                self._close()
        elif len(names) < _DEPTH_MAX and name not in names:
            colours = [c for c in classes if c.removeprefix("bg_") in _COLOURS][:2]
            if name != "c" or colours:
                self._open.append((name, "<" + ".".join([name, *colours]) + ">"))

    def close_all(self) -> None:
        while self._open:
            self._close()

    def _close(self) -> None:
        name, _ = self._open.pop()
        if len(self._open) < self._written:
            self._written -= 1
            self._parts.append(f"</{name}>")

    def end(self) -> str:
        self.close_all()
        # An empty line would end the cue.
        lines = (line.strip() for line in "".join(self._parts).split("\n"))
        return _cut([line for line in lines if line])


def _cut(lines: list[str]) -> str:
    """What is beyond the last line joins it, so that its tags still close."""
    return "\n".join([*lines[: LINES_MAX - 1], " ".join(lines[LINES_MAX - 1 :])]).strip()


def _lines(text: str) -> str:
    """Cut far beyond what is shown: tags take room, too."""
    return text[: 20 * CHARS_MAX].replace("\r\n", "\n").replace("\r", "\n")


def _split(tokens: re.Pattern[str], text: str) -> "list[tuple[str, re.Match[str] | None]]":
    """What stands before each token, with the token; at last what stands behind them."""
    found: list[tuple[str, re.Match[str] | None]] = []
    at = 0
    for token in tokens.finditer(text):
        found.append((text[at : token.start()], token))
        at = token.end()
    return [*found, (text[at:], None)]


def _placed(name: str, value: str, place: str) -> str:
    if name == "a":
        value = OLD_ALIGNMENTS.get(value, "")
    return _PLACES.get(value, place) if name in ("an", "a") else place


def _switch(page: _Page, name: str, value: str) -> None:
    if name in ("i", "b", "u"):
        page.tag(name, is_end=value in ("", "0", "400"))


def _restyle(page: _Page, style: Style) -> None:
    for name, is_on in (("i", style.is_italic), ("b", style.is_bold)):
        if is_on:
            page.tag(name, is_end=False)
