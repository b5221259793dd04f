"""From Watch to the first picture on the screen, in a real Chromium."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

from tests.e2e import browsers
from tests.support.box import PASSWORD, RunningBox, wait_for
from tests.support.internet import Internet

from .feature import make_feature
from .figures import Row
from .runs import Bench

MINUTES = 1
RTT_MS, CONNECTIONS = 30, 20
CLICKS = 10
FIRST_MOVIE = 940_001
PATIENCE_MS = 60_000

CLICK = """() => new Promise(resolve => {
    const button = document.querySelector("[data-testid=watch-button]");
    let clicked;
    button.addEventListener("click", () => { clicked = performance.now(); }, { capture: true, once: true });
    const look = () => {
        const video = document.querySelector("[data-testid=player]");
        if (!video) return void requestAnimationFrame(look);
        video.requestVideoFrameCallback(painted => resolve(painted - clicked));
    };
    button.click();
    look();
})"""


def frames(bench: Bench) -> Iterator[Row]:
    """Scale from zero, 1080p H.264 with AC-3 in an MKV: nothing of it plays as it is."""
    with ExitStack() as stack:
        house = House(bench.work / "frames", stack)
        films = [house.premiere(number) for number in range(CLICKS + 1)]
        # The first shows whether it works at all, and fills what is filled once.
        times_s = [house.watch(film) for film in films][1:]
        ready_s = [house.watch(film) for film in films][1:]
    yield Row(f"click → first painted frame, {RTT_MS} ms", times_s, " s", at_most=2.0)
    yield Row("the same of a ready film", ready_s, " s", at_most=0.5)


class House:
    """A box, the sandbox's internet a long way off, and somebody at Chromium."""

    def __init__(self, directory: Path, stack: ExitStack) -> None:
        directory.mkdir()
        self._feature = make_feature(directory / "feature.mkv", MINUTES, "ac3")
        self._internet = Internet(directory / "internet", "--films", "few")
        stack.callback(self._internet.close)
        self._box = RunningBox(directory / "box", self._internet.environment(connections=CONNECTIONS))
        stack.callback(self._box.close)
        self._box.start()
        self._box.sign_in()
        self._internet.misbehave(nntp={"rtt_ms": RTT_MS})
        playwright = stack.enter_context(sync_playwright())
        browser = browsers.start(playwright, "chromium", directory)
        stack.callback(browser.close)
        self._page: Page = browser.new_context(base_url=self._box.url).new_page()
        self._page.request.post("/auth/login", data={"password": PASSWORD})

    def premiere(self, number: int) -> int:
        movie_id = FIRST_MOVIE + number
        imdb_id = f"tt{movie_id}9"
        self._internet.add_title(movie_id, f"Feature {number}", imdb_id)
        name = f"Feature.{number}.2024.1080p.WEB-DL.DD5.1.H.264-BENCH"
        self._internet.post(self._feature, name, imdb_id=imdb_id)
        return movie_id

    def watch(self, movie_id: int) -> float:
        """Seconds; afterwards the film is ready, and no instance is left."""
        self._page.goto(f"/title/{movie_id}")
        button = self._page.get_by_test_id("watch-button")
        button.wait_for(timeout=PATIENCE_MS)
        took_s = float(self._page.evaluate(CLICK)) / 1000
        ticket = self._page.locator("[data-testid=job-status][data-status=ready]")
        ticket.wait_for(timeout=PATIENCE_MS, state="attached")
        self._page.goto("/queue")
        wait_for(lambda: not self._box.instances(), 30)
        return took_s
