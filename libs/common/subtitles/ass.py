"""Advanced SubStation Alpha, and its elder SSA: styles and events (libass' reading of the format)."""

import re
from collections.abc import Mapping, Sequence
from typing import Final

from libs.common.subtitles.cues import Cue
from libs.common.subtitles.markup import OLD_ALIGNMENTS, Style, from_ass

LINES_MAX: Final = 60_000
STYLES_MAX: Final = 500
EVENTS_FORMAT: Final = "Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text"
_EVENT: Final = ("layer", "start", "end", "style", "name", "marginl", "marginr", "marginv", "effect", "text")
_TIME: Final = re.compile(r"(-?)(\d{1,3}):(\d{1,2}):(\d{1,2})(?:[.:,](\d{1,3}))?")


def styles(script: str) -> dict[str, Style]:
    """By name, from the `[V4+ Styles]` (or `[V4 Styles]`) section of a script."""
    found: dict[str, Style] = {}
    names: Sequence[str] = ()
    is_old = False
    for raw in script.splitlines()[:LINES_MAX]:
        key, _, value = raw.strip().partition(":")
        match key.strip().lower():
            case "[v4 styles]":
                is_old = True
            case "format" if not found:
                names = [name.strip().lower() for name in value.split(",")]
            case "style" if len(found) < STYLES_MAX:
                fields = dict(zip(names, (field.strip() for field in value.split(",")), strict=False))
                alignment = fields.get("alignment", "2")
                found[fields.get("name", "").lstrip("*")] = Style(
                    is_italic=fields.get("italic", "0") not in ("0", ""),
                    is_bold=fields.get("bold", "0") not in ("0", ""),
                    alignment=OLD_ALIGNMENTS.get(alignment, "2") if is_old else alignment,
                )
            case "[events]":
                break
            case _:
                pass
    return found


def cues(script: str) -> list[Cue]:
    """Every `Dialogue:` line that says something; those with a time that is none are left out."""
    looks = styles(script)
    found: list[Cue] = []
    names: Sequence[str] = _EVENT
    is_events = False
    for raw in script.splitlines()[:LINES_MAX]:
        line = raw.strip()
        key, _, value = line.partition(":")
        match key.strip().lower():
            case "[events]":
                is_events = True
            case "format" if is_events:
                names = [name.strip().lower() for name in value.split(",")] or _EVENT
            case "dialogue":
                if cue := _dialogue(value, names, looks):
                    found.append(cue)
            case _:
                pass
    return found


def packet(data: str, start_ms: int, end_ms: int, looks: Mapping[str, Style]) -> Cue | None:
    """An event as Matroska stores it: ReadOrder, Layer, Style, Name, margins, Effect, Text."""
    fields = data.split(",", 8)
    if len(fields) < 9:
        return None
    marked = from_ass(fields[8], looks.get(fields[2].strip().lstrip("*"), Style()))
    return (
        Cue(start_ms=start_ms, end_ms=end_ms, text=marked.text, place=marked.place) if marked.text else None
    )


def dialogue(data: str, start_ms: int, end_ms: int) -> tuple[int, str] | None:
    """The same event as a line of a script, with its place in the script."""
    order, _, rest = data.partition(",")
    layer, _, rest = rest.partition(",")
    if not (order.strip().isdecimal() and layer.strip().lstrip("-").isdecimal()):
        return None
    text = " ".join(rest.splitlines())
    return int(order[:9]), f"Dialogue: {layer.strip()},{clock(start_ms)},{clock(end_ms)},{text}"


def clock(at_ms: int) -> str:
    """H:MM:SS.cc"""
    at = max(at_ms, 0) // 10
    return f"{at // 360_000}:{at // 6000 % 60:02}:{at // 100 % 60:02}.{at % 100:02}"


def _dialogue(value: str, names: Sequence[str], looks: Mapping[str, Style]) -> Cue | None:
    fields = dict(zip(names, value.split(",", len(names) - 1), strict=False))
    start_ms, end_ms = _ms(fields.get("start", "")), _ms(fields.get("end", ""))
    if start_ms is None or end_ms is None:
        return None
    marked = from_ass(fields.get("text", ""), looks.get(fields.get("style", "").strip().lstrip("*"), Style()))
    return (
        Cue(start_ms=start_ms, end_ms=end_ms, text=marked.text, place=marked.place) if marked.text else None
    )


def _ms(text: str) -> int | None:
    if not (found := _TIME.fullmatch(text.strip())):
        return None
    sign, hours, minutes, seconds, part = found.groups()
    at = (int(hours) * 60 + int(minutes)) * 60 + int(seconds)
    ms = at * 1000 + int((part or "0").ljust(3, "0"))
    return -ms if sign else ms
