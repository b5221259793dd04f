"""Which of a film's tracks are presented, and how: copied, or the sound made AAC."""

import re
from collections.abc import Callable
from fractions import Fraction

import msgspec
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.video.stream import VideoStream

from libs.common.media import Media, Sound
from services.downloader.errors import Unreadable

from .boxes import TrackHeader
from .cuts import Head
from .entries import converted_entry, entry_of, picture_string
from .opening import AnyPacket, codec_name
from .playlists import Rendition
from .probe import SOUNDS_MAX
from .segments import LEAD_MAX_SAMPLES, length_prefixed, picture_timescale
from .sound import BITS_PER_S, FRAME, Converter, Grid

_COPIED_PICTURES = frozenset({"h264", "hevc", "av1", "vp9"})
_COPIED_SOUNDS = frozenset({"aac", "flac", "opus"})
_COPIED_AAC = frozenset({"LC", "HE-AAC", "HE-AACv2"})
_OPUS_FRAME = 960
SHORT_MAX_S = 2
_CHANNELS_MAX = 8


class Picture(msgspec.Struct, frozen=True, kw_only=True):
    index: int
    rendition: Rendition
    header: TrackHeader
    time_base: Fraction
    payload: Callable[[AnyPacket], bytes]


class CopiedSound(msgspec.Struct, frozen=True, kw_only=True):
    index: int
    rendition: Rendition
    header: TrackHeader
    grid: Grid


class ConvertedSound(msgspec.Struct, frozen=True, kw_only=True):
    index: int
    rendition: Rendition
    header: TrackHeader
    converter: Converter


SoundTrack = CopiedSound | ConvertedSound
Track = Picture | SoundTrack


def picture_track(stream: VideoStream, media: Media) -> Picture:
    """Raises Unreadable if the codec can't be copied into MP4."""
    codec, entry = codec_name(stream), entry_of(stream)
    codec_string = picture_string(entry) if entry else None
    if codec not in _COPIED_PICTURES or entry is None or codec_string is None or media.video is None:
        raise Unreadable(f"The picture ({codec or 'of an unknown kind'}) would need a full conversion.")
    time_base = stream.time_base or Fraction(1, 1000)
    extradata = stream.codec_context.extradata or b""
    is_annex_b = codec in ("h264", "hevc") and extradata[:1] == b"\0"
    return Picture(
        index=stream.index,
        rendition=Rendition(
            name="video",
            kind="video",
            codec_string=codec_string,
            bits_per_s=media.bits_per_s,
            is_default=True,
            width=stream.width,
            height=stream.height,
            frames_per_s=media.video.frames_per_s,
        ),
        header=TrackHeader(
            track_id=1,
            handler="vide",
            timescale=picture_timescale(time_base),
            entry=entry.stsd,
            matrix=entry.matrix,
            width_16_16=entry.width_16_16,
            height_16_16=entry.height_16_16,
        ),
        time_base=time_base,
        payload=_prefixed if is_annex_b else bytes,
    )


def _prefixed(packet: AnyPacket) -> bytes:
    return length_prefixed(bytes(packet))


def sound_tracks(
    container: InputContainer, media: Media, head: Head, zero_s: Fraction, end_s: Fraction
) -> list[SoundTrack]:
    """Every sound that libav can decode; exactly one of them is the default. `zero_s` and `end_s` are the
    picture's beginning and end by the container's clock."""
    known = [
        (stream, sound)
        for stream, sound in zip(container.streams.audio[:SOUNDS_MAX], media.sounds, strict=True)
        if codec_name(stream) and 0 < sound.channels <= _CHANNELS_MAX and stream.codec_context.sample_rate > 0
    ]
    chosen = next((sound.number for _, sound in known if sound.is_default), None)
    if chosen is None and known:
        chosen = known[0][1].number
    tracks: list[SoundTrack] = []
    for track_id, (stream, sound) in enumerate(known, 2):
        grid = _grid(stream, head, zero_s)
        rendition = _rendition(stream, sound, is_default=sound.number == chosen)
        copied = None
        if _reaches(stream, grid, zero_s, end_s):
            copied = _copied(stream, track_id, rendition, grid, head)
        tracks.append(copied or _converted(stream, track_id, rendition, grid))
    return tracks


