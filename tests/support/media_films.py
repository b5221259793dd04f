"""Small films in many shapes: pictures that all differ, and sound with a click every half second."""

import io
import math
import random
from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import chain
from typing import Any, Self, TypeAlias, cast

import av
from av import AudioFrame, Packet, VideoFrame
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.video.stream import VideoStream

AnyPacket: TypeAlias = "Packet[Any]"

FRAMES_PER_S = 10
WIDTH, HEIGHT = 128, 96
CLICK_EVERY_S = 0.5
GOP_S = 2


class Unseekable(io.BytesIO):
    """What a pipe is to a muxer: nothing that was written can be mended."""

    def seekable(self) -> bool:
        return False


@dataclass(kw_only=True)
class Recipe:
    """`late_s` and `short_s` cut the sounds' beginning and end; `start_s` moves the whole film."""

    container: str = "matroska"
    video: str | None = "libx264"
    video_options: dict[str, str] = field(default_factory=dict[str, str])
    sounds: Sequence[str] = ("aac",)
    titles: Sequence[str] = ()
    languages: Sequence[str] = ()
    rate: int = 48_000
    layout: str = "stereo"
    seconds: int = 15
    b_frames: int = 2
    late_s: float = 0.0
    short_s: float = 0.0
    start_s: int = 0
    is_variable: bool = False
    is_piped: bool = False
    rotation: int = 0
    muxer_options: dict[str, str] = field(default_factory=dict[str, str])


def film(recipe: Recipe) -> io.BytesIO:
    written = Unseekable() if recipe.is_piped else io.BytesIO()
    options = {"fflags": "+bitexact", **recipe.muxer_options}
    with av.open(written, "w", format=recipe.container, options=options) as container:
        packets: list[AnyPacket] = []
        video = _video(container, recipe) if recipe.video else None
        sounds = [_sound(container, recipe, number) for number in range(len(recipe.sounds))]
        if video:
            packets += _pictures(video, recipe)
        for stream in sounds:
            packets += _tones(stream, recipe)
        packets = [packet for packet in packets if packet.dts is not None]
        for packet in sorted(packets, key=lambda packet: packet.dts * packet.time_base):
            container.mux(packet)
        data = written
    return io.BytesIO(data.getvalue())


def _video(container: OutputContainer, recipe: Recipe) -> VideoStream:
    options = {"preset": "ultrafast"} if recipe.video in ("libx264", "libx265") else {}
    if recipe.video == "libx265":
        options["x265-params"] = "log-level=0"
    if recipe.video == "libsvtav1":
        options["preset"] = "12"
    stream = cast(
        VideoStream,
        container.add_stream(
            cast(str, recipe.video), rate=FRAMES_PER_S, options={**options, **recipe.video_options}
        ),
    )
    stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
    stream.codec_context.time_base = Fraction(1, FRAMES_PER_S)
    stream.codec_context.gop_size = GOP_S * FRAMES_PER_S
    if recipe.video in ("libx264", "libx265", "mpeg2video"):
        stream.codec_context.max_b_frames = recipe.b_frames
    if recipe.rotation:
        stream.set_display_rotation(recipe.rotation)
    return stream


def _pictures(stream: VideoStream, recipe: Recipe) -> list[AnyPacket]:
    rng, packets = random.Random(1), list[AnyPacket]()
    grain = rng.randbytes(WIDTH * HEIGHT * 2)
    for number in range(recipe.seconds * FRAMES_PER_S):
        if recipe.is_variable and number % 7 in (2, 3, 5):
            continue
        frame = VideoFrame(WIDTH, HEIGHT, "yuv420p")
        for plane in frame.planes:
            start = number * 131 % (WIDTH * HEIGHT)
            plane.update(grain[start : start + plane.buffer_size])
        frame.pts, frame.time_base = number + recipe.start_s * FRAMES_PER_S, Fraction(1, FRAMES_PER_S)
        packets += stream.encode(frame)
    return packets + stream.encode(None)


def _sound(container: OutputContainer, recipe: Recipe, number: int) -> AudioStream:
    stream = cast(
        AudioStream, container.add_stream(recipe.sounds[number], rate=recipe.rate, layout=recipe.layout)
    )
    if number < len(recipe.titles):
        stream.metadata["title"] = recipe.titles[number]
    if number < len(recipe.languages):
        stream.metadata["language"] = recipe.languages[number]
    return stream


def tone(second: float) -> float:
    """The sound at a moment: a quiet chord, and every half second a click."""
    phase = second % CLICK_EVERY_S
    click = 0.6 * math.sin(2 * math.pi * 4000 * phase) if phase < 0.002 else 0.0
    return 0.15 * math.sin(2 * math.pi * 220 * second) + 0.1 * math.sin(2 * math.pi * 570 * second) + click


def _tones(stream: AudioStream, recipe: Recipe) -> list[AnyPacket]:
    rate, packets = recipe.rate, list[AnyPacket]()
    channels = stream.codec_context.layout.nb_channels
    begin, end = round(recipe.late_s * rate), round((recipe.seconds - recipe.short_s) * rate)
    for at in range(begin, end, 1024):
        count = min(1024, end - at)
        # Six channels that are all alike would be mixed to more than full scale.
        level = 32_000 if channels <= 2 else 10_000
        samples = array("h", (round(level * tone((at + place) / rate)) for place in range(count)))
        frame = AudioFrame(format="s16", layout=recipe.layout, samples=count)
        interleaved = array("h", chain.from_iterable(zip(*[samples] * channels, strict=True)))
        frame.planes[0].update(interleaved.tobytes().ljust(frame.planes[0].buffer_size, b"\0"))
        frame.sample_rate, frame.time_base = rate, Fraction(1, rate)
        frame.pts = at + recipe.start_s * rate
        packets += stream.encode(frame)
    return packets + stream.encode(None)


@dataclass
class Heard:
    """A sound decoded whole: `samples` of its first channel, from second 0 of its container's clock."""

    samples: "array[float]"
    rate: int

    @classmethod
    def of(cls, data: io.BytesIO, number: int, zero_s: float = 0.0) -> Self:
        data.seek(0)
        with av.open(data) as container:
            stream = container.streams.audio[number]
            heard = cls(array("f"), stream.codec_context.sample_rate)
            at: int | None = None
            for frame in container.decode(stream):
                at = round((float(frame.pts * frame.time_base) - zero_s) * heard.rate) if at is None else at
                heard.draw(at, frame)
                at += frame.samples
            return heard

    def draw(self, at: int, frame: AudioFrame) -> None:
        resampler = av.AudioResampler(format="flt", layout="mono")
        for made in resampler.resample(frame):
            samples = array("f", bytes(made.planes[0])[: made.samples * 4])
            skipped = max(0, -at)
            missing = at + len(samples) - len(self.samples)
            if missing > 0:
                self.samples.extend([0.0] * missing)
            self.samples[at + skipped : at + len(samples)] = samples[skipped:]

    def resampled(self, rate: int) -> "Heard":
        if rate == self.rate:
            return self
        frame = AudioFrame(format="flt", layout="mono", samples=len(self.samples))
        frame.planes[0].update(self.samples.tobytes().ljust(frame.planes[0].buffer_size, b"\0"))
        frame.sample_rate = self.rate
        resampler = av.AudioResampler(format="flt", layout="mono", rate=rate)
        made = [*resampler.resample(frame), *resampler.resample(None)]
        return Heard(array("f", b"".join(bytes(part.planes[0])[: part.samples * 4] for part in made)), rate)
