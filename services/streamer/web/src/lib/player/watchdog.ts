const PATIENCE_S = 3;

/** What a video element shows at one moment. */
export interface Sight {
  timeS: number;
  widthPx: number;
  frames: number;
}

/**
 * Browsers report no error for a picture they can't decode: the sound plays under a black frame. So three
 * seconds of the film that pass without one new frame, right after it began, mean that there is no picture.
 */
export class PictureWatch {
  #from: Sight | null = null;
  #isSettled = false;

  /** After a new source, a seek or a stall: the seconds are counted anew. */
  restart(): void {
    this.#from = null;
  }

  /** For a new source: what was seen of the old one proves nothing. */
  forget(): void {
    this.#from = null;
    this.#isSettled = false;
  }

  see(sight: Sight): "fine" | "unknown" | "no_picture" {
    if (this.#isSettled) return "fine";
    this.#from ??= sight;
    if (sight.widthPx > 0 && sight.frames > this.#from.frames) {
      this.#isSettled = true;
      return "fine";
    }
    return sight.timeS - this.#from.timeS >= PATIENCE_S ? "no_picture" : "unknown";
  }
}

/** A video element's own counters, each in the browsers that have it. */
export interface SoundSigns {
  webkitAudioDecodedByteCount?: number;
  mozHasAudio?: boolean;
}

/** Whether the browser says that it has decoded no sound at all; false if it doesn't tell. */
export function isSilent(signs: SoundSigns): boolean {
  return signs.webkitAudioDecodedByteCount === 0 || signs.mozHasAudio === false;
}
