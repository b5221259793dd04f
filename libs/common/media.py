"""What is inside a film, as the log and the page know it: facts read from its container, nothing decided."""

from typing import Final, Literal

import msgspec

Hdr = Literal["hdr10", "hlg", "dolby_vision"]
BESIDE_FIRST: Final = 1000
"""The number of the first text from a file beside the film: libav reads fewer tracks of a container."""
TextKind = Literal["text", "ass", "pgs", "vobsub"]
"""`text`: SubRip, WebVTT, MP4 timed text; `ass` also SSA; the others are pictures."""


class Fact(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Base of everything below: immutable, named fields only."""


class Video(Fact, frozen=True, kw_only=True):
    """`codec_string` is what a browser is asked for (RFC 6381), None if the codec has none."""

    codec: str
    """By FFmpeg's name: `h264`, `hevc`, `av1`, `vp9`, `mpeg2video` …"""
    codec_string: str | None = None
    profile: str | None = None
    width: int
    height: int
    bit_depth: int = 8
    hdr: Hdr | None = None
    frames_per_s: float | None = None


class Sound(Fact, frozen=True, kw_only=True):
    """`number` counts the container's sound tracks from 0; `language` is ISO 639-2, as containers say it."""

    number: int
    codec: str
    codec_string: str | None = None
    channels: int
    language: str | None = None
    title: str | None = None
    is_default: bool = False
    is_commentary: bool = False


class Text(Fact, frozen=True, kw_only=True):
    """`number` counts the container's subtitle tracks from 0, and texts that come with the film in files of
    their own from 1000 on."""

    number: int
    kind: TextKind
    language: str | None = None
    title: str | None = None
    is_default: bool = False
    is_forced: bool = False
    is_for_hearing_impaired: bool = False


class Chapter(Fact, frozen=True, kw_only=True):
    start_s: float
    title: str


class Media(Fact, frozen=True, kw_only=True):
    """One film. `container` is a key of the downloader's table of containers (`mkv`, `mp4` …)."""

    container: str
    duration_s: float
    bits_per_s: int
    is_faststart: bool = False
    """An MP4 that plays from its beginning: its index lies before its pictures, and is no fragmented one."""
    video: Video | None = None
    sounds: tuple[Sound, ...] = ()
    texts: tuple[Text, ...] = ()
    chapters: tuple[Chapter, ...] = ()
