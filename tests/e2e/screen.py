"""What is seen and heard of a film of the Codec Club: which picture is on the screen, which language sounds."""

from collections.abc import Mapping
from typing import TypedDict, cast

from playwright.sync_api import Locator

from libs.sandbox.club import content
from tests.support.box import wait_for

PATIENCE_S = 20.0
FRAME_S = 1 / content.FPS

NUMBER = f"""video => {{
    const canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = [{content.WIDTH}, {content.HEIGHT}];
    const context = canvas.getContext("2d", {{ willReadFrequently: true }});
    context.drawImage(video, 0, 0, canvas.width, canvas.height);
    let number = 0;
    for (let bit = 0; bit < {content.BITS}; bit++) {{
        const x = {content.BITS_LEFT_PX} + (bit + 0.5) * {content.BIT_SIZE_PX};
        const [red, green] = context.getImageData(x, {content.BITS_TOP_PX + content.BIT_SIZE_PX / 2}, 1, 1).data;
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

LISTEN = """async video => {
    if (!video.listener) {
        const stream = video.captureStream ? video.captureStream() : video.mozCaptureStream();
        const context = new AudioContext();
        const analyser = context.createAnalyser();
        analyser.fftSize = 8192;
        analyser.smoothingTimeConstant = 0;
        const listen = () => {
            const tracks = stream.getAudioTracks();
            if (tracks.length) context.createMediaStreamSource(new MediaStream([tracks[0]])).connect(analyser);
        };
        stream.addEventListener("addtrack", listen);
        listen();
        await context.resume();
        video.listener = analyser;
    }
    const levels = new Float32Array(video.listener.frequencyBinCount);
    video.listener.getFloatFrequencyData(levels);
    const loudest = levels.reduce((best, level, at) => (level > levels[best] ? at : best), 0);
    if (levels[loudest] < -70) return 0;
    return loudest * video.listener.context.sampleRate / video.listener.fftSize;
}"""


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


LANGUAGES: Mapping[str, str] = {"eng": "English", "fra": "French", "deu": "German"}
