"""How a film reaches a device's screen: by what is inside it, and what the device says that it plays.

What plays where was measured in Chromium and Firefox: an MKV never starts or is silent without a word, HEVC
stays black, AC-3 and DTS are silent. So a device gets a file only if it is known to play it; else it gets the
prepared form (HLS), in which the picture is copied bit for bit and every sound is AAC, FLAC or Opus.
"""

import hashlib
from collections.abc import Iterable
from typing import Final, Literal, Self

import msgspec

from libs.common.media import Media, Sound, Video

Way = Literal["as_is", "remux", "sound_converted", "full_conversion", "cannot"]

H264, H264_10 = "avc1.640028", "avc1.6e0028"
HEVC, HEVC_10 = "hvc1.1.6.L120.90", "hvc1.2.4.L153.B0"
AV1, AV1_10 = "av01.0.08M.08", "av01.0.08M.10"
VP9 = "vp09.00.10.08"
AAC, AC3, EAC3, FLAC, OPUS = "mp4a.40.2", "ac-3", "ec-3", "flac", "opus"
PROBES: Final = (H264, H264_10, HEVC, HEVC_10, AV1, AV1_10, VP9, AAC, AC3, EAC3, FLAC, OPUS)
"""What a page asks its browser (`MediaSource.isTypeSupported`, RFC 6381), and names here if it said yes."""

CODECS_MAX: Final = 64
CODEC_CHARS_MAX: Final = 64
"""A list beyond these is no page's of ours."""

_PICTURES: Final = {
    ("h264", 8): H264,
    ("h264", 10): H264_10,
    ("hevc", 8): HEVC,
    ("hevc", 10): HEVC_10,
    ("av1", 8): AV1,
    ("av1", 10): AV1_10,
    ("vp9", 8): VP9,
}
# FFmpeg's names of profiles with more colour than 4:2:0: the probes ask for none of them.
_RICH_PROFILES: Final = ("4:2:2", "4:4:4", "rext", "professional", "profile 1", "profile 3")
_SOUNDS: Final = {"aac": AAC, "ac3": AC3, "eac3": EAC3, "flac": FLAC, "opus": OPUS}
COPIED_SOUNDS: Final = frozenset({"aac", "flac", "opus"})
"""By FFmpeg's names. The prepared form has these bit for bit; every other sound becomes AAC."""

_NAMES: Final = {
    "h264": "H.264",
    "hevc": "HEVC",
    "av1": "AV1",
    "vp9": "VP9",
    "vp8": "VP8",
    "mpeg2video": "MPEG-2",
    "mpeg4": "MPEG-4 (XviD)",
    "vc1": "VC-1",
    "aac": "AAC",
    "ac3": "AC-3",
    "eac3": "E-AC-3",
    "dts": "DTS",
    "truehd": "TrueHD",
    "flac": "FLAC",
    "opus": "Opus",
    "vorbis": "Vorbis",
    "mp2": "MP2",
    "mp3": "MP3",
}
_OTHER_RELEASE: Final = "choose another release, best one in H.264"


class Device(msgspec.Struct, frozen=True):
    """What a device says that it plays; only PROBES count."""

    codecs: frozenset[str]

    @classmethod
    def of(cls, said: Iterable[object]) -> Self:
        """From a page's list; what isn't one of PROBES is passed over."""
        return cls(frozenset(probe for probe in said if isinstance(probe, str) and probe in PROBES))

    @property
    def profile(self) -> str:
        """The same 12 characters for devices that play the same."""
        return hashlib.sha256(",".join(sorted(self.codecs)).encode()).hexdigest()[:12]


SAFE: Final = Device(frozenset({H264, AAC, FLAC, OPUS}))
"""What every browser of today plays; a device that says nothing is taken for this one."""


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """`reasons` are sentences for a person, what matters most first; never none.

    `as_is`: the film's own file. `remux`: the prepared form, every sound copied. `sound_converted`: the
    prepared form, with a sound that became AAC. `cannot`: no picture, or no sound, on this device.
    `full_conversion` is never planned: the picture isn't converted.
    """

    way: Way
    reasons: tuple[str, ...]


