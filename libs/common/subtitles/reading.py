"""A subtitle file of any text kind, as cues."""

from typing import Final, Literal

from libs.common.subtitles import ass, timed
from libs.common.subtitles.cues import Cue, NoSubtitles, tidied
from libs.common.subtitles.decoding import decoded
from libs.common.subtitles.webvtt import document

Format = Literal["subrip", "webvtt", "ass", "microdvd"]
_HEAD_CHARS: Final = 4_000


def format_of(text: str) -> Format:
    """By what it looks like, not by its name: people rename."""
    head = text[:_HEAD_CHARS].lstrip("\ufeff \t\n")
    if head.startswith("WEBVTT"):
        return "webvtt"
    if head.lower().startswith("[script info]") or "\n[events]" in head.lower() or "\nDialogue:" in head:
        return "ass"
    return "microdvd" if timed.is_microdvd(head) else "subrip"


def cues(data: bytes, *, language: str | None = None, frames_per_s: float | None = None) -> list[Cue]:
    """Tidied cues (`cues.tidied`). Raises NoSubtitles if there are none.

    `language` (ISO 639-2/B) helps with old encodings, `frames_per_s` (the film's) with MicroDVD.
    """
    text = decoded(data, language)
    match format_of(text):
        case "webvtt":
            found = timed.webvtt(text)
        case "ass":
            found = ass.cues(text)
        case "microdvd":
            found = timed.microdvd(text, frames_per_s)
        case "subrip":
            found = timed.subrip(text)
    if not (tidy := tidied(found)):
        raise NoSubtitles("There are no subtitles in the file: nothing in it has a time and a text.")
    return tidy


def as_webvtt(data: bytes, *, language: str | None = None, frames_per_s: float | None = None) -> str:
    """The file as a WebVTT document. Raises NoSubtitles."""
    return document(cues(data, language=language, frames_per_s=frames_per_s))
