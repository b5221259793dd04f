"""What is inside a film, from its tables: no picture is decoded for its sake."""

import re
from typing import BinaryIO, Final

from av.audio.stream import AudioStream
from av.container import InputContainer
from av.stream import Disposition, Stream
from av.video.format import VideoFormat
from av.video.stream import VideoStream

from libs.common.media import Chapter, Hdr, Media, Sound, Text, TextKind, Video

from .boxes import is_faststart
from .entries import aac_string, entry_of, is_dolby_vision, picture_string
from .opening import Cursor, codec_name, opened, picture_stream, translated

SOUNDS_MAX, TEXTS_MAX, CHAPTERS_MAX = 32, 64, 500
"""More than any disc has; what is beyond is not shown."""
TITLE_MAX_CHARACTERS = 120
DURATION_MAX_S = 48 * 3600
_SOUND_STRINGS: Final = {
    "ac3": "ac-3",
    "eac3": "ec-3",
    "flac": "flac",
    "opus": "opus",
    "mp3": "mp4a.6B",
    "alac": "alac",
    "vorbis": "vorbis",
    "dts": "dtsc",
    "truehd": "mlpa",
}
_TEXT_KINDS: Final[dict[str, TextKind]] = {
    "subrip": "text",
    "webvtt": "text",
    "mov_text": "text",
    "text": "text",
    "ass": "ass",
    "ssa": "ass",
    "hdmv_pgs_subtitle": "pgs",
    "dvd_subtitle": "vobsub",
}
_CONTAINERS: Final = {
    "matroska,webm": "mkv",
    "mov,mp4,m4a,3gp,3g2,mj2": "mp4",
    "mpegts": "ts",
    "avi": "avi",
    "asf": "wmv",
    "flv": "flv",
    "mpeg": "mpg",
    "mpegvideo": "mpg",
    "ogg": "ogv",
}
_TRANSFERS: Final[dict[int, Hdr]] = {16: "hdr10", 18: "hlg"}
"""Transfer characteristics, ITU-T H.273 table 3."""
_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ufffd]+")


def probe(film: BinaryIO) -> Media:
    """What is in the film, from some MiB at its beginning and its tables. Raises Unreadable."""
    with opened(film) as container, translated("Reading the film's tables"):
        return described(container, film)


def described(container: InputContainer, film: BinaryIO) -> Media:
    """The same of a container that is open."""
    picture = picture_stream(container)
    duration_s = min(max((container.duration or 0) / 1e6, 0.0), float(DURATION_MAX_S))
    size_bytes = max(Cursor(film).seek(0, 2), 0)
    name = container.format.name
    return Media(
        container="webm" if _is_webm(film) else _CONTAINERS.get(name, "mkv"),
        duration_s=round(duration_s, 3),
        bits_per_s=round(size_bytes * 8 / duration_s) if duration_s else 0,
        is_faststart=name.startswith("mov") and is_faststart(film),
        video=_video(picture),
        sounds=tuple(_sounds(container)),
        texts=tuple(_texts(container)),
        chapters=tuple(_chapters(container, duration_s)),
    )


def _is_webm(film: BinaryIO) -> bool:
    """By the document's type, which stands at its very beginning (RFC 8794 §11.2.4)."""
    return b"\x42\x82\x84webm" in Cursor(film).read(64)


def _video(stream: VideoStream) -> Video:
    entry = entry_of(stream)
    hdr = "dolby_vision" if entry and is_dolby_vision(entry) else _TRANSFERS.get(int(stream.color_trc))
    rate = stream.average_rate or stream.guessed_rate
    return Video(
        codec=codec_name(stream) or "unknown",
        codec_string=picture_string(entry) if entry else None,
        profile=stream.profile,
        width=stream.width,
        height=stream.height,
        bit_depth=_bit_depth(stream),
        hdr=hdr,
        frames_per_s=round(float(rate), 3) if rate else None,
    )


def _bit_depth(stream: VideoStream) -> int:
    name = stream.pix_fmt
    if name is None:
        return 10 if "10" in (stream.profile or "") else 8
    return max((component.bits for component in VideoFormat(name).components), default=8)


def _sounds(container: InputContainer) -> list[Sound]:
    return [_sound(number, stream) for number, stream in enumerate(container.streams.audio[:SOUNDS_MAX])]


def _sound(number: int, stream: AudioStream) -> Sound:
    codec, title = codec_name(stream), words(stream.metadata.get("title"))
    is_commentary = bool(stream.disposition & Disposition.comment) or "commentary" in (title or "").lower()
    return Sound(
        number=number,
        codec=codec or "unknown",
        codec_string=_sound_string(stream, codec) if codec else None,
        channels=min(max(stream.codec_context.channels, 0), 64) if codec else 0,
        language=_language(stream),
        title=title,
        is_default=bool(stream.disposition & Disposition.default),
        is_commentary=is_commentary,
    )


def _sound_string(stream: AudioStream, codec: str) -> str | None:
    return aac_string(stream.codec_context.extradata) if codec == "aac" else _SOUND_STRINGS.get(codec)


def _texts(container: InputContainer) -> list[Text]:
    found: list[Text] = []
    for number, stream in enumerate(container.streams.subtitles):
        kind = _TEXT_KINDS.get(codec_name(stream) or "")
        if kind and len(found) < TEXTS_MAX:
            found.append(_text(number, kind, stream))
    return found


def _text(number: int, kind: TextKind, stream: Stream) -> Text:
    disposition = stream.disposition
    return Text(
        number=number,
        kind=kind,
        language=_language(stream),
        title=words(stream.metadata.get("title")),
        is_default=bool(disposition & Disposition.default),
        is_forced=bool(disposition & Disposition.forced),
        is_for_hearing_impaired=bool(disposition & Disposition.hearing_impaired),
    )


def _chapters(container: InputContainer, duration_s: float) -> list[Chapter]:
    found: list[Chapter] = []
    for place, chapter in enumerate(container.chapters()[:CHAPTERS_MAX], 1):
        start_s = float(chapter["start"] * (chapter["time_base"] or 0))
        if 0 <= start_s <= duration_s:
            title = words(chapter["metadata"].get("title")) or f"Chapter {place}"
            found.append(Chapter(start_s=round(start_s, 3), title=title))
    return found


def _language(stream: Stream) -> str | None:
    language = (stream.language or "").lower()
    is_said = re.fullmatch(r"[a-z]{2,3}", language) and language != "und"
    return language if is_said else None


def words(title: str | None) -> str | None:
    """A title of a container, fit to be shown and to stand in a line."""
    shown = _CONTROLS.sub(" ", title or "").strip()[:TITLE_MAX_CHARACTERS].strip()
    return shown or None
