"""A person at a browser: what is typed and pressed on the page, and what is to be seen there."""

import re
from typing import TypedDict, cast

from playwright.sync_api import BrowserContext, ConsoleMessage, Locator, Page, ViewportSize, WebError, expect

from tests.support.box import PASSWORD, wait_for

DESK = ViewportSize(width=1280, height=900)
PHONE = ViewportSize(width=390, height=844)

PATIENCE_MS = 45_000
"""For what takes a download; a page alone answers within `expect`'s own time."""

SIGNED_OUT_REFUSAL = re.compile(r"status of 401 .*/auth/refresh$")
"""What Chromium itself writes when the page asks, as it must, whether an old session can be renewed."""

BROKEN_SHOWING = re.compile(r"(net::ERR_\w+|status of (40[049]|50\d)) .*/v1/(stream/|session/start)")
"""And what it writes when a film that is still being fetched breaks off; the page then goes on."""


class Picture(TypedDict):
    """What a video element shows at one moment."""

    time_s: float
    frames: int
    width_px: int
    seeking: bool


class Visitor:
    """One browser of somebody's own: cookies, a window, and what the page complains about in its console."""

    def __init__(self, context: BrowserContext) -> None:
        self._expected = [SIGNED_OUT_REFUSAL, BROKEN_SHOWING]
        self.complaints: list[str] = []
        context.on("console", self._heard)
        context.on("weberror", self._broke)
        self.page: Page = context.new_page()

    def _heard(self, message: ConsoleMessage) -> None:
        text = f"{message.text} {message.location['url']}"
        if message.type == "error" and not any(e.search(text) for e in self._expected):
            self.complaints.append(text)

    def _broke(self, error: WebError) -> None:
        self.complaints.append(str(error.error))

    def expect_complaint(self, pattern: str) -> None:
        """The console may say this: it is what the test is about."""
        self._expected.append(re.compile(pattern))

    # The way in -------------------------------------------------------------------------------------------

    def goto(self, path: str = "/") -> None:
        self.page.goto(path)

    def set_up(self, password: str = PASSWORD) -> None:
        self.page.get_by_test_id("setup-password").fill(password)
        self.page.get_by_test_id("setup-submit").click()

    def sign_in(self, password: str = PASSWORD) -> None:
        self.page.get_by_test_id("login-password").fill(password)
        self.page.get_by_test_id("login-submit").click()

    def expect_inside(self) -> None:
        expect(self.search_box).to_be_visible()

    # What is on the page ----------------------------------------------------------------------------------

    @property
    def search_box(self) -> Locator:
        return self.page.get_by_test_id("search-box")

    @property
    def results(self) -> Locator:
        return self.page.get_by_test_id("result-card")

    @property
    def watch_button(self) -> Locator:
        return self.page.get_by_test_id("watch-button")

    @property
    def ticket(self) -> Locator:
        return self.page.get_by_test_id("job-status")

    @property
    def player(self) -> Locator:
        return self.page.get_by_test_id("player")

    @property
    def release_rows(self) -> Locator:
        return self.page.get_by_test_id("release-row")

    def type_search(self, words: str) -> None:
        """Letter by letter, and no Enter: results come as one types."""
        self.search_box.fill("")
        self.search_box.press_sequentially(words, delay=30)

    def expect_status(self, status: str | re.Pattern[str]) -> None:
        expect(self.ticket).to_have_attribute("data-status", status, timeout=PATIENCE_MS)

    def progress(self) -> float:
        """The percentage that the ticket of a film on its way shows."""
        shown = self.ticket.get_by_role("progressbar").get_attribute("aria-valuenow")
        return float(shown or 0)

    # The film ---------------------------------------------------------------------------------------------

    def expect_playing(self) -> None:
        """Pictures come one after the other, by itself, without a press on play."""
        expect(self.player).to_be_visible(timeout=PATIENCE_MS)
        wait_for(lambda: self._picture()["width_px"] > 0, 15, self._picture)
        first = self._picture()
        wait_for(lambda: self._has_moved(first, first["time_s"] + 0.4), 15, self._picture)

    def seek(self, to_s: float) -> None:
        """To a place that was not played yet; it goes on from there."""
        self.player.evaluate("(video, to_s) => { video.currentTime = to_s }", to_s)
        wait_for(lambda: not self._picture()["seeking"], 15, self._picture)
        there = self._picture()
        assert there["time_s"] > to_s - 0.001, there  # browsers round to microseconds
        wait_for(lambda: self._has_moved(there, to_s + 0.3), 15, self._picture)

    def choose(self, menu: str, label: str) -> None:
        """Another one in a menu of the player's, by what the label begins with."""
        self.player.hover()
        button = self.page.get_by_test_id(menu)
        button.click()
        self.page.get_by_role("radio", name=re.compile(f"^{label}")).first.click()
        if button.get_attribute("aria-expanded") == "true":
            button.click()

    def duration_s(self) -> float:
        return float(self.player.evaluate("video => video.duration"))

    def _has_moved(self, before: Picture, at_least_s: float) -> bool:
        now = self._picture()
        return now["time_s"] >= at_least_s and now["frames"] > before["frames"]

    def _picture(self) -> Picture:
        seen = self.player.evaluate(
            """video => ({
                time_s: video.currentTime,
                frames: video.getVideoPlaybackQuality().totalVideoFrames,
                width_px: video.videoWidth,
                seeking: video.seeking,
            })"""
        )
        return cast("Picture", seen)

    # How it looks -----------------------------------------------------------------------------------------

    def expect_fits(self) -> None:
        """Nothing is wider than the window: no sideways scroll."""
        size = self.page.viewport_size
        assert size
        widths = self.page.evaluate("[document.documentElement.scrollWidth, document.body.scrollWidth]")
        assert max(widths) <= size["width"], self.page.url