def _reaches(stream: AudioStream, grid: Grid, zero_s: Fraction, end_s: Fraction) -> bool:
    """Whether the sound is as long as the picture. Where it isn't it is converted, which makes silence of the
    rest: players wait for ever for a segment that is empty."""
    begin_s = grid.first * grid.time_base
    if begin_s > zero_s + SHORT_MAX_S:
        return False
    known_s = _known_end_s(stream, begin_s)
    return known_s is None or known_s > end_s - SHORT_MAX_S


def _known_end_s(stream: AudioStream, begin_s: Fraction) -> Fraction | None:
    if stream.duration:
        return begin_s + stream.duration * (stream.time_base or 0)
    # Matroska's statistics, as its usual muxers write them: DURATION or DURATION-eng, 01:23:45.678000000.
    said = next((value for key, value in stream.metadata.items() if key.startswith("DURATION")), "")
    parts = re.fullmatch(r"(\d{1,3}):(\d\d):(\d\d(?:\.\d{1,9})?)", said)
    return Fraction(parts[3]) + 60 * int(parts[2]) + 3600 * int(parts[1]) if parts else None


def _rendition(stream: AudioStream, sound: Sound, *, is_default: bool) -> Rendition:
    return Rendition(
        name=f"sound-{sound.number}",
        kind="sound",
        codec_string=sound.codec_string or "",
        bits_per_s=stream.codec_context.bit_rate or BITS_PER_S,
        language=sound.language,
        title=sound.title,
        is_default=is_default,
        channels=sound.channels,
    )


def _grid(stream: AudioStream, head: Head, zero_s: Fraction) -> Grid:
    time_base, context = stream.time_base or Fraction(1, 1000), stream.codec_context
    met = head.sounds.get(stream.index)
    zero = round(zero_s / time_base)
    first = met[0] if met else zero if stream.start_time is None else stream.start_time
    frame = _OPUS_FRAME if codec_name(stream) == "opus" else context.frame_size
    return Grid(time_base, context.sample_rate, zero_s, first, frame or 0)


def _copied(
    stream: AudioStream, track_id: int, rendition: Rendition, grid: Grid, head: Head
) -> CopiedSound | None:
    context, codec = stream.codec_context, codec_name(stream)
    # Sound without its codec's own header (AAC in MPEG-TS) would have to be rewritten anyway.
    if codec not in _COPIED_SOUNDS or not context.extradata:
        return None
    if codec == "aac" and context.profile not in _COPIED_AAC:
        return None
    entry = entry_of(stream)
    if entry is None:
        return None
    places = [grid.place(time) for time in head.sounds.get(stream.index, [])]
    first = min((place for place in places if place >= -LEAD_MAX_SAMPLES), default=0)
    return CopiedSound(
        index=stream.index,
        rendition=rendition,
        header=_header(track_id, context.sample_rate, entry.stsd, rendition, max(0, -first)),
        grid=grid,
    )


def _converted(stream: AudioStream, track_id: int, rendition: Rendition, grid: Grid) -> ConvertedSound:
    converter = Converter(stream, grid)
    rendition = msgspec.structs.replace(
        rendition, codec_string="mp4a.40.2", bits_per_s=BITS_PER_S, is_converted=True, channels=2
    )
    entry = converted_entry(converter.rate, BITS_PER_S)
    return ConvertedSound(
        index=stream.index,
        rendition=rendition,
        header=_header(track_id, converter.rate, entry.stsd, rendition, FRAME),
        converter=converter,
    )


def _header(track_id: int, rate: int, entry: bytes, rendition: Rendition, lead: int) -> TrackHeader:
    return TrackHeader(
        track_id=track_id,
        handler="soun",
        timescale=rate,
        entry=entry,
        language=rendition.language,
        lead=lead,
    )
