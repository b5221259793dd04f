import type { Job } from "../api";
import { announceFilm, announcePlace } from "./mediasession";
import { Captions } from "./captions.svelte";
import { Film } from "./film.svelte";
import type { Command } from "./keys";
import { Places } from "./resume";
import { Screen } from "./screen.svelte";
import type { Showing } from "./showing.svelte";

const KEEP_EVERY_MS = 5_000;
const NOTE_MS = 900;

/** Everything that people do to the film that plays: what keys and buttons mean, and what is kept of it. */
export class Deck {
  readonly film = new Film();
  readonly captions = new Captions();
  readonly screen: Screen;
  /** What a key just did, for a moment. */
  note = $state<string | null>(null);
  #places = new Places(localStorage);
  #keptAtMs = 0;
  #noteTimer: ReturnType<typeof setTimeout> | undefined;

  constructor(
    readonly job: Job,
    readonly video: HTMLVideoElement,
    stage: HTMLElement,
  ) {
    this.screen = new Screen(stage, video);
  }

  /** Where the film was left the last time; 0 is its beginning. */
  get place(): number {
    return this.#places.get(this.job.movie_id) ?? 0;
  }

  follow(): () => void {
    const stop = new AbortController();
    const { signal } = stop;
    const ends = [this.film.follow(this.video), this.screen.follow()];
    ends.push(announceFilm(this.film, this.job.title, this.job.poster_url));
    const announce = () => announcePlace(this.film);
    for (const name of ["play", "pause", "seeked", "ratechange", "durationchange"]) {
      this.video.addEventListener(name, announce, { signal });
    }
    const keep = () => this.#keep();
    for (const name of ["pause", "seeked", "ended"]) this.video.addEventListener(name, keep, { signal });
    this.video.addEventListener("timeupdate", () => this.#keepNowAndThen(), { signal });
    window.addEventListener("pagehide", keep, { signal });
    return () => {
      this.#keep();
      clearTimeout(this.#noteTimer);
      stop.abort();
      for (const end of ends) end();
    };
  }

  /** Does what a key asked; false if that is somebody else's. */
  obey(command: Command, showing: Showing): boolean {
    const { film, captions } = this;
    switch (command.name) {
      case "toggle":
        if (showing.needsPress) showing.press();
        else film.toggle();
        return true;
      case "skip":
        film.skip(command.byS);
        return this.#say(command.byS > 0 ? `+${command.byS} s` : `−${-command.byS} s`);
      case "go":
        film.go(film.durationS * command.share);
        return true;
      case "volume":
        film.setVolume(this.video.volume + command.by);
        return this.#say(`Volume ${Math.round(this.video.volume * 100)} %`);
      case "mute":
        film.setMuted(!this.video.muted);
        return this.#say(this.video.muted ? "Sound off" : "Sound on");
      case "captions":
        if (captions.texts.length === 0) return this.#say("No captions");
        captions.toggle();
        return this.#say(captions.chosen === null ? "Captions off" : "Captions on");
      case "rate":
        film.changeRate(command.by);
        return this.#say(`${this.video.playbackRate}×`);
      case "fullscreen":
        this.screen.toggleFull();
        return true;
      case "pip":
        this.screen.toggleApart();
        return true;
      default:
        return false;
    }
  }

  #say(note: string): true {
    this.note = note;
    clearTimeout(this.#noteTimer);
    this.#noteTimer = setTimeout(() => (this.note = null), NOTE_MS);
    return true;
  }

  #keepNowAndThen(): void {
    if (this.video.paused || performance.now() - this.#keptAtMs < KEEP_EVERY_MS) return;
    this.#keep();
  }

  #keep(): void {
    // A player that has lost its film stands at 0, and that is not where it was left.
    if (this.video.readyState === HTMLMediaElement.HAVE_NOTHING) return;
    this.#keptAtMs = performance.now();
    this.#places.keep(this.job.movie_id, this.video.currentTime, this.video.duration);
  }
}