def plan(media: Media, device: Device | None) -> Plan:
    """The way of this film to this device; None is one that didn't say what it plays."""
    able = device or SAFE
    trouble = _picture_trouble(media.video, able, is_known=device is not None)
    if trouble:
        return Plan(way="cannot", reasons=(trouble,))
    if media.is_faststart and len(media.sounds) <= 1 and all(_plays(sound, able) for sound in media.sounds):
        return Plan(way="as_is", reasons=("It plays as it is.", *_warnings(media)))
    return _prepared(media, able, is_known=device is not None)


def is_for_every_browser(media: Media) -> bool:
    """Whether the film's own file plays everywhere, so that it is published as it came."""
    return plan(media, None).way == "as_is"


def _prepared(media: Media, able: Device, *, is_known: bool) -> Plan:
    silent = [sound for sound in media.sounds if sound.codec in COPIED_SOUNDS and not _plays(sound, able)]
    # What becomes AAC needs AAC.
    converted = [sound for sound in media.sounds if sound.codec not in COPIED_SOUNDS]
    lost = [*silent, *([] if AAC in able.codecs else converted)]
    if lost and len(lost) == len(media.sounds):
        names = _list(silent) if not converted else "AAC"
        return Plan(way="cannot", reasons=(f"This browser has no {names} sound: choose another release.",))
    reasons = [_conversion(converted, able, is_known=is_known)] if converted else []
    reasons += [f"This browser has no {_list(silent)}: choose one of the other sounds."] if silent else []
    if not converted:
        reasons.append(_why_not_as_is(media))
    return Plan(
        way="sound_converted" if converted else "remux",
        reasons=(*reasons, *_warnings(media)),
    )


def _picture_trouble(video: Video | None, able: Device, *, is_known: bool) -> str | None:
    if video is None:
        return "There is no picture in this file; choose another release."
    name = _picture_name(video)
    probe = None if _is_rich(video) else _PICTURES.get((video.codec, video.bit_depth))
    if probe is None:
        return f"No browser plays {name}: {_OTHER_RELEASE}."
    if probe in able.codecs:
        return None
    if not is_known:
        return f"Not every browser plays {name}, and this player didn't say that it does: {_OTHER_RELEASE}."
    return f"This browser can't show {name}: {_OTHER_RELEASE}."


def _is_rich(video: Video) -> bool:
    profile = (video.profile or "").lower()
    is_full_av1 = video.codec == "av1" and profile == "high"
    return is_full_av1 or any(word in profile for word in _RICH_PROFILES)


def _picture_name(video: Video) -> str:
    name = _NAMES.get(video.codec, video.codec.upper())
    depth = f" with {video.bit_depth} bits" if video.bit_depth != 8 else ""
    rich = f" ({video.profile})" if _is_rich(video) else ""
    return f"{name}{depth}{rich}"


def _plays(sound: Sound, able: Device) -> bool:
    return _SOUNDS.get(sound.codec) in able.codecs


def _conversion(converted: list[Sound], able: Device, *, is_known: bool) -> str:
    missing = [sound for sound in converted if not _plays(sound, able)]
    if not missing:
        return f"The {_list(converted)} sound is converted to AAC, which every browser plays."
    if is_known:
        return f"This browser has no {_list(missing)}: the sound is converted."
    return f"Not every browser plays {_list(missing)}: the sound is converted."


def _why_not_as_is(media: Media) -> str:
    if len(media.sounds) > 1 and media.is_faststart:
        return "Browsers can't switch between the sounds of a file: it is repackaged, nothing is converted."
    kind = "this MP4" if media.container in ("mp4", "m4v", "mov") else f"{media.container.upper()} files"
    return f"Browsers don't play {kind} reliably: it is repackaged, nothing is converted."


def _warnings(media: Media) -> tuple[str, ...]:
    if media.video and media.video.hdr == "dolby_vision":
        return ("The picture is Dolby Vision: its colours may be wrong on this screen.",)
    return ()


def _list(sounds: Iterable[Sound]) -> str:
    """Each codec once, in the film's order: "AC-3 and DTS"."""
    names = list(dict.fromkeys(_sound_name(sound.codec) for sound in sounds))
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))


def _sound_name(codec: str) -> str:
    return "PCM" if codec.startswith("pcm_") else _NAMES.get(codec, codec.upper())
