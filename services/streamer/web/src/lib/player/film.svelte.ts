import { keepVolume, keptVolume } from "./preferences";
import { nextRate } from "./keys";

export interface Span {
  startS: number;
  endS: number;
}

type Watched =
  | "play" | "pause" | "ended" | "timeupdate" | "durationchange" | "progress" | "volumechange" | "ratechange"
  | "waiting" | "playing" | "seeking" | "seeked" | "canplay" | "emptied" | "loadedmetadata" | "error";

/** What the video element does, as state to draw from, and what can be asked of it. */
export class Film {
  timeS = $state(0);
  durationS = $state(0);
  isPaused = $state(true);
  isStalled = $state(true);
  hasEnded = $state(false);
  buffered = $state.raw<readonly Span[]>([]);
  volume = $state(1);
  isMuted = $state(false);
  rate = $state(1);
  #video: HTMLVideoElement | null = null;

  /** Follows this element; the answer ends it. */
  follow(video: HTMLVideoElement): () => void {
    this.#video = video;
    video.volume = keptVolume();
    const stop = new AbortController();
    const on = (names: readonly Watched[], then: () => void) => {
      for (const name of names) video.addEventListener(name, then, { signal: stop.signal });
    };
    on(["play", "pause", "ended", "emptied"], () => {
      this.isPaused = video.paused;
      this.hasEnded = video.ended;
    });
    on(["timeupdate", "seeking", "seeked", "emptied", "loadedmetadata"], () => {
      this.timeS = video.currentTime;
      this.hasEnded = video.ended;
    });
    on(["durationchange", "loadedmetadata"], () => {
      this.durationS = Number.isFinite(video.duration) ? video.duration : 0;
    });
    on(["progress", "timeupdate", "emptied", "seeked"], () => (this.buffered = spans(video.buffered)));
    on(["volumechange"], () => this.#heard(video));
    on(["ratechange"], () => (this.rate = video.playbackRate));
    on(["waiting", "seeking", "emptied", "error"], () => (this.isStalled = true));
    on(["playing", "canplay"], () => (this.isStalled = false));
    on(["seeked"], () => (this.isStalled = video.readyState < HTMLMediaElement.HAVE_FUTURE_DATA));
    this.#heard(video);
    return () => {
      stop.abort();
      this.#video = null;
    };
  }

  toggle(): void {
    // The element's own word: what is drawn comes a moment later.
    if (this.#video?.paused) this.play();
    else this.pause();
  }

  play(): void {
    // A refusal (no leave to play by itself, nothing loaded yet) shows in `isPaused`.
    void this.#video?.play().catch(() => undefined);
  }

  pause(): void {
    this.#video?.pause();
  }

  go(toS: number): void {
    const video = this.#video;
    if (!video || video.readyState === HTMLMediaElement.HAVE_NOTHING) return;
    video.currentTime = Math.min(Math.max(0, toS), this.durationS || Infinity);
    this.timeS = video.currentTime;
  }

  skip(byS: number): void {
    this.go((this.#video?.currentTime ?? 0) + byS);
  }

  setVolume(volume: number): void {
    if (!this.#video) return;
    this.#video.volume = Math.min(1, Math.max(0, volume));
    this.#video.muted = this.#video.volume === 0;
    keepVolume(this.#video.volume);
  }

  setMuted(muted: boolean): void {
    if (this.#video) this.#video.muted = muted;
  }

  setRate(rate: number): void {
    const video = this.#video;
    if (!video) return;
    video.playbackRate = rate;
    // Loading another source sets the speed back to the default one.
    video.defaultPlaybackRate = rate;
  }

  changeRate(by: 1 | -1): void {
    this.setRate(nextRate(this.#video?.playbackRate ?? 1, by));
  }

  #heard(video: HTMLVideoElement): void {
    this.volume = video.volume;
    this.isMuted = video.muted;
  }
}

function spans(ranges: TimeRanges): Span[] {
  return Array.from({ length: ranges.length }, (_, n) => ({ startS: ranges.start(n), endS: ranges.end(n) }));
}
