"""Makes the club's reels: encodes, and muxes in the order of time."""

import os
import shutil
import subprocess
import wave
from array import array
from collections.abc import Callable, Iterator
from fractions import Fraction
from io import BytesIO
from itertools import count
from pathlib import Path
from typing import BinaryIO, cast

import av
from av import AudioFrame, Packet, VideoFrame
from av.audio.stream import AudioStream
from av.container import InputContainer, OutputContainer
from av.stream import Stream
from av.video.stream import VideoStream
from PIL import Image

from libs.sandbox.club import content
from libs.sandbox.club.reels import Picture, Reel, Sound

RECIPE = "1"
"""Part of every cached path: raise it when the bytes of a reel change."""

FORMATS = {"mkv": "matroska", "mp4": "mp4", "webm": "webm", "avi": "avi", "ts": "mpegts"}
LATE_FRAMES = content.FPS // 2
"""By so many frames the pictures of the edit list's reel begin late."""
PROGRAM_TIMEOUT_S = 60
BT2020, SMPTE2084, BT2020_NCL = 9, 16, 9

Part = Iterator[tuple[Fraction, Callable[[], None]]]
"""What is to be muxed from when on (in seconds), one piece after the other."""


class ReelError(Exception):
    """A reel could not be made."""


class Pipe:
    """A file that can't be gone back in."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def write(self, data: bytes) -> int:
        return self._file.write(data)


def reel_path(cache: Path, reel: Reel) -> Path:
    """Where it lies in a cache, or will."""
    return cache / f"club-{RECIPE}" / reel.name


def made(reel: Reel, cache: Path) -> Path:
    """The reel's file, made if the cache has none: there whole or not at all. Some need ffmpeg: ReelError."""
    path = reel_path(cache, reel)
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f".{os.getpid()}-{path.name}")
        try:
            _make(reel, part)
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)
    return path


def _make(reel: Reel, path: Path) -> None:
    with path.open("wb") as file:
        target = Pipe(file) if reel.oddity == "no-cues" else file
        options = {"fflags": "+bitexact"}
        if reel.container == "mp4":
            is_fragmented = reel.oddity == "fragmented"
            options["movflags"] = (
                "frag_keyframe+delay_moov+default_base_moof" if is_fragmented else "faststart"
            )
        # Faststart moves the whole file, for which it opens it once more by its name.
        where = str(path) if reel.container == "mp4" else target
        with av.open(where, "w", format=FORMATS[reel.container], options=options) as container:
            container.metadata["title"] = reel.stem
            if reel.has_chapters:
                _chapters(container)
            parts = [
                _pictures(container, reel),
                *(_sounds(container, sound) for sound in reel.sounds),
                *(_texts(container, kind) for kind in reel.texts),
            ]
            _merge(parts)


def _merge(parts: list[Part]) -> None:
    """Whoever is furthest behind goes next."""
    heads = {number: next(part) for number, part in enumerate(parts)}
    while heads:
        number = min(heads, key=lambda number: heads[number][0])
        heads[number][1]()
        if following := next(parts[number], None):
            heads[number] = following
        else:
            del heads[number]


def _chapters(container: OutputContainer) -> None:
    starts = [start for start, _ in content.CHAPTERS]
    container.set_chapters(
        [
            {
                "id": number,
                "start": start,
                "end": end,
                "time_base": Fraction(1),
                "metadata": {"title": title},
            }
            for number, ((start, title), end) in enumerate(
                zip(content.CHAPTERS, [*starts[1:], content.SECONDS], strict=True), 1
            )
        ]
    )


# Pictures -----------------------------------------------------------------------------------------------


def _pictures(container: OutputContainer, reel: Reel) -> Part:
    stream = _video_stream(container, reel.picture)
    if reel.oddity == "rotated":
        stream.set_display_rotation(90)
    return _encoded_pictures(container, stream, reel)


def _encoded_pictures(container: OutputContainer, stream: VideoStream, reel: Reel) -> Part:
    late = LATE_FRAMES if reel.oddity == "edit-list" else 0
    for number, image in enumerate(content.pictures(reel.stem)):
        if reel.oddity == "variable-rate" and number % 5 in (1, 2) and not content.is_clap(number):
            continue
        frame = _video_frame(image)
        frame.pts, frame.time_base = number + late, Fraction(1, content.FPS)

        def mux(frame: VideoFrame = frame) -> None:
            container.mux(stream.encode(frame))

        yield Fraction(number + late, content.FPS), mux
    yield Fraction(content.SECONDS + 1), lambda: container.mux(stream.encode(None))


