import type { Text } from "../media";
import { arranged, stepped, type OwnCue } from "./cues";
import { languageTag, textLabel } from "./languages";
import { captionsFor, keepCaptions, keptCaptions } from "./preferences";

const MOST_TRACKS = 64;
const NOTHING = URL.createObjectURL(new Blob(["WEBVTT"], { type: "text/vtt" }));

export type CueSize = "small" | "medium" | "large";

/** The film's captions as native text tracks, so that they are there in picture-in-picture and for assistive tools. */
export class Captions {
  texts = $state.raw<readonly Text[]>([]);
  /** The number of the text that is shown. */
  chosen = $state<number | null>(null);
  delayS = $state(0);
  size = $state<CueSize>("medium");
  hasFailed = $state(false);

  #tracks = new Map<number, HTMLTrackElement>();
  #heard = new Map<number, Set<string>>();
  #own = new WeakMap<TextTrackCue, OwnCue>();
  #raisedLines = 0;
  #last: number | null = null;

  /** Puts these texts at the film's side; what was chosen stays. */
  hang(video: HTMLVideoElement, texts: readonly Text[]): void {
    const isNewFilm = this.texts.length === 0;
    this.#takeDown();
    this.texts = texts.slice(0, MOST_TRACKS);
    for (const text of this.texts) {
      const track = document.createElement("track");
      track.kind = "subtitles";
      track.label = textLabel(text);
      track.srclang = languageTag(text.language) ?? "und";
      // Browsers show only what they have loaded; the cues come piece by piece, to `hear`.
      track.src = NOTHING;
      video.append(track);
      this.#tracks.set(text.number, track);
    }
    if (isNewFilm) this.chosen = captionsFor(this.texts, keptCaptions())?.number ?? null;
    this.#show();
  }

  /** Takes what of a text shows in a stretch of the film. */
  hear(number: number, cues: readonly VTTCue[]): void {
    const track = this.#tracks.get(number)?.track;
    const heard = this.#heard.get(number) ?? new Set();
    this.#heard.set(number, heard);
    // What shows across a border is in both stretches.
    for (const cue of cues.filter(({ id }) => !heard.has(id))) {
      heard.add(cue.id);
      track?.addCue(cue);
    }
    if (number === this.chosen) this.hasFailed = false;
    this.#arrange();
  }

  /** What was chosen can't be had. */
  fail(): void {
    this.hasFailed = true;
  }

  /** Shows this text, or none; the next film begins with the same. */
  choose(number: number | null): void {
    this.chosen = number;
    keepCaptions(this.texts.find((text) => text.number === number) ?? null);
    this.#show();
  }

  toggle(): void {
    if (this.chosen !== null) this.choose(null);
    else this.choose(this.#last ?? this.texts[0]?.number ?? null);
  }

  step(steps: number): void {
    this.delayS = stepped(this.delayS, steps);
    this.#arrange();
  }

  /** Keeps them clear of the controls. */
  raise(lines: number): void {
    this.#raisedLines = lines;
    this.#arrange();
  }

  #takeDown(): void {
    for (const track of this.#tracks.values()) track.remove();
    this.#tracks.clear();
    this.#heard.clear();
  }

  #show(): void {
    this.hasFailed = false;
    if (this.chosen !== null) this.#last = this.chosen;
    for (const [number, { track }] of this.#tracks) track.mode = number === this.chosen ? "showing" : "disabled";
    this.#arrange();
  }

  #arrange(): void {
    const track = this.chosen === null ? null : this.#tracks.get(this.chosen)?.track;
    const cues = track?.cues;
    if (!cues) return;
    let isMoved = false;
    const arrangement = { delayS: this.delayS, raisedLines: this.#raisedLines };
    // Moving a cue in time moves it in the list.
    for (const cue of Array.from(cues)) {
      if (!(cue instanceof VTTCue)) continue;
      const own = this.#own.get(cue) ?? asItCame(cue);
      this.#own.set(cue, own);
      const { startTime, endTime, line } = arranged(own, arrangement);
      if (cue.startTime !== startTime) cue.startTime = startTime;
      if (cue.endTime !== endTime) cue.endTime = endTime;
      if (cue.line === line) continue;
      cue.line = line;
      isMoved ||= track.activeCues !== null && Array.from(track.activeCues).includes(cue);
    }
    // Chromium leaves a cue that is on the screen where it is until it is written anew.
    if (!isMoved) return;
    track.mode = "hidden";
    track.mode = "showing";
  }
}

function asItCame({ startTime, endTime, line, text }: VTTCue): OwnCue {
  return { startTime, endTime, line, height: text.split("\n").length };
}
