"""Draws a title's poster (500x750) and backdrop (1280x720): bold flat shapes and a large title."""

import io
import math
import random
from collections.abc import Callable
from functools import partial

from PIL import Image, ImageDraw, ImageFont

from libs.sandbox.titles import Title

POSTER_SIZE = (500, 750)
BACKDROP_SIZE = (1280, 720)
OVERSAMPLING = 2
"""Pillow draws shapes without smooth edges: everything is drawn larger and scaled down."""

Size = tuple[int, int]
Motif = Callable[[ImageDraw.ImageDraw, Size, random.Random, Title], None]


def draw_poster(title: Title, width: int = POSTER_SIZE[0]) -> bytes:
    """A JPEG of the poster, `width` pixels wide and half as high again."""
    canvas = _with_dark_foot(_scene(title, POSTER_SIZE), title)
    _typeset(canvas, title, (POSTER_SIZE[0] - 70, 250), lowest=POSTER_SIZE[1] - 84)
    _credits(canvas, title)
    return _jpeg(canvas, (width, width * POSTER_SIZE[1] // POSTER_SIZE[0]))


def draw_backdrop(title: Title, width: int = BACKDROP_SIZE[0]) -> bytes:
    """A JPEG of the backdrop in 16:9, `width` pixels wide, without any words on it."""
    return _jpeg(_scene(title, BACKDROP_SIZE), (width, width * BACKDROP_SIZE[1] // BACKDROP_SIZE[0]))


def _jpeg(canvas: Image.Image, size: tuple[int, int]) -> bytes:
    out = io.BytesIO()
    canvas.resize(size, Image.Resampling.LANCZOS).save(out, "JPEG", quality=88)
    return out.getvalue()


def _scene(title: Title, size: tuple[int, int]) -> Image.Image:
    large = (size[0] * OVERSAMPLING, size[1] * OVERSAMPLING)
    canvas = _sky(title, large)
    motif = _MOTIFS[title.id % len(_MOTIFS)]
    motif(ImageDraw.Draw(canvas), large, random.Random(title.id), title)
    return canvas


def _sky(title: Title, size: tuple[int, int]) -> Image.Image:
    gradient = Image.linear_gradient("L").resize(size)
    return Image.composite(
        Image.new("RGB", size, title.palette[1]), Image.new("RGB", size, title.palette[0]), gradient
    )


def _with_dark_foot(canvas: Image.Image, title: Title) -> Image.Image:
    """Darkens the lower half towards the edge, so that words stand on any motif."""
    shade = Image.linear_gradient("L").point([max(0, 2 * value - 255) * 9 // 10 for value in range(256)])
    foot = Image.new("RGB", canvas.size, _darker(title.palette[0], 0.55))
    return Image.composite(foot, canvas, shade.resize(canvas.size))


def _disc(draw: ImageDraw.ImageDraw, x: float, y: float, radius: float, fill: str) -> None:
    draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=fill)


def _hills(draw: ImageDraw.ImageDraw, size: Size, rng: random.Random, title: Title) -> None:
    width, height = size
    sky, land, accent, ink = title.palette
    _disc(draw, width * rng.uniform(0.35, 0.65), height * 0.34, height * 0.17, accent)
    _disc(draw, width * 0.2, height * 0.14, height * 0.012, ink)
    for layer, fill in enumerate((land, _darker(land, 0.75), _darker(sky, 0.8))):
        base = height * (0.5 + 0.13 * layer)
        turns, phase = rng.uniform(1.2, 2.6), rng.uniform(0, 6)
        ridge = [
            (width * n / 60, base + height * 0.05 * math.sin(phase + turns * 2 * math.pi * n / 60))
            for n in range(61)
        ]
        draw.polygon([(0, height), *ridge, (width, height)], fill=fill)


def _rays(draw: ImageDraw.ImageDraw, size: Size, rng: random.Random, title: Title) -> None:
    width, height = size
    sky, land, accent, ink = title.palette
    x, y = width * 0.5, height * 0.42
    reach, count = float(width + height), rng.choice((14, 18, 22))
    for n in range(count):
        start, end = 2 * math.pi * n / count, 2 * math.pi * (n + 0.5) / count
        corners = [(x + reach * math.cos(a), y + reach * math.sin(a)) for a in (start, end)]
        draw.polygon([(x, y), *corners], fill=_darker(land, 0.82))
    for share, fill in ((0.24, sky), (0.2, accent), (0.12, ink), (0.06, accent)):
        _disc(draw, x, y, height * share, fill)
    draw.rectangle((0, height * 0.78, width, height), fill=_darker(sky, 0.7))


def _city(draw: ImageDraw.ImageDraw, size: Size, rng: random.Random, title: Title) -> None:
    width, height = size
    sky, land, accent, ink = title.palette
    _disc(draw, width * 0.7, height * 0.26, height * 0.13, ink)
    _disc(draw, width * 0.7 + height * 0.05, height * 0.24, height * 0.11, title.palette[0])
    unit = width // 12
    for layer, fill in enumerate((_darker(land, 0.85), _darker(sky, 0.75))):
        for column in range(-1, 13):
            top = int(height * rng.uniform(0.38 + 0.16 * layer, 0.6 + 0.14 * layer))
            left = column * unit + layer * unit // 2
            draw.rectangle((left, top, left + unit - unit // 12, height), fill=fill)
            _windows(draw, (left, top, unit), height, rng, accent)


def _windows(
    draw: ImageDraw.ImageDraw, house: tuple[int, int, int], height: int, rng: random.Random, fill: str
) -> None:
    left, top, unit = house
    pane = unit // 6
    for y in range(top + pane, int(height * 0.9), pane * 2):
        for x in range(left + pane, left + unit - pane, pane * 2):
            if rng.random() < 0.22:
                draw.rectangle((x, y, x + pane * 0.8, y + pane), fill=fill)


def _waves(draw: ImageDraw.ImageDraw, size: Size, rng: random.Random, title: Title) -> None:
    width, height = size
    sky, land, accent, ink = title.palette
    _disc(draw, width * 0.5, height * 0.4, height * 0.2, accent)
    draw.polygon(
        [
            (width * 0.5, height * 0.22),
            (width * 0.5, height * 0.5),
            (width * 0.5 + height * 0.13, height * 0.5),
        ],
        fill=ink,
    )
    draw.polygon(
        [
            (width * 0.49, height * 0.29),
            (width * 0.49, height * 0.5),
            (width * 0.49 - height * 0.08, height * 0.5),
        ],
        fill=_darker(ink, 0.85),
    )
    for layer in range(6):
        fill = _darker(land, 0.95 - 0.1 * layer) if layer % 2 else _darker(sky, 0.95 - 0.06 * layer)
        base, phase = height * (0.5 + 0.075 * layer), rng.uniform(0, 6)
        crest = [(width * n / 80, base + height * 0.018 * abs(math.sin(phase + n / 5))) for n in range(81)]
        draw.polygon([(0, height), *crest, (width, height)], fill=fill)


_MOTIFS: tuple[Motif, ...] = (_hills, _rays, _city, _waves)


def _darker(colour: str, factor: float) -> str:
    return "#" + "".join(f"{int(int(colour[i : i + 2], 16) * factor):02x}" for i in (1, 3, 5))


def _typeset(canvas: Image.Image, title: Title, box: tuple[int, int], *, lowest: int) -> None:
    """The title in capitals, in the largest type whose lines fit the box, standing on `lowest`."""
    draw = ImageDraw.Draw(canvas)
    width, height = box[0] * OVERSAMPLING, box[1] * OVERSAMPLING
    fits = partial(_fit, title.title.upper().split(), width, height)
    size = next(size for size in range(86, 19, -2) if size == 20 or fits(size * OVERSAMPLING))
    font = ImageFont.load_default(size=size * OVERSAMPLING)
    lines = _wrap(title.title.upper().split(), font, width)
    step = size * OVERSAMPLING * 1.06
    y = lowest * OVERSAMPLING - step * (len(lines) - 1)
    for line in lines:
        draw.text((35 * OVERSAMPLING, y), line, fill=title.palette[3], font=font, anchor="ls", stroke_width=2)
        y += step


def _fit(words: list[str], width: int, height: int, size: int) -> bool:
    font = ImageFont.load_default(size=size)
    lines = _wrap(words, font, width)
    return all(font.getlength(line) <= width for line in lines) and len(lines) * size * 1.06 <= height


def _wrap(words: list[str], font: ImageFont.FreeTypeFont | ImageFont.ImageFont, width: int) -> list[str]:
    lines: list[str] = []
    for word in words:
        if lines and font.getlength(f"{lines[-1]} {word}") <= width:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    return lines


def _credits(canvas: Image.Image, title: Title) -> None:
    draw = ImageDraw.Draw(canvas)
    left, base = 35 * OVERSAMPLING, (POSTER_SIZE[1] - 36) * OVERSAMPLING
    director = next((name for name, job, _ in title.crew if job == "Director"), "")
    words = f"{title.year}   A FILM BY {director.upper()}" if director else str(title.year)
    draw.rectangle((left, base - 54, left + 120, base - 46), fill=title.palette[2])
    draw.text((left, base), words, fill=title.palette[3], font=ImageFont.load_default(size=32), anchor="ls")
