"""What is seen and heard of a reel of the Codec Club: which picture is on the screen, which tongue sounds."""

from typing import TypedDict, cast

from playwright.sync_api import Locator

from libs.sandbox.club import content
from tests.support.box import wait_for

PATIENCE_S = 20.0
FRAME_S = 1 / content.FPS
BITS_MIDDLE_PX = content.BITS_TOP_PX + content.BIT_SIZE_PX // 2

NUMBER = f"""video => {{
    const canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = [{content.WIDTH}, {content.HEIGHT}];
    const context = canvas.getContext("2d", {{ willReadFrequently: true }});
    context.drawImage(video, 0, 0, canvas.width, canvas.height);
    let number = 0;
    for (let bit = 0; bit < {content.BITS}; bit++) {{
        const x = {content.BITS_LEFT_PX} + (bit + 0.5) * {content.BIT_SIZE_PX};
        const [red, green] = context.getImageData(x, {BITS_MIDDLE_PX}, 1, 1).data;
        number = number * 2 + (red + green > 255 ? 1 : 0);
    }}
    return number;
}}"""

SEEK = """(video, to_s) => new Promise((resolve, reject) => {
    const started = performance.now();
    const give_up = setTimeout(() => reject(new Error(`no picture ${to_s} s after a seek`)), 20000);
    const look = (now, frame) => {
        if (Math.abs(frame.mediaTime - to_s) > 0.3) return void video.requestVideoFrameCallback(look);
        clearTimeout(give_up);
        resolve(performance.now() - started);
    };
    video.requestVideoFrameCallback(look);
    video.currentTime = to_s;
})"""

LISTEN = """video => new Promise((resolve, reject) => {
    // Recorded and measured: an AudioContext stands still in a Firefox on a machine without a sound card.
    const stream = video.captureStream ? video.captureStream() : video.mozCaptureStream();
    const track = stream.getAudioTracks().filter(track => track.readyState == "live").at(-1);
    if (!track) return void resolve(0);
    const recorder = new MediaRecorder(new MediaStream([track]));
    const pieces = [];
    recorder.ondataavailable = event => pieces.push(event.data);
    recorder.onstop = async () => {
        const bytes = await new Blob(pieces).arrayBuffer();
        if (!bytes.byteLength) return void resolve(0);
        const context = new OfflineAudioContext(1, 48000, 48000);
        const levels = (await context.decodeAudioData(bytes)).getChannelData(0);
        const rises = [];
        for (let at = 1; at < levels.length; at++)
            if (levels[at - 1] < 0 && levels[at] >= 0) rises.push(at);
        const periods = rises.slice(1).map((at, n) => at - rises[n]).sort((a, b) => a - b);
        const loudest = levels.reduce((most, level) => Math.max(most, level), 0);
        resolve(periods.length && loudest > 0.01 ? context.sampleRate / periods[periods.length >> 1] : 0);
    };
    recorder.onerror = event => reject(event.error);
    recorder.start();
    setTimeout(() => recorder.stop(), 500);
})"""
"""The pitch in Hz of what sounds for half a second, 0 if nothing does."""


class State(TypedDict):
    """A video element at one moment."""

    time_s: float
    duration_s: float
    frames: int
    dropped: int
    width_px: int
    error: str | None


STATE = """video => {
    const quality = video.getVideoPlaybackQuality();
    return {
        time_s: video.currentTime,
        duration_s: video.duration,
        frames: quality.totalVideoFrames,
        dropped: quality.droppedVideoFrames,
        width_px: video.videoWidth,
        error: video.error && `${video.error.code} ${video.error.message}`,
    };
}"""


class Screen:
    """A video element that shows a reel."""

    def __init__(self, video: Locator) -> None:
        self._video = video

    def state(self) -> State:
        return cast("State", self._video.evaluate(STATE))

    def expect_moving(self) -> None:
        """Time goes on, pictures are decoded, and the one on the screen is the one of that time."""
        wait_for(lambda: self.state()["width_px"], PATIENCE_S, self.state)
        first = self.state()

        def moved() -> bool:
            now = self.state()
            return now["time_s"] > first["time_s"] + 0.3 and now["frames"] > first["frames"]

        wait_for(moved, PATIENCE_S, self.state)

    def expect_past(self, second: float, rate: float) -> None:
        """Plays on, so many times as fast, until it is past that second."""
        self._video.evaluate("(video, rate) => { video.playbackRate = rate }", rate)
        wait_for(lambda: self.state()["time_s"] > second, 3 * PATIENCE_S, self.state)
        self._video.evaluate("video => { video.playbackRate = 1 }")

    def pause(self) -> None:
        self._video.evaluate("video => video.pause()")

    def play(self) -> None:
        self._video.evaluate("video => video.play()")

    def seek(self, to_s: float) -> float:
        """Milliseconds until a picture from there is on the screen."""
        return float(self._video.evaluate(SEEK, to_s))

    def number(self) -> int:
        """The number of the frame on the screen, as it is drawn there."""
        return int(self._video.evaluate(NUMBER))

    def language(self) -> str | None:
        """The language that sounds now."""
        heard_hz = float(self._video.evaluate(LISTEN))
        near = min(content.TONES_HZ.items(), key=lambda tone: abs(tone[1] - heard_hz))
        return near[0] if abs(near[1] - heard_hz) < 40 else None

    def expect_language(self, language: str) -> None:
        wait_for(lambda: self.language() == language, PATIENCE_S, self.language)
