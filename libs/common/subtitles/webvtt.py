"""Writing WebVTT: whole documents, and the pieces of an HLS rendition (RFC 8216 §3.5)."""

from collections.abc import Iterable
from typing import Final

from libs.common.subtitles.cues import Cue

CONTENT_TYPE: Final = "text/vtt"
"""Always UTF-8."""
_MAP: Final = "X-TIMESTAMP-MAP=MPEGTS:0,LOCAL:00:00:00.000\n"
"""The film's fragments count from 0 as the cues do."""


def document(cues: Iterable[Cue], *, is_segment: bool = False) -> str:
    """The cues as they are: ordered, ended and bounded before (`cues.tidied`)."""
    head = f"WEBVTT\n{_MAP if is_segment else ''}"
    return "\n".join([head, *(_block(cue) for cue in cues)])


def _block(cue: Cue) -> str:
    place = f" {cue.place}" if cue.place else ""
    return f"{_time(cue.start_ms)} --> {_time(cue.end_ms)}{place}\n{cue.text}\n"


def _time(at_ms: int) -> str:
    seconds, ms = divmod(at_ms, 1000)
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}.{ms:03}"
