"""The player: what its buttons and keys do, what it keeps, and what it says."""

import re

import pytest
from playwright.sync_api import Locator, expect

from tests.e2e.visitor import PHONE, Visitor
from tests.e2e.visitors import Visitors
from tests.support.box import RunningBox, wait_for
from tests.support.internet import Internet

MOVIE_ID = 900004
"""The shortest of a few: 28 s."""

FINGER_PX = 44


@pytest.fixture
def ready(internet: Internet, box: RunningBox) -> str:
    """A film's page, whose film is there."""
    box.fetch(MOVIE_ID)
    wait_for(lambda: box.get(f"/movies/{MOVIE_ID}").json()["job_status"]["status"] == "ready", 45)
    return f"/title/{MOVIE_ID}"


@pytest.fixture
def viewer(ready: str, owner: Visitor) -> Visitor:
    """At a desk, the film plays."""
    owner.goto(ready)
    owner.watch_button.click()
    owner.expect_playing()
    return owner


@pytest.fixture
def finger(ready: str, box: RunningBox, visitors: Visitors) -> Visitor:
    """On a phone, the film plays."""
    visitor = visitors.come(box, PHONE)
    visitor.goto(ready)
    visitor.sign_in()
    visitor.watch_button.click()
    visitor.expect_playing()
    return visitor


def value(visitor: Visitor, name: str) -> float:
    """A property of the video element."""
    return float(visitor.player.evaluate(f"video => Number(video.{name})"))


def expect_value(visitor: Visitor, name: str, wanted: float, within: float = 0.001) -> None:
    wait_for(lambda: abs(value(visitor, name) - wanted) <= within, 10, lambda: value(visitor, name))


def control(visitor: Visitor, name: str) -> Locator:
    return visitor.page.get_by_test_id(name)


def pause(visitor: Visitor) -> None:
    visitor.page.keyboard.press("k")
    expect_value(visitor, "paused", 1)


def test_buttons(viewer: Visitor) -> None:
    viewer.player.hover()
    control(viewer, "toggle-button").click()
    expect_value(viewer, "paused", 1)
    viewer.page.get_by_role("slider", name="Place in the film").fill("12")
    expect_value(viewer, "currentTime", 12, within=0.1)
    expect(control(viewer, "clock")).to_contain_text("0:12")
    viewer.page.get_by_role("button", name="10 seconds back").click()
    expect_value(viewer, "currentTime", 2, within=0.1)
    viewer.page.get_by_role("button", name="10 seconds on").click()
    expect_value(viewer, "currentTime", 12, within=0.1)
    control(viewer, "mute-button").click()
    expect_value(viewer, "muted", 1)
    viewer.page.get_by_role("slider", name="Volume").fill("0.5")
    expect_value(viewer, "muted", 0)
    expect_value(viewer, "volume", 0.5)
    control(viewer, "rate-button").click()
    viewer.page.get_by_role("radio", name="1.5×").click()
    expect_value(viewer, "playbackRate", 1.5)
    viewer.page.keyboard.press("Escape")
    expect(viewer.page.get_by_role("radio")).to_have_count(0)
    expect(control(viewer, "rate-button")).to_be_focused()
    control(viewer, "fullscreen-button").click()
    expect(viewer.page.get_by_role("button", name="Leave full screen")).to_be_visible()
    viewer.page.keyboard.press("f")
    expect(viewer.page.get_by_role("button", name="Full screen", exact=True)).to_be_visible()


