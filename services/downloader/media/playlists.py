"""HLS playlists (RFC 8216) of a film whose segments are all known beforehand."""

from collections.abc import Sequence
from math import ceil
from typing import Literal

import msgspec

from libs.common.media import Text

_HEAD = "#EXTM3U\n#EXT-X-VERSION:7\n"
_TEXT_IN_QUOTES = str.maketrans({'"': "'", "\n": " ", "\r": " "})
_CODES = """
ara:ar bul:bg cat:ca ces:cs cze:cs chi:zh zho:zh dan:da deu:de ger:de dut:nl nld:nl ell:el gre:el eng:en
est:et fas:fa per:fa fin:fi fra:fr fre:fr heb:he hin:hi hrv:hr hun:hu ice:is isl:is ind:id ita:it jpn:ja
kor:ko lav:lv lit:lt may:ms msa:ms nor:no nob:nb pol:pl por:pt ron:ro rum:ro rus:ru slk:sk slo:sk slv:sl
spa:es srp:sr swe:sv tam:ta tel:te tha:th tur:tr ukr:uk vie:vi
"""
_SHORT = {pair[:3]: pair[4:] for pair in _CODES.split()}
"""ISO 639-2 to 639-1: RFC 5646 wants the shortest code that there is."""


_FOR_HEARING_IMPAIRED = (
    "public.accessibility.transcribes-spoken-dialog,public.accessibility.describes-music-and-sound"
)


class Rendition(msgspec.Struct, frozen=True, kw_only=True):
    """One track as it is presented. `name` is `video` or `sound-{number}`; the picture has a size."""

    name: str
    kind: Literal["video", "sound"]
    codec_string: str
    bits_per_s: int
    language: str | None = None
    title: str | None = None
    is_default: bool = False
    is_converted: bool = False
    channels: int = 0
    width: int = 0
    height: int = 0
    frames_per_s: float | None = None


def master_playlist(renditions: Sequence[Rendition], bits_per_s: int, texts: Sequence[Text] = ()) -> str:
    """One variant: the picture, with every sound as an alternative of it, and these texts."""
    sounds = [rendition for rendition in renditions if rendition.kind == "sound"]
    lines = [_HEAD + "#EXT-X-INDEPENDENT-SEGMENTS"]
    lines += [_sound_line(sound, name) for sound, name in zip(sounds, _names(sounds, "Sound"), strict=True)]
    lines += [_text_line(text, name) for text, name in zip(texts, _names(texts, "Subtitles"), strict=True)]
    for picture in renditions:
        if picture.kind == "video":
            lines += [_variant_line(picture, sounds, bits_per_s, bool(texts)), f"{picture.name}.m3u8"]
    return "\n".join(lines) + "\n"


def _variant_line(picture: Rendition, sounds: Sequence[Rendition], bits_per_s: int, has_texts: bool) -> str:
    codecs = dict.fromkeys([picture.codec_string, *(sound.codec_string for sound in sounds)])
    words = [
        f"BANDWIDTH={max(bits_per_s, 1)}",
        f'CODECS="{",".join(codecs)}"',
        f"RESOLUTION={picture.width}x{picture.height}",
    ]
    if picture.frames_per_s:
        words.append(f"FRAME-RATE={picture.frames_per_s:.3f}")
    if sounds:
        words.append('AUDIO="sound"')
    if has_texts:
        words.append('SUBTITLES="text"')
    return "#EXT-X-STREAM-INF:" + ",".join(words)


def _sound_line(sound: Rendition, name: str) -> str:
    words = ["TYPE=AUDIO", 'GROUP-ID="sound"', f'NAME="{name}"']
    if sound.language:
        words.append(f'LANGUAGE="{_SHORT.get(sound.language, sound.language)}"')
    words += [f"DEFAULT={'YES' if sound.is_default else 'NO'}", "AUTOSELECT=YES"]
    if sound.channels:
        words.append(f'CHANNELS="{sound.channels}"')
    words.append(f'URI="{sound.name}.m3u8"')
    return "#EXT-X-MEDIA:" + ",".join(words)


