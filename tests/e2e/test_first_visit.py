"""From a password to a playing film, at a desk and on a phone."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from playwright.sync_api import ViewportSize, expect

from tests.e2e.visitor import DESK, PHONE
from tests.e2e.visitors import Visitors
from tests.support.box import RunningBox
from tests.support.internet import Internet

SLOW_BYTES_PER_S = 150_000
"""Of each of eight connections: slow enough to be seen on its way, which a film of 2 MB would not be."""


@pytest.fixture
def fresh_box(internet: Internet, tmp_path: Path) -> Iterator[RunningBox]:
    """Nobody has been here yet."""
    box = RunningBox(tmp_path / "data", internet.environment())
    try:
        box.start()
        yield box
    finally:
        box.close()


@pytest.mark.parametrize(
    ("screen", "typed", "title"),
    [
        pytest.param(DESK, "intermis", "The Long Intermission", id="desk, MKV in RAR5 with par2"),
        pytest.param(PHONE, "eleven q", "Eleven Quiet Machines", id="phone, plain MP4"),
    ],
)
def test_from_the_first_visit_to_the_film(
    fresh_box: RunningBox,
    internet: Internet,
    visitors: Visitors,
    screen: ViewportSize,
    typed: str,
    title: str,
) -> None:
    internet.misbehave(nntp={"bytes_per_s": SLOW_BYTES_PER_S})
    owner = visitors.come(fresh_box, screen)
    owner.goto()
    owner.expect_fits()
    owner.set_up()

    expect(owner.page.get_by_test_id("hero-watch")).to_be_visible()
    owner.expect_fits()
    owner.type_search(typed)
    expect(owner.results).to_have_count(1)
    owner.expect_fits()
    owner.results.filter(has_text=title).click()

    expect(owner.page.get_by_role("heading", name=title, level=1)).to_be_visible()
    owner.expect_fits()
    owner.watch_button.click()
    owner.expect_status("downloading")
    owner.expect_fits()
    owner.expect_status("ready")
    owner.expect_playing()
    owner.expect_fits()
    owner.seek(owner.duration_s() - 6)

    tomorrow = datetime.now(UTC) + timedelta(days=1)
    goes = owner.page.get_by_test_id("gone-at")
    expect(goes).to_have_text(re.compile(rf"Ready until {tomorrow:%a},? \d\d:\d\d"))
