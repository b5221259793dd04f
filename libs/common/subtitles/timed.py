"""SubRip and WebVTT: blocks of text under a line with two times; and MicroDVD, whose times are frames."""

import re
from collections.abc import Callable, Sequence
from typing import Final

from libs.common.subtitles.cues import CUES_MAX, Cue
from libs.common.subtitles.markup import Marked, from_subrip, from_webvtt, settings

_CLOCK: Final = r"(-?)\s?(?:(\d{1,4})\s?:\s?)?(\d{1,3})\s?:\s?(\d{1,2})(?:\s?[.,:;]\s?(\d{1,6}))?"
_TIMING: Final = re.compile(
    rf"\s{{0,20}}{_CLOCK}\s{{0,20}}-{{1,3}}>\s{{0,20}}{_CLOCK}(?!\d)(.{{0,500}})", re.DOTALL
)
_FRAMES: Final = re.compile(r"\{(\d{1,9})\}\{(\d{0,9})\}(.{1,4000})")
_CONTROL: Final = re.compile(r"\{([A-Za-z]):([^{}]{0,100})\}")
_PER_S: Final = re.compile(r"\d{1,3}[.,]\d{1,6}")
_CINEMA_PER_S: Final = 24_000 / 1001


def subrip(text: str) -> list[Cue]:
    """Lenient: a text goes on to the next timing line, whatever blank lines or missing numbers there are."""
    lines = text.split("\n")
    found: list[Cue] = []
    at = [n for n, line in enumerate(lines) if "->" in line and _TIMING.match(line)][: 2 * CUES_MAX]
    for place, start in enumerate(at):
        end = at[place + 1] if place + 1 < len(at) else len(lines)
        found += _cue(lines[start], _without_number(lines[start + 1 : end]), from_subrip)
    return found


def webvtt(text: str) -> list[Cue]:
    """Cue blocks; NOTE, STYLE and REGION blocks and cue names are left out (WebVTT §6)."""
    found: list[Cue] = []
    lines = text.split("\n")
    at = [n for n, line in enumerate(lines) if "-->" in line and _TIMING.match(line)][: 2 * CUES_MAX]
    for start in at:
        end = start + 1
        while end < len(lines) and lines[end].strip() and "-->" not in lines[end]:
            end += 1
        for cue in _cue(lines[start], lines[start + 1 : end], from_webvtt):
            timing = _TIMING.match(lines[start])
            place = settings(timing[11] or "") if timing else ""
            found.append(Cue(start_ms=cue.start_ms, end_ms=cue.end_ms, text=cue.text, place=place))
    return found


def microdvd(text: str, frames_per_s: float | None = None) -> list[Cue]:
    """`{first}{last}text`; a first line `{1}{1}25.000` tells how many frames a second has."""
    per_s = frames_per_s or _CINEMA_PER_S
    found: list[Cue] = []
    for line in text.split("\n")[: 2 * CUES_MAX]:
        frames = _FRAMES.match(line.strip())
        if frames is None:
            continue
        if frames[1] == frames[2] and not found and _PER_S.fullmatch(frames[3].strip()):
            said = float(frames[3].strip().replace(",", "."))
            per_s = said if 5 <= said <= 240 else per_s
            continue
        marked = _from_microdvd(frames[3])
        if marked.text:
            start_ms, end_ms = (round(int(frame or "0") / per_s * 1000) for frame in frames.group(1, 2))
            found.append(Cue(start_ms=start_ms, end_ms=end_ms, text=marked.text))
    return found


def is_microdvd(text: str) -> bool:
    return any(_FRAMES.match(line.strip()) for line in text[:4000].split("\n")[:5])


def _cue(timing: str, text: Sequence[str], marked_from: Callable[[str], Marked]) -> list[Cue]:
    found = _TIMING.match(timing)
    marked = marked_from("\n".join(text[:100]))
    if found is None or not marked.text:
        return []
    start_ms, end_ms = _ms(found.groups()[:5]), _ms(found.groups()[5:10])
    return [Cue(start_ms=start_ms, end_ms=end_ms, text=marked.text, place=marked.place)]


def _without_number(lines: Sequence[str]) -> Sequence[str]:
    """The number of the cue that follows stands above its timing line."""
    last = len(lines)
    while last and not lines[last - 1].strip():
        last -= 1
    # A number with an empty line below it is text.
    return (
        lines[: last - 1] if last == len(lines) and last and lines[-1].strip().isdecimal() else lines[:last]
    )


def _ms(clock: Sequence[str | None]) -> int:
    sign, hours, minutes, seconds, part = clock
    at = (int(hours or 0) * 60 + int(minutes or 0)) * 60 + int(seconds or 0)
    ms = at * 1000 + int((part or "0").ljust(3, "0")[:3])
    return -ms if sign else ms


def _from_microdvd(text: str) -> Marked:
    is_italic = any(n.lower() == "y" and "i" in v.lower() for n, v in _CONTROL.findall(text))
    said = _CONTROL.sub("", text).replace("|", "\n")
    lines = [line.strip() for line in said.split("\n")]
    if is_italic or all(line.startswith("/") for line in lines):
        return from_subrip("<i>" + "\n".join(line.lstrip("/") for line in lines))
    return from_subrip("\n".join(line.lstrip("/") for line in lines))