def _text_line(text: Text, name: str) -> str:
    """Never chosen by itself: that is the viewer's. One that is always meant to be seen is said to be so."""
    words = ["TYPE=SUBTITLES", 'GROUP-ID="text"', f'NAME="{name}"']
    if text.language:
        words.append(f'LANGUAGE="{_SHORT.get(text.language, text.language)}"')
    words += ["DEFAULT=NO", "AUTOSELECT=YES", f"FORCED={'YES' if text.is_forced else 'NO'}"]
    if text.is_for_hearing_impaired:
        words.append(f'CHARACTERISTICS="{_FOR_HEARING_IMPAIRED}"')
    words.append(f'URI="text-{text.number}.m3u8"')
    return "#EXT-X-MEDIA:" + ",".join(words)


def _names(tracks: Sequence[Rendition] | Sequence[Text], kind: str) -> list[str]:
    """A name for each, no two the same (RFC 8216 §4.3.4.1.1)."""
    names: list[str] = []
    for place, track in enumerate(tracks, 1):
        name = " ".join(
            (track.title or track.language or f"{kind} {place}").translate(_TEXT_IN_QUOTES).split()
        )
        names.append(f"{name} ({place})" if name in names else name)
    return names


class Piece(msgspec.Struct, frozen=True):
    """A segment in a playlist; `byte_range` (offset, length) if it is a part of `uri`."""

    uri: str
    duration_s: float
    byte_range: tuple[int, int] | None = None


def media_playlist(init: Piece, pieces: Sequence[Piece]) -> str:
    longest_s = max((piece.duration_s for piece in pieces), default=1.0)
    lines = [
        _HEAD + f"#EXT-X-TARGETDURATION:{max(1, ceil(longest_s))}",
        "#EXT-X-MEDIA-SEQUENCE:0",
        "#EXT-X-PLAYLIST-TYPE:VOD",
        "#EXT-X-INDEPENDENT-SEGMENTS",
        f'#EXT-X-MAP:URI="{init.uri}"' + (f',BYTERANGE="{_range(init)}"' if init.byte_range else ""),
    ]
    for piece in pieces:
        lines.append(f"#EXTINF:{piece.duration_s:.6f},")
        if piece.byte_range:
            lines.append(f"#EXT-X-BYTERANGE:{_range(piece)}")
        lines.append(piece.uri)
    return "\n".join([*lines, "#EXT-X-ENDLIST"]) + "\n"


def text_playlist(number: int, durations_s: Sequence[float]) -> str:
    """`text-{number}.m3u8`: a piece of WebVTT for each segment of the picture."""
    pieces = [f"text-{number}-{place}.vtt" for place in range(len(durations_s))]
    return _texts_playlist(pieces, durations_s)


def stored_text_playlist(number: int, duration_s: float) -> str:
    """`text-{number}.m3u8` of a text that is one document."""
    return _texts_playlist([f"text-{number}.vtt"], [duration_s])


def _texts_playlist(uris: Sequence[str], durations_s: Sequence[float]) -> str:
    lines = [
        _HEAD + f"#EXT-X-TARGETDURATION:{max(1, ceil(max(durations_s, default=1.0)))}",
        "#EXT-X-MEDIA-SEQUENCE:0",
        "#EXT-X-PLAYLIST-TYPE:VOD",
    ]
    for uri, duration_s in zip(uris, durations_s, strict=True):
        lines += [f"#EXTINF:{duration_s:.6f},", uri]
    return "\n".join([*lines, "#EXT-X-ENDLIST"]) + "\n"


def _range(piece: Piece) -> str:
    offset, length = piece.byte_range or (0, 0)
    return f"{length}@{offset}"
