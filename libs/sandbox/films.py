"""Renders a title's film: a title card, a moving picture, a running timecode and a changing tone.

640x360, 24 frames a second, H.264 (yuv420p, a keyframe every two seconds) and stereo AAC.
The same title always gives the same bytes with the same versions of the encoders.
"""

import math
import os
import random
from array import array
from collections.abc import Callable, Iterator
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import cast

import av
from av import AudioFrame, VideoFrame
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.video.stream import VideoStream
from PIL import Image, ImageChops, ImageDraw, ImageFont

from libs.sandbox.titles import FilmSpec, Title

RECIPE = "1"
"""Part of every cached path: raise it when the bytes of a film or of a packing change."""

WIDTH, HEIGHT, FPS = 640, 360, 24
PANORAMA_WIDTH = 960
SAMPLE_RATE_HZ = 48_000
SAMPLES_PER_FRAME = 1024
TITLE_CARD_S = 3
GRAIN_PLATES = 6
NOTES_HZ = (220.0, 261.63, 293.66, 329.63, 392.0, 440.0, 523.25)


def render_film(title: Title, spec: FilmSpec, path: Path) -> None:
    """Writes the film at `path` in one step: readers see the whole file or none."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part_path = path.with_name(f".{os.getpid()}-{path.name}")
    try:
        _encode(title, spec, part_path)
        part_path.replace(path)
    finally:
        part_path.unlink(missing_ok=True)


def _encode(title: Title, spec: FilmSpec, path: Path) -> None:
    options = {"fflags": "+bitexact"}
    if spec.container == "mp4":
        options["movflags"] = "+faststart"
    with av.open(str(path), "w", options=options) as container:
        container.metadata["title"] = title.title
        video, audio = _video_stream(container), _audio_stream(container)
        sound = _sound(title.id, spec.seconds)
        sound_until = Fraction(0)
        for number, image in enumerate(_pictures(title, spec.seconds)):
            frame = _video_frame(image)
            frame.pts = number
            container.mux(video.encode(frame))
            while sound_until <= Fraction(number, FPS) and (samples := next(sound, None)):
                sound_until = Fraction((samples.pts or 0) + samples.samples, SAMPLE_RATE_HZ)
                container.mux(audio.encode(samples))
        for samples in sound:
            container.mux(audio.encode(samples))
        container.mux(video.encode(None))
        container.mux(audio.encode(None))


def _video_stream(container: OutputContainer) -> VideoStream:
    gop = str(2 * FPS)
    stream = container.add_stream("libx264", rate=FPS)
    stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
    stream.options = {
        "preset": "ultrafast",
        "crf": "22",
        "g": gop,
        "keyint_min": gop,
        "sc_threshold": "0",
        "threads": "1",
        "flags": "+bitexact",
    }
    return stream


def _audio_stream(container: OutputContainer) -> AudioStream:
    stream = container.add_stream("aac", rate=SAMPLE_RATE_HZ, layout="stereo")
    stream.bit_rate = 128_000
    stream.options = {"flags": "+bitexact"}
    return stream


def _video_frame(image: Image.Image) -> VideoFrame:
    # PyAV does not type its from_image: it takes a Pillow image without importing Pillow.
    return cast("Callable[[Image.Image], VideoFrame]", VideoFrame.from_image)(image)


def _pictures(title: Title, seconds: int) -> Iterator[Image.Image]:
    plates = _plates(title)
    total = seconds * FPS
    large, small = ImageFont.load_default(size=44), ImageFont.load_default(size=20)
    accent, ink = title.palette[2], title.palette[3]
    for number in range(total):
        at = number / total
        pan = int((PANORAMA_WIDTH - WIDTH) * (0.5 - 0.5 * math.cos(2 * math.pi * at)))
        image = plates[number % GRAIN_PLATES].crop((pan, 0, pan + WIDTH, HEIGHT))
        draw = ImageDraw.Draw(image)
        sun_x, sun_y = 40 + at * (WIDTH - 80), 190 - 130 * math.sin(math.pi * at)
        draw.ellipse((sun_x - 34, sun_y - 34, sun_x + 34, sun_y + 34), fill=accent)
        draw.rectangle((0, HEIGHT - 6, int(WIDTH * at), HEIGHT), fill=accent)
        draw.text((WIDTH - 16, HEIGHT - 18), _timecode(number), fill=ink, font=small, anchor="rs")
        if number < TITLE_CARD_S * FPS:
            draw.text((WIDTH // 2, 150), title.title, fill=ink, font=large, anchor="ms")
            draw.text((WIDTH // 2, 186), str(title.year), fill=ink, font=small, anchor="ms")
        yield image


def _timecode(number: int) -> str:
    seconds, frame = divmod(number, FPS)
    return f"{seconds // 60:02}:{seconds % 60:02}:{frame:02}"


def _plates(title: Title) -> list[Image.Image]:
    """The panorama behind everything, several times with other grain, so that it moves like film."""
    rng = random.Random(title.id)
    panorama = _panorama(title, rng)
    plates: list[Image.Image] = []
    for _ in range(GRAIN_PLATES):
        noise = Image.frombytes("L", panorama.size, rng.randbytes(PANORAMA_WIDTH * HEIGHT))
        grain = noise.point([value // 32 for value in range(256)])
        plates.append(ImageChops.add(panorama, Image.merge("RGB", (grain, grain, grain)), offset=-4))
    return plates


def _panorama(title: Title, rng: random.Random) -> Image.Image:
    sky, land = title.palette[0], title.palette[1]
    image = Image.new("RGB", (PANORAMA_WIDTH, HEIGHT), sky)
    draw = ImageDraw.Draw(image)
    for layer in range(3):
        colour = _mix(sky, land, (layer + 1) / 3)
        base, step = 190 + layer * 55, 60 + layer * 30
        ridge = [(x, base + rng.randint(-45, 25)) for x in range(-step, PANORAMA_WIDTH + 2 * step, step)]
        draw.polygon([(-step, HEIGHT), *ridge, (PANORAMA_WIDTH + step, HEIGHT)], fill=colour)
    return image


def _mix(first: str, second: str, share: float) -> str:
    pairs = ((int(first[i : i + 2], 16), int(second[i : i + 2], 16)) for i in (1, 3, 5))
    return "#" + "".join(f"{round(a + (b - a) * share):02x}" for a, b in pairs)


def _sound(seed: int, seconds: int) -> Iterator[AudioFrame]:
    """A new note every half second on the left; the one before it on the right."""
    rng = random.Random(seed)
    notes = [_note(frequency) for frequency in NOTES_HZ]
    tune = [rng.randrange(len(notes)) for _ in range(2 * seconds + 1)]
    left, right = array("f"), array("f")
    for before, now in pairwise(tune):
        left.extend(notes[now])
        right.extend(notes[before])
    for start in range(0, len(left), SAMPLES_PER_FRAME):
        yield _audio_frame(
            left[start : start + SAMPLES_PER_FRAME], right[start : start + SAMPLES_PER_FRAME], start
        )


def _note(frequency_hz: float) -> "array[float]":
    """Half a second of one frequency that swells and fades, so that notes join without a click."""
    count = SAMPLE_RATE_HZ // 2
    turn = 2 * math.pi * frequency_hz / SAMPLE_RATE_HZ
    return array("f", (0.3 * math.sin(math.pi * n / count) * math.sin(turn * n) for n in range(count)))


def _audio_frame(left: "array[float]", right: "array[float]", start: int) -> AudioFrame:
    frame = AudioFrame(format="fltp", layout="stereo", samples=len(left))
    for plane, channel in zip(frame.planes, (left, right), strict=True):
        # A plane is padded to the encoder's alignment.
        plane.update(channel.tobytes().ljust(plane.buffer_size, b"\0"))
    frame.sample_rate, frame.pts, frame.time_base = SAMPLE_RATE_HZ, start, Fraction(1, SAMPLE_RATE_HZ)
    return frame