def test_keys(viewer: Visitor) -> None:
    keyboard = viewer.page.keyboard
    pause(viewer)
    keyboard.press("5")
    expect_value(viewer, "currentTime", viewer.duration_s() / 2, within=0.1)
    middle_s = value(viewer, "currentTime")
    for key, moved_s in (("l", 10), ("j", 0), ("ArrowRight", 5), ("ArrowLeft", 0)):
        keyboard.press(key)
        expect_value(viewer, "currentTime", middle_s + moved_s, within=0.1)
    keyboard.press("m")
    expect_value(viewer, "muted", 1)
    keyboard.press("m")
    keyboard.press("ArrowDown")
    expect_value(viewer, "volume", 0.95)
    keyboard.press(">")
    expect_value(viewer, "playbackRate", 1.25)
    keyboard.press("<")
    expect_value(viewer, "playbackRate", 1)
    keyboard.press(" ")
    expect_value(viewer, "paused", 0)

    keyboard.press("?")
    expect(viewer.page.get_by_role("group", name="Keys")).to_be_visible()
    keyboard.press("Escape")
    expect(viewer.page.get_by_role("group", name="Keys")).to_have_count(0)
    # A key that is pressed elsewhere is no command.
    viewer.page.get_by_test_id("choose-release").press("k")
    expect_value(viewer, "paused", 0)
    viewer.player.hover()
    control(viewer, "seek-bar").press("Escape")
    expect(viewer.player).to_have_count(0)


def test_the_seek_bar_says_where_it_leads(viewer: Visitor) -> None:
    pause(viewer)
    bar = control(viewer, "seek-bar")
    box = bar.bounding_box()
    assert box
    viewer.page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    expect(control(viewer, "seek-preview")).to_contain_text("0:14")
    viewer.page.mouse.down()
    viewer.page.mouse.up()
    expect_value(viewer, "currentTime", viewer.duration_s() / 2, within=0.3)
    expect(bar).to_have_attribute("aria-valuetext", re.compile(r"^1\d seconds of 2\d seconds$"))


def test_the_controls_go_while_nobody_moves(viewer: Visitor) -> None:
    toggle = control(viewer, "toggle-button")
    viewer.player.hover()
    expect(toggle).to_be_visible()
    expect(toggle).to_be_hidden(timeout=6_000)
    viewer.page.keyboard.press("m")
    expect(toggle).to_be_visible()
    pause(viewer)
    viewer.page.wait_for_timeout(3_500)
    expect(toggle).to_be_visible()


def test_a_film_goes_on_where_it_was_left(viewer: Visitor) -> None:
    pause(viewer)
    viewer.page.keyboard.press("5")
    expect_value(viewer, "currentTime", viewer.duration_s() / 2, within=0.1)
    viewer.page.get_by_role("button", name="Close the player").click()
    viewer.page.reload()
    viewer.watch_button.click()
    viewer.expect_playing()
    expect(control(viewer, "picked-up")).to_have_text("Picked up at 0:14")
    assert value(viewer, "currentTime") > 13
    viewer.page.get_by_role("button", name="From the start").click()
    wait_for(lambda: value(viewer, "currentTime") < 5, 10)

    viewer.seek(viewer.duration_s() - 1)
    expect_value(viewer, "ended", 1)
    viewer.page.reload()
    viewer.watch_button.click()
    viewer.expect_playing()
    expect(control(viewer, "picked-up")).to_have_count(0)
    assert value(viewer, "currentTime") < 10


def test_on_a_phone(finger: Visitor) -> None:
    finger.expect_fits()
    toggle = control(finger, "toggle-button")
    wait_for(toggle.is_hidden, 8)
    finger.player.tap(position={"x": 20, "y": 90})
    expect(toggle).to_be_visible()
    toggle.tap()
    expect_value(finger, "paused", 1)
    buttons = finger.page.get_by_role("region", name=re.compile("^Now playing")).get_by_role("button")
    for button in buttons.all():
        size = button.bounding_box()
        assert size
        assert min(size["width"], size["height"]) >= FINGER_PX, button.inner_html()
        assert 0 <= size["x"] <= PHONE["width"] - size["width"], button.inner_html()
    control(finger, "rate-button").tap()
    finger.page.get_by_role("radio", name="2×").tap()
    expect_value(finger, "playbackRate", 2)
    finger.expect_fits()


def test_what_this_browser_cannot_play_is_said(ready: str, owner: Visitor) -> None:
    """A browser that has sound alone."""
    owner.page.add_init_script("MediaSource.isTypeSupported = type => type.startsWith('audio/')")
    owner.goto(ready)
    owner.watch_button.click()
    trouble = control(owner, "player-trouble")
    expect(trouble).to_contain_text("choose another release")
    trouble.get_by_role("button", name="Choose another release").click()
    expect(owner.page.get_by_role("dialog")).to_be_visible()
