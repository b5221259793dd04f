"""The parts of a film's prepared form by their names: what each is, and what to ask for it. Pure.

Here is the one place for another kind of part; `messages.Questions` says how it is asked for, `booth` makes
it, and `browser_form` puts it into the store.
"""

import re
from typing import Final, Literal

import msgspec

from services.downloader.media.messages import (
    Init,
    Master,
    Playlist,
    Questions,
    Segment,
    TextPiece,
    TextPlaylist,
)

Ending = Literal["vtt", "ass"]
PLAYLIST_TYPE: Final = "application/vnd.apple.mpegurl"
MASTER: Final = "movie.m3u8"
TEXT_TYPE: Final = "text/vtt"
PREPARED: Final = "movie.mp4"
PREPARED_TYPE: Final = "video/mp4"
_RENDITION_PART: Final = re.compile(
    r"(?P<rendition>video|sound-\d{1,6})(?:(?P<playlist>\.m3u8)|(?P<init>-init\.mp4)|-(?P<number>\d{1,6})\.m4s)",
    re.ASCII,
)
SCRIPT_TYPE: Final = "text/x-ssa"
_TEXT_PART: Final = re.compile(r"text-(?P<text>\d{1,6})(?:\.m3u8|-(?P<segment>\d{1,6})\.vtt)", re.ASCII)
_SIDE_TEXT: Final = re.compile(r"text-(?P<text>\d{1,6})\.(?P<ending>vtt|ass)", re.ASCII)


class SideText(msgspec.Struct, frozen=True):
    """A text from a file beside the film, whole."""

    number: int
    ending: Ending


class Part(msgspec.Struct, frozen=True):
    question: Questions | SideText
    content_type: str


def part_named(name: str) -> Part | None:
    """What a name asks for; None if it is none of ours. Whether the film has such a part is seen later."""
    if name == MASTER:
        return Part(Master(), PLAYLIST_TYPE)
    if text := _TEXT_PART.fullmatch(name):
        number = int(text["text"])
        if text["segment"] is None:
            return Part(TextPlaylist(number=number), PLAYLIST_TYPE)
        return Part(TextPiece(number=number, segment=int(text["segment"])), TEXT_TYPE)
    if text := _SIDE_TEXT.fullmatch(name):
        ending: Ending = "ass" if text["ending"] == "ass" else "vtt"
        return Part(SideText(int(text["text"]), ending), TEXT_TYPE if ending == "vtt" else SCRIPT_TYPE)
    match = _RENDITION_PART.fullmatch(name)
    if match is None:
        return None
    rendition = match["rendition"]
    if match["playlist"]:
        return Part(Playlist(rendition=rendition), PLAYLIST_TYPE)
    if match["init"]:
        return Part(Init(rendition=rendition), "video/mp4")
    return Part(Segment(rendition=rendition, number=int(match["number"])), "video/mp4")


def playlist_name(rendition: str) -> str:
    return f"{rendition}.m3u8"
