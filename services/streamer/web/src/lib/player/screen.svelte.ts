/** iPhones know full screen for the video element alone. */
interface ApplesVideo {
  webkitEnterFullscreen?: () => void;
}

/** Where the picture is: in the page, on the whole screen, or in a small window of its own. */
export class Screen {
  isFull = $state(false);
  isApart = $state(false);
  readonly canBeApart = document.pictureInPictureEnabled === true;

  constructor(
    readonly stage: HTMLElement,
    readonly video: HTMLVideoElement,
  ) {}

  follow(): () => void {
    const stop = new AbortController();
    const { signal } = stop;
    document.addEventListener("fullscreenchange", () => (this.isFull = document.fullscreenElement === this.stage), { signal });
    this.video.addEventListener("enterpictureinpicture", () => (this.isApart = true), { signal });
    this.video.addEventListener("leavepictureinpicture", () => (this.isApart = false), { signal });
    return () => {
      stop.abort();
      this.leave();
      if (document.pictureInPictureElement === this.video) void document.exitPictureInPicture().catch(() => undefined);
    };
  }

  toggleFull(): void {
    if (this.isFull) return this.leave();
    const phone = this.video as ApplesVideo;
    if (document.fullscreenEnabled) void this.stage.requestFullscreen().catch(() => undefined);
    else phone.webkitEnterFullscreen?.();
  }

  leave(): void {
    if (document.fullscreenElement === this.stage) void document.exitFullscreen().catch(() => undefined);
  }

  toggleApart(): void {
    if (!this.canBeApart) return;
    const turned = this.isApart ? document.exitPictureInPicture() : this.video.requestPictureInPicture();
    // Refused before the first picture is there; then nothing happens.
    void turned.catch(() => undefined);
  }
}
