"""The Codec Club: one reel of film for every way in which films are made, as they are found on Usenet."""

from collections.abc import Mapping
from typing import Literal

import msgspec

Container = Literal["mkv", "mp4", "webm", "avi", "ts"]
Oddity = Literal[
    "fragmented",  # an MP4 of fragments, with an empty index
    "no-cues",  # a Matroska file that was written into a pipe
    "edit-list",  # pictures begin half a second after the sound
    "rotated",  # held upright while it was taken
    "variable-rate",  # every fifth picture is there three times as long
    "open-gop",  # pictures refer back over a keyframe
]


class Picture(msgspec.Struct, frozen=True, kw_only=True):
    """How pictures are encoded: FFmpeg's names for the encoder, the pixels and the encoder's options."""

    encoder: str
    pixels: str = "yuv420p"
    options: Mapping[str, str] = {}
    bits_per_s: int = 0
    is_hdr10: bool = False
    tag: str = ""


class Sound(msgspec.Struct, frozen=True, kw_only=True):
    """How one track of sound is encoded; `program` names ffmpeg's encoder where PyAV has none."""

    encoder: str
    language: str = "eng"
    layout: str = "stereo"
    bits_per_s: int = 128_000
    program: str = ""


class Reel(msgspec.Struct, frozen=True, kw_only=True):
    """One film. `name` is its file's name; the tags of a release's name say what is inside."""

    stem: str
    container: Container
    picture: Picture
    sounds: tuple[Sound, ...]
    texts: tuple[Literal["subrip", "ass", "mov_text"], ...] = ()
    oddity: Oddity | None = None
    has_chapters: bool = False

    @property
    def name(self) -> str:
        return f"{self.stem}.{self.container}"


GOP = "48"
"""A keyframe every two seconds."""

_X264 = {"preset": "veryfast", "crf": "26", "g": GOP, "keyint_min": GOP, "sc_threshold": "0", "bf": "3"}
_X265 = {"preset": "ultrafast", "crf": "30"}
_X265_PARAMS = f"keyint={GOP}:min-keyint={GOP}:scenecut=0:bframes=3:open-gop=0:log-level=none"
_HDR10_PARAMS = (
    ":hdr10=1:repeat-headers=1:colorprim=bt2020:transfer=smpte2084:colormatrix=bt2020nc:max-cll=1000,400"
    ":master-display=G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L(10000000,50)"
)
_SVT = {"preset": "12", "crf": "45", "g": GOP}
_VPX = {"deadline": "realtime", "cpu-used": "8", "g": GOP}

H264 = Picture(encoder="libx264", options=_X264)
H264_OPEN = Picture(encoder="libx264", options=_X264 | {"x264-params": "open-gop=1"})
HI10P = Picture(encoder="libx264", pixels="yuv420p10le", options=_X264)
HEVC = Picture(encoder="libx265", options=_X265 | {"x265-params": _X265_PARAMS})
HEVC_HVC1 = Picture(encoder="libx265", options=_X265 | {"x265-params": _X265_PARAMS}, tag="hvc1")
HEVC_HEV1 = Picture(encoder="libx265", options=_X265 | {"x265-params": _X265_PARAMS}, tag="hev1")
HDR10 = Picture(
    encoder="libx265",
    pixels="yuv420p10le",
    options=_X265 | {"x265-params": _X265_PARAMS + _HDR10_PARAMS},
    is_hdr10=True,
)
AV1 = Picture(encoder="libsvtav1", options=_SVT)
AV1_10 = Picture(encoder="libsvtav1", pixels="yuv420p10le", options=_SVT)
VP9 = Picture(encoder="libvpx-vp9", options=_VPX, bits_per_s=600_000)
XVID = Picture(
    encoder="mpeg4", options={"g": GOP, "bf": "2", "mpeg_quant": "0"}, bits_per_s=900_000, tag="XVID"
)
MPEG2 = Picture(encoder="mpeg2video", options={"g": "12", "bf": "2"}, bits_per_s=2_000_000)

AAC = Sound(encoder="aac")
AAC_SURROUND = Sound(encoder="aac", layout="5.1", bits_per_s=256_000)
AC3 = Sound(encoder="ac3", layout="5.1", bits_per_s=448_000)
EAC3 = Sound(encoder="eac3", layout="5.1", bits_per_s=384_000)
DTS = Sound(encoder="dts", layout="5.1", bits_per_s=768_000, program="dca")
TRUEHD = Sound(encoder="truehd", bits_per_s=0, program="truehd")
"""Stereo: FFmpeg 8 can't read what the encoder of FFmpeg 5 makes of six channels."""
FLAC = Sound(encoder="flac", bits_per_s=0)
OPUS = Sound(encoder="libopus", bits_per_s=96_000)
VORBIS = Sound(encoder="vorbis")
MP3 = Sound(encoder="libmp3lame")
MP2 = Sound(encoder="mp2", bits_per_s=192_000)
PCM = Sound(encoder="pcm_s16le", bits_per_s=0)


