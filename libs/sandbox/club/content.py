"""What is on a reel: pictures that carry their number, sounds that tell their language, words, and a clap.

Every two seconds, from the first second on, the picture is white for two frames and a beep begins with the
first of them: who has both can measure whether sound and picture belong together.
"""

import math
from array import array
from collections.abc import Iterator, Mapping
from fractions import Fraction

from av import AudioFrame
from PIL import Image, ImageDraw, ImageFont

WIDTH, HEIGHT, FPS = 640, 360, 24
SECONDS = 26
FRAMES = SECONDS * FPS
SAMPLE_RATE_HZ = 48_000
SAMPLES_PER_FRAME = 1024

CLAP_EVERY_S, FIRST_CLAP_S, CLAP_FRAMES = 2, 1, 2
CLAP_HZ, CLAP_S = 2000.0, Fraction(1, 12)

TONES_HZ: Mapping[str, float] = {"eng": 440.0, "fra": 660.0, "deu": 880.0}
"""The tone of each language, between the claps."""

BITS = 10
BIT_SIZE_PX, BITS_LEFT_PX, BITS_TOP_PX = 32, 64, 300
"""The frame's number, most significant bit first, as squares that are white for one and black for nought."""

CUES = tuple((start, start + 2, f"Words from second {start} on.") for start in range(1, SECONDS - 2, 3))
"""(from, to, text), in seconds"""
CHAPTERS = ((0, "Leader"), (8, "Feature"), (20, "Credits"))
"""(from, title)"""


def claps_s() -> list[int]:
    return [*range(FIRST_CLAP_S, SECONDS, CLAP_EVERY_S)]


def is_clap(frame: int) -> bool:
    return frame >= FIRST_CLAP_S * FPS and (frame - FIRST_CLAP_S * FPS) % (CLAP_EVERY_S * FPS) < CLAP_FRAMES


def pictures(label: str) -> Iterator[Image.Image]:
    """Every frame of the film, in order."""
    ground = Image.linear_gradient("L").resize((WIDTH, HEIGHT))
    ground = Image.merge(
        "RGB", (ground.point([v // 3 for v in range(256)]), ground, Image.new("L", ground.size, 90))
    )
    large, small = ImageFont.load_default(size=34), ImageFont.load_default(size=22)
    for number in range(FRAMES):
        image = ground.copy()
        draw = ImageDraw.Draw(image)
        x, y = _place(number)
        draw.ellipse((x - 30, y - 30, x + 30, y + 30), fill="#f0b429")
        draw.text((WIDTH // 2, 60), label, fill="white", font=large, anchor="ms")
        draw.text((WIDTH // 2, 95), f"{number / FPS:06.3f} s", fill="white", font=small, anchor="ms")
        if is_clap(number):
            draw.rectangle((0, 110, WIDTH, 280), fill="white")
        for bit in range(BITS):
            left = BITS_LEFT_PX + bit * BIT_SIZE_PX
            colour = "white" if number >> (BITS - 1 - bit) & 1 else "black"
            draw.rectangle(
                (left, BITS_TOP_PX, left + BIT_SIZE_PX - 1, BITS_TOP_PX + BIT_SIZE_PX - 1), fill=colour
            )
        yield image


def _place(number: int) -> tuple[float, float]:
    turn = 2 * math.pi * number / (3 * FPS)
    return WIDTH / 2 + 220 * math.cos(turn), 195 + 60 * math.sin(turn)


def tone(language: str) -> "array[float]":
    """The whole sound of one channel."""
    beats = array("f")
    frequency_hz = TONES_HZ[language]
    beep = SAMPLE_RATE_HZ * CLAP_S
    for second in range(SECONDS):
        is_beep_second = second >= FIRST_CLAP_S and (second - FIRST_CLAP_S) % CLAP_EVERY_S == 0
        for n in range(SAMPLE_RATE_HZ):
            if is_beep_second and n < beep:
                beats.append(0.8 * math.sin(2 * math.pi * CLAP_HZ * n / SAMPLE_RATE_HZ))
            else:
                beats.append(0.1 * math.sin(2 * math.pi * frequency_hz * n / SAMPLE_RATE_HZ))
    return beats


def sound(language: str, layout: str, samples_per_frame: int = SAMPLES_PER_FRAME) -> Iterator[AudioFrame]:
    """The sound in planar floats, the same on every channel."""
    whole = tone(language)
    for start in range(0, len(whole), samples_per_frame):
        piece = whole[start : start + samples_per_frame]
        frame = AudioFrame(format="fltp", layout=layout, samples=len(piece))
        for plane in frame.planes:
            # A plane is padded to the encoder's alignment.
            plane.update(piece.tobytes().ljust(plane.buffer_size, b"\0"))
        frame.sample_rate, frame.pts, frame.time_base = SAMPLE_RATE_HZ, start, Fraction(1, SAMPLE_RATE_HZ)
        yield frame


def subrip() -> str:
    return "".join(
        f"{n}\n{_clock(start, ',')} --> {_clock(end, ',')}\n{text}\n\n"
        for n, (start, end, text) in enumerate(CUES, 1)
    )


def ass() -> str:
    head = (
        "[Script Info]\nScriptType: v4.00+\nPlayResX: 640\nPlayResY: 360\n\n[V4+ Styles]\n"
        "Format: Name, Fontname, Fontsize, PrimaryColour, Alignment, MarginL, MarginR, MarginV, Encoding\n"
        "Style: Default,sans-serif,28,&H0000FFFF,2,20,20,20,1\n\n[Events]\n"
        "Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text\n"
    )
    return head + "".join(
        f"Dialogue: 0,{_clock(start, '.')[1:-1]},{_clock(end, '.')[1:-1]},Default,,0,0,0,,{{\\an8}}{text}\n"
        for start, end, text in CUES
    )


def _clock(second: int, point: str) -> str:
    return f"{second // 3600:02}:{second // 60 % 60:02}:{second % 60:02}{point}000"
