"""What is beside a film's pictures: its captions, fetched or not, and small pictures over the seek bar."""

import re

import pytest
from playwright.sync_api import expect

from libs.sandbox.club.making import made
from libs.sandbox.club.reels import reel
from tests.e2e.premieres import BEST, Premieres
from tests.e2e.screen import Screen
from tests.e2e.visitor import PATIENCE_MS, Visitor
from tests.support.box import wait_for
from tests.support.internet import FILMS, Internet

pytestmark = pytest.mark.parametrize("browser", ["chromium", "firefox"], indirect=True, scope="module")

REEL = "h264-three-sounds.mkv"
"""Its SubRip is English, its ASS French; each says from which second on its words are there, for two."""
BYTES_PER_S = 25_000

SHOWN = """video => [video.currentTime, [...video.textTracks].filter(track => track.mode == "showing")
    .flatMap(track => [...track.activeCues]).map(cue => cue.text)]"""
SHEET = """async sprite => {
    const image = new Image();
    image.src = getComputedStyle(sprite).backgroundImage.slice(5, -2);
    await image.decode();
    return image.naturalWidth;
}"""


def says_what_it_should(visitor: Visitor) -> bool:
    """One cue is shown, and it is the one of this moment."""
    at_s, cues = visitor.player.evaluate(SHOWN)
    if len(cues) != 1:
        return False
    found = re.search(r"Words from second (\d+) on", cues[0])
    assert found, cues
    from_s = int(found[1])
    # The clock is read a moment before or after the browser has looked for its cues.
    assert from_s - 0.3 <= at_s <= from_s + 2.3, (at_s, cues)
    return True


def expect_words(visitor: Visitor) -> None:
    wait_for(lambda: says_what_it_should(visitor), 15, lambda: visitor.player.evaluate(SHOWN))


@pytest.fixture
def watched(internet: Internet, premieres: Premieres, owner: Visitor, browser: object) -> Visitor:
    """Somebody has pressed Watch, and the film is slow to come."""
    path = made(reel(REEL), FILMS)
    film = premieres.give("Reel with words", BEST, film=path)
    internet.misbehave(nntp={"bytes_per_s": BYTES_PER_S})
    owner.goto(film.path)
    owner.watch_button.click()
    expect(owner.player).to_be_visible(timeout=PATIENCE_MS)
    Screen(owner.player).expect_moving()
    return owner


def test_captions_and_previews(watched: Visitor, internet: Internet) -> None:
    screen = Screen(watched.player)
    watched.choose("captions-button", "English")
    expect_words(watched)
    watched.expect_status(re.compile("^(?!ready)"))
    watched.choose("captions-button", "French")
    expect_words(watched)
    internet.misbehave()
    watched.expect_status("ready")

    # A session that began before goes on, also with what it has not asked for yet.
    for to_s in (14.2, 2.2):
        screen.seek(to_s)
        expect_words(watched)
    watched.choose("captions-button", "Off")
    assert watched.player.evaluate(SHOWN)[1] == []

    watched.page.reload()
    watched.watch_button.click()
    screen.expect_moving()
    watched.choose("captions-button", "English")
    expect_words(watched)
    screen.seek(20.2)
    expect_words(watched)

    watched.player.hover()
    box = watched.page.get_by_test_id("seek-bar").bounding_box()
    assert box
    watched.page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    sprite = watched.page.get_by_test_id("seek-preview").locator(".sprite")
    expect(sprite).to_be_visible()
    assert sprite.evaluate(SHEET) == 3200