def _video_stream(container: OutputContainer, picture: Picture) -> VideoStream:
    stream = cast("VideoStream", container.add_stream(picture.encoder, rate=content.FPS))
    stream.width, stream.height, stream.pix_fmt = content.WIDTH, content.HEIGHT, picture.pixels
    stream.time_base = Fraction(1, content.FPS)
    stream.options = {**picture.options, "threads": "1", "flags": "+bitexact"}
    if picture.bits_per_s:
        stream.bit_rate = picture.bits_per_s
    if picture.tag:
        stream.codec_context.codec_tag = picture.tag
    if picture.is_hdr10:
        context = stream.codec_context
        context.color_primaries, context.color_trc, context.colorspace = BT2020, SMPTE2084, BT2020_NCL
    return stream


def _video_frame(image: Image.Image) -> VideoFrame:
    # PyAV does not type its from_image: it takes a Pillow image without importing Pillow.
    return cast("Callable[[Image.Image], VideoFrame]", VideoFrame.from_image)(image)


# Sounds -------------------------------------------------------------------------------------------------


def _sounds(container: OutputContainer, sound: Sound) -> Part:
    if sound.program:
        return _copied(container, _by_program(sound), sound.language)
    stream = cast(
        "AudioStream",
        container.add_stream(sound.encoder, rate=content.SAMPLE_RATE_HZ, layout=sound.layout),
    )
    if sound.bits_per_s:
        stream.bit_rate = sound.bits_per_s
    stream.options = {"flags": "+bitexact", "strict": "-2"}
    stream.metadata["language"] = sound.language
    return _encoded_sounds(container, stream, sound)


def _encoded_sounds(container: OutputContainer, stream: AudioStream, sound: Sound) -> Part:
    for frame in content.sound(sound.language, sound.layout):

        def mux(frame: AudioFrame = frame) -> None:
            container.mux(stream.encode(frame))

        yield Fraction(frame.pts or 0, content.SAMPLE_RATE_HZ), mux
    yield Fraction(content.SECONDS + 1), lambda: container.mux(stream.encode(None))


def _by_program(sound: Sound) -> InputContainer:
    """What PyAV's FFmpeg has no encoder for, by the one of the system."""
    program = shutil.which("ffmpeg")
    if program is None:
        raise ReelError(f"{sound.encoder} is made by the program ffmpeg, which is not installed")
    layout = f"aformat=channel_layouts={sound.layout}"
    options = ["-i", "-", "-af", layout, "-strict", "-2", "-c:a", sound.program]
    if sound.bits_per_s:
        options += ["-b:a", str(sound.bits_per_s)]
    done = subprocess.run(
        [program, "-v", "error", *options, "-f", sound.encoder, "-"],
        input=_wave(sound.language),
        capture_output=True,
        timeout=PROGRAM_TIMEOUT_S,
        check=False,
    )
    if done.returncode != 0:
        raise ReelError(f"ffmpeg could not make {sound.encoder}: {done.stderr.decode()[-300:]}")
    return av.open(BytesIO(done.stdout), "r", format=sound.encoder)


def _wave(language: str) -> bytes:
    samples = array("h", (round(32_000 * value) for value in content.tone(language) for _ in range(2)))
    target = BytesIO()
    with wave.open(target, "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(content.SAMPLE_RATE_HZ)
        file.writeframes(samples.tobytes())
    return target.getvalue()


# Words --------------------------------------------------------------------------------------------------


def _texts(container: OutputContainer, kind: str) -> Part:
    if kind == "ass":
        return _copied(container, av.open(BytesIO(content.ass().encode()), "r", format="ass"), "fra")
    source = av.open(BytesIO(content.subrip().encode()), "r", format="srt")
    if kind == "subrip":
        return _copied(container, source, "eng")
    stream = container.add_mux_stream("mov_text")
    stream.time_base = Fraction(1, 1000)
    stream.metadata["language"] = "eng"
    return _boxed(container, stream)


def _boxed(container: OutputContainer, stream: Stream) -> Part:
    """MP4's timed text (3GPP TS 26.245): a length, the text; and an empty one where there are no words."""
    at = 0
    for start, end, text in content.CUES:
        for begin, until, words in ((at, start, ""), (start, end, text)):
            packet = Packet(len(words).to_bytes(2) + words.encode())
            packet.stream, packet.time_base = stream, Fraction(1, 1000)
            packet.pts = packet.dts = begin * 1000
            packet.duration = (until - begin) * 1000

            def mux(packet: "Packet[Stream]" = packet) -> None:
                container.mux(packet)

            yield Fraction(begin), mux
        at = end


def _copied(container: OutputContainer, source: InputContainer, language: str) -> Part:
    [track] = source.streams
    stream = container.add_stream_from_template(track)
    stream.metadata["language"] = language
    return _packets(container, source, stream)


def _packets(container: OutputContainer, source: InputContainer, stream: Stream) -> Part:
    samples = count(0)
    for packet in source.demux():
        if packet.dts is None and not packet.size:
            continue
        at = Fraction(packet.pts or next(samples)) * (packet.time_base or 1)
        packet.stream = stream

        def mux(packet: "Packet[Stream]" = packet) -> None:
            container.mux(packet)

        yield at, mux