def _in(language: str, sound: Sound) -> Sound:
    return msgspec.structs.replace(sound, language=language)


REELS: tuple[Reel, ...] = (
    Reel(
        stem="h264-three-sounds",
        container="mkv",
        picture=H264,
        sounds=(AAC, _in("fra", AC3), _in("deu", OPUS)),
        texts=("subrip", "ass"),
        has_chapters=True,
    ),
    Reel(
        stem="h264-aac",
        container="mp4",
        picture=H264,
        sounds=(AAC, _in("fra", AAC)),
        texts=("mov_text",),
        has_chapters=True,
    ),
    Reel(stem="h264-aac-words", container="mp4", picture=H264, sounds=(AAC,), texts=("mov_text",)),
    Reel(stem="h264-aac-fragmented", container="mp4", picture=H264, sounds=(AAC,), oddity="fragmented"),
    Reel(stem="h264-aac-edit-list", container="mp4", picture=H264, sounds=(AAC,), oddity="edit-list"),
    Reel(stem="h264-aac-rotated", container="mp4", picture=H264, sounds=(AAC,), oddity="rotated"),
    Reel(stem="h264-aac", container="ts", picture=H264, sounds=(AAC,)),
    Reel(stem="h264-aac-no-cues", container="mkv", picture=H264, sounds=(AAC,), oddity="no-cues"),
    Reel(stem="h264-aac-vfr", container="mkv", picture=H264, sounds=(AAC,), oddity="variable-rate"),
    Reel(stem="h264-aac-open-gop", container="mkv", picture=H264_OPEN, sounds=(AAC,), oddity="open-gop"),
    Reel(stem="h264-silent", container="mkv", picture=H264, sounds=()),
    Reel(stem="h264-hi10p-flac", container="mkv", picture=HI10P, sounds=(FLAC,), texts=("ass",)),
    Reel(stem="hevc-aac", container="mkv", picture=HEVC, sounds=(AAC,)),
    Reel(stem="hevc-hvc1-aac", container="mp4", picture=HEVC_HVC1, sounds=(AAC,)),
    Reel(stem="hevc-hev1-aac", container="mp4", picture=HEVC_HEV1, sounds=(AAC,)),
    Reel(
        stem="hevc-hdr10-eac3",
        container="mkv",
        picture=HDR10,
        sounds=(EAC3, _in("fra", AC3)),
        texts=("subrip",),
    ),
    Reel(stem="av1-opus", container="mkv", picture=AV1, sounds=(OPUS,)),
    Reel(stem="av1-10bit-aac", container="mp4", picture=AV1_10, sounds=(AAC,)),
    Reel(stem="vp9-opus", container="webm", picture=VP9, sounds=(OPUS,)),
    Reel(stem="vp9-vorbis", container="mkv", picture=VP9, sounds=(VORBIS,)),
    Reel(stem="vp9-aac", container="mp4", picture=VP9, sounds=(AAC,)),
    Reel(stem="h264-aac51", container="mkv", picture=H264, sounds=(AAC_SURROUND,)),
    Reel(stem="h264-ac3", container="mkv", picture=H264, sounds=(AC3,)),
    Reel(stem="h264-ac3", container="mp4", picture=H264, sounds=(AC3,)),
    Reel(stem="h264-eac3", container="mkv", picture=H264, sounds=(EAC3,)),
    Reel(stem="h264-dts", container="mkv", picture=H264, sounds=(DTS,)),
    Reel(stem="h264-truehd", container="mkv", picture=H264, sounds=(TRUEHD,)),
    Reel(stem="h264-flac", container="mkv", picture=H264, sounds=(FLAC,)),
    Reel(stem="h264-flac", container="mp4", picture=H264, sounds=(FLAC,)),
    Reel(stem="h264-mp3", container="mkv", picture=H264, sounds=(MP3,)),
    Reel(stem="h264-mp3", container="mp4", picture=H264, sounds=(MP3,)),
    Reel(stem="h264-pcm", container="mkv", picture=H264, sounds=(PCM,)),
    Reel(stem="xvid-mp3", container="avi", picture=XVID, sounds=(MP3,)),
    Reel(stem="mpeg2-mp2", container="mkv", picture=MPEG2, sounds=(MP2,)),
)
"""The first has everything that can be chosen from; each of the others has one thing that may not play."""


def reel(name: str) -> Reel:
    """By its file's name; LookupError if there is none."""
    for found in REELS:
        if found.name == name:
            return found
    raise LookupError(f"the club has no reel {name!r}")
