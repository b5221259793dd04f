"""HLS playlists (RFC 8216) of a film whose segments are all known beforehand."""

from collections.abc import Sequence
from math import ceil
from typing import Literal

import msgspec

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


def master_playlist(renditions: Sequence[Rendition], bits_per_s: int) -> str:
    """One variant: the picture, with every sound as an alternative of it."""
    sounds = [rendition for rendition in renditions if rendition.kind == "sound"]
    lines = [_HEAD + "#EXT-X-INDEPENDENT-SEGMENTS"]
    lines += [_sound_line(sound, name) for sound, name in zip(sounds, _names(sounds), strict=True)]
    for picture in renditions:
        if picture.kind == "video":
            lines += [_variant_line(picture, sounds, bits_per_s), f"{picture.name}.m3u8"]
    return "\n".join(lines) + "\n"


def _variant_line(picture: Rendition, sounds: Sequence[Rendition], bits_per_s: int) -> str:
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


def _names(sounds: Sequence[Rendition]) -> list[str]:
    """A name for each, no two the same (RFC 8216 §4.3.4.1.1)."""
    names: list[str] = []
    for place, sound in enumerate(sounds, 1):
        name = " ".join(
            (sound.title or sound.language or f"Sound {place}").translate(_TEXT_IN_QUOTES).split()
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


def _range(piece: Piece) -> str:
    offset, length = piece.byte_range or (0, 0)
    return f"{length}@{offset}"
