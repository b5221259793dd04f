"""Previews: the right picture in the right cell, however the sheet was made, and nothing absurd."""

import io
import re
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from services.downloader.errors import Unreadable
from services.downloader.media import sprites, tones
from services.downloader.media.sprites import COLUMNS, ROWS, SHEETS_MAX, WIDTH, NoPreviews, Plan
from tests.support.subtitled import FPS, GOP_S, film

CLOCK = r"(\d+):(\d\d):(\d\d)\.(\d{3})"
SLOT = re.compile(rf"{CLOCK} --> {CLOCK}\nsprites-(\d+)\.jpg#xywh=(\d+),(\d+),(\d+),(\d+)")


def slots(vtt: str) -> list[tuple[float, float, int, int, int]]:
    """Start and end in s, sheet, and the place of the cell."""
    found = [[int(part) for part in slot] for slot in SLOT.findall(vtt)]
    assert len(found) == vtt.count("-->")
    return [
        (h * 3600 + m * 60 + s + ms / 1000, hh * 3600 + mm * 60 + ss + mms / 1000, sheet, x, y)
        for h, m, s, ms, hh, mm, ss, mms, sheet, x, y, _, _ in found
    ]


def brightness(sheet: bytes, x: int, y: int, height: int) -> int:
    with Image.open(io.BytesIO(sheet)) as image:
        return image.convert("L").getpixel((x + WIDTH // 2, y + height // 2))


def expected(at_s: float) -> float:
    """The studio film's gray at the keyframe before, brought from limited to full range."""
    number = int(at_s // GOP_S) * GOP_S * FPS % 200
    return min(max((number - 16) * 255 / 219, 0), 255)


@pytest.mark.parametrize(("container", "first_ms"), [("matroska", 0), ("mp4", 0), ("matroska", 2000)])
def test_a_cell_shows_the_picture_of_its_time(container: str, first_ms: int) -> None:
    with film(container, [], seconds=125, first_ms=first_ms) as made:
        how = sprites.plan(125, 64, 36)
        sheets = {number: sprites.sheet(made, how, number) for number in range(how.sheets)}
    for start_s, _, number, x, y in [*slots(sprites.vtt(how, [0])), *slots(sprites.vtt(how, [1]))]:
        assert abs(brightness(sheets[number], x, y, how.height) - expected(start_s)) <= 6, start_s


def test_a_sheet_made_row_by_row_is_the_same() -> None:
    with film("matroska", [], seconds=125) as made:
        how = sprites.plan(125, 64, 36)
        rows = [sprites.strip(made, how, 1, row) for row in (1, 0)]
        assert sprites.joined(how, rows[::-1]) == sprites.sheet(made, how, 1)
        with pytest.raises(NoPreviews, match="no row 2"):
            sprites.strip(made, how, 1, 2)


@pytest.mark.parametrize(
    ("width", "height", "tall"),
    [(1920, 1080, 180), (1920, 804, 134), (720, 576, 256), (100, 4000, 640), (4000, 100, 90)],
)
def test_the_shape_of_the_picture_is_kept(width: int, height: int, tall: int) -> None:
    assert sprites.plan(7200, width, height).height == tall


@pytest.mark.parametrize(
    ("duration_s", "width", "height"), [(0, 10, 10), (1e9, 10, 10), (60, 0, 10), (60, 40_000, 40_000)]
)
def test_absurd_films_are_refused(duration_s: float, width: int, height: int) -> None:
    with pytest.raises(NoPreviews):
        sprites.plan(duration_s, width, height)


def test_a_film_that_is_none_or_has_no_picture_is_refused() -> None:
    how = sprites.plan(60, 64, 36)
    for broken in (b"", b"hello" * 1000):
        with pytest.raises(Unreadable):
            sprites.strip(io.BytesIO(broken), how, 0, 0)


def test_damage_costs_only_the_pictures_in_it() -> None:
    with film("matroska", [], seconds=125) as made:
        data = bytearray(made.getvalue())
    data[len(data) // 3 : len(data) // 2] = bytes(len(data) // 2 - len(data) // 3)
    how = sprites.plan(125, 64, 36)
    sheet = sprites.sheet(io.BytesIO(data), how, 1)
    start_s, _, _, x, y = slots(sprites.vtt(how, [1]))[2]
    assert abs(brightness(sheet, x, y, how.height) - expected(start_s)) <= 6


@given(st.floats(1, 90 * 3600), st.sets(st.integers(1, SHEETS_MAX)))
def test_every_moment_has_one_preview(duration_s: float, fine: set[int]) -> None:
    how = sprites.plan(duration_s, 1920, 1080)
    assert how.sheets <= SHEETS_MAX + 1
    assert len(how.times(0)) <= COLUMNS * ROWS
    found = slots(sprites.vtt(how, {0, *(number for number in fine if number < how.sheets)}))
    assert found[0][0] == 0
    assert abs(found[-1][1] - duration_s) < 0.01
    assert all(first[1] == second[0] for first, second in pairwise(found))


def test_wide_tones_come_down_to_what_a_screen_shows() -> None:
    tables = (tones.BRIGHTNESS, tones.COLOUR)
    assert all(list(table) == sorted(table) for table in tables)
    # Paper white (203 nits, 58 % of PQ) is bright, a lamp of 1,000 nits white, black black, and gray gray.
    assert (tones.BRIGHTNESS[0], tones.BRIGHTNESS[255], tones.COLOUR[128]) == (0, 255, 128)
    assert 170 <= tones.BRIGHTNESS[148] <= 210
    assert tones.BRIGHTNESS[192] >= 245


def test_plan_is_plain_data() -> None:
    assert sprites.plan(7200, 1920, 1080) == Plan(duration_s=7200, height=180, coarse_s=72, fine_s=10)
