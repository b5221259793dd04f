"""From Watch to the first picture on the screen, and on from there, in a real Chromium."""

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

MINUTES, LONG_MINUTES = 1, 2
RTT_MS, CONNECTIONS = 30, 20
CLICKS = 10
WATCHED_S = 60
TIMES_THE_BITRATE = 3
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


STALLS = """watchedMs => new Promise(resolve => {
    const video = document.querySelector("[data-testid=player]");
    const from = video.currentTime;
    let stalls = 0;
    const ahead = () => {
        for (let n = 0; n < video.buffered.length; n++) {
            const [start, end] = [video.buffered.start(n), video.buffered.end(n)];
            if (start <= video.currentTime && video.currentTime < end) return end - video.currentTime;
        }
        return 0;
    };
    // A browser that has no time for pictures waits too, with seconds of them at hand.
    video.addEventListener("waiting", () => { stalls += ahead() < 1; });
    setTimeout(() => resolve([stalls, video.currentTime - from]), watchedMs);
})"""


def frames(bench: Bench) -> Iterator[Row]:
    """Scale from zero, 1080p H.264 with AC-3 in an MKV: nothing of it plays as it is."""
    with ExitStack() as stack:
        house = House(bench.work / "frames", stack)
        films = [house.premiere(number) for number in range(CLICKS + 1)]
        # The first shows whether it works at all, and fills what is filled once.
        times_s = [house.watch(film) for film in films][1:]
        ready_s = [house.watch(film) for film in films][1:]
        stalls, played_s = house.watch_on_a_slow_line(len(films))
    yield Row(f"click → first painted frame, {RTT_MS} ms", times_s, " s", at_most=2.0)
    yield Row("the same of a ready film", ready_s, " s", at_most=0.5)
    line = f"on a line of {TIMES_THE_BITRATE} × its bitrate"
    yield Row(f"stalls in {WATCHED_S} s {line}", [stalls], at_most=0)
    yield Row("played meanwhile", [played_s], " s", at_least=WATCHED_S - 1)


class House:
    """A box, the sandbox's internet a long way off, and somebody at Chromium."""

    def __init__(self, directory: Path, stack: ExitStack) -> None:
        directory.mkdir()
        self._directory = directory
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

    def premiere(self, number: int, minutes: int = MINUTES) -> int:
        movie_id = FIRST_MOVIE + number
        imdb_id = f"tt{movie_id}9"
        self._internet.add_title(movie_id, f"Feature {number}", imdb_id)
        name = f"Feature.{number}.2024.1080p.WEB-DL.DD5.1.H.264-BENCH"
        feature = self._directory / f"feature-{minutes}.mkv"
        if not feature.exists():
            make_feature(feature, minutes, "ac3")
        self._internet.post(feature, name, imdb_id=imdb_id)
        return movie_id

    def watch_on_a_slow_line(self, number: int) -> tuple[float, float]:
        """How often it stalls, and how many seconds of it play."""
        movie_id = self.premiere(number, LONG_MINUTES)
        size_bytes = (self._directory / f"feature-{LONG_MINUTES}.mkv").stat().st_size
        line_bytes_per_s = TIMES_THE_BITRATE * size_bytes / (LONG_MINUTES * 60)
        slow = {"rtt_ms": RTT_MS, "bytes_per_s": round(line_bytes_per_s / CONNECTIONS)}
        self._internet.misbehave(nntp=slow)
        self._page.goto(f"/title/{movie_id}")
        self._page.get_by_test_id("watch-button").wait_for(timeout=PATIENCE_MS)
        self._page.evaluate(CLICK)
        stalls, played_s = self._page.evaluate(STALLS, WATCHED_S * 1000)
        self._internet.misbehave(nntp={"rtt_ms": RTT_MS})
        return stalls, played_s

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
