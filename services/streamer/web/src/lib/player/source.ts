import type { PlaySession } from "../api";
import { TextReel } from "./reel";

export interface SoundTrack {
  name: string;
  language: string | null;
}

/** `line`: it broke or was refused. `decoder`: this browser can't play what came. */
export type SourceFault = "line" | "decoder";

export interface SourceEvents {
  sounds: (tracks: SoundTrack[], chosen: number) => void;
  /** What of a text shows in a stretch of the film; the same may be told again. */
  cues: (text: number, cues: readonly VTTCue[]) => void;
  /** The chosen text can't be had. */
  textFault: () => void;
  fault: (fault: SourceFault) => void;
  /** The browser's decoder stumbled and is set up anew; the film goes on. */
  recovered: () => void;
}

/** What feeds the video element. */
export interface Source {
  /** Whether errors of the video element are this source's own business. */
  readonly guardsVideo: boolean;
  chooseSound(number: number): void;
  /** By its number in `Media`; null is none. */
  chooseText(number: number | null): void;
  stop(): void;
}

const MASTER = "movie.m3u8";

/** Gives the film to the video element, from `startS` on. Rejects if the page's own player can't be loaded. */
export async function openSource(
  video: HTMLVideoElement,
  session: PlaySession,
  startS: number,
  events: SourceEvents,
  isWanted: () => boolean,
): Promise<Source | null> {
  if (session.mode !== "hls") return new PlainSource(video, session.streamUrl, session.streamUrl, events);
  const { default: Hls } = await import("hls.js");
  if (!isWanted()) return null;
  const address = `${session.streamUrl}/${MASTER}`;
  if (!Hls.isSupported()) return new PlainSource(video, address, session.streamUrl, events);
  const { HlsSource } = await import("./hls");
  return isWanted() ? new HlsSource(Hls, video, address, startS, events) : null;
}

/** The browser's own way: a file, or a playlist in browsers that play those. */
class PlainSource implements Source {
  readonly guardsVideo = false;
  #reel: TextReel | null = null;

  /** `base`: below which the film's texts are. */
  constructor(
    readonly video: HTMLVideoElement,
    address: string,
    readonly base: string,
    readonly events: SourceEvents,
  ) {
    video.src = address;
    // The address may be the same as before, and then only this makes a failed player start over.
    video.load();
  }

  chooseSound(): void {}

  chooseText(number: number | null): void {
    this.#reel?.stop();
    this.#reel = number === null ? null : new TextReel(this.video, this.base, number, this.events);
  }

  stop(): void {
    this.#reel?.stop();
    this.video.removeAttribute("src");
  }
}
