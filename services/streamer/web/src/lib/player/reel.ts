import type { SourceEvents } from "./source";

/** A stretch of the film, and where its words are. */
export interface Piece {
  address: string;
  startS: number;
  endS: number;
}

const AHEAD_S = 30;
const TRIES = 6;
const TRY_AGAIN_MS = 1_000;
const MOST_PIECES = 20_000;

/** The pieces of a text's playlist (RFC 8216), each with its full address. */
export function piecesOf(playlist: string, base: string): Piece[] {
  const pieces: Piece[] = [];
  let startS = 0;
  let lastsS = 0;
  for (const line of playlist.split("\n")) {
    const said = /^#EXTINF:([\d.]+)/.exec(line);
    if (said) lastsS = Number(said[1]);
    if (line === "" || line.startsWith("#") || pieces.length === MOST_PIECES) continue;
    pieces.push({ address: `${base}/${line}`, startS, endS: startS + lastsS });
    startS += lastsS;
  }
  return pieces;
}

/** What of these is worth having when the film is at this second. */
export function piecesAt(pieces: readonly Piece[], timeS: number): Piece[] {
  return pieces.filter(({ startS, endS }) => endS > timeS && startS < timeS + AHEAD_S);
}

/** Brings the words of a film that the browser plays by itself, around where it is. */
export class TextReel {
  #pieces: Piece[] = [];
  #had = new Set<string>();
  #faults = 0;
  #stop = new AbortController();

  constructor(
    readonly video: HTMLVideoElement,
    readonly base: string,
    readonly number: number,
    readonly events: Pick<SourceEvents, "cues" | "textFault">,
  ) {
    void this.#begin();
  }

  stop(): void {
    this.#stop.abort();
  }

  async #begin(): Promise<void> {
    const playlist = await this.#text(`${this.base}/text-${this.number}.m3u8`);
    if (playlist === null) return;
    this.#pieces = piecesOf(playlist, this.base);
    const bring = () => this.#bring();
    for (const name of ["timeupdate", "seeking"]) this.video.addEventListener(name, bring, { signal: this.#stop.signal });
    this.#bring();
  }

  #bring(): void {
    for (const piece of piecesAt(this.#pieces, this.video.currentTime)) {
      if (this.#had.has(piece.address)) continue;
      this.#had.add(piece.address);
      void this.#hear(piece);
    }
  }

  async #hear(piece: Piece): Promise<void> {
    const words = await this.#text(piece.address);
    const cues = words === null ? [] : await cuesOf(words).catch(() => null);
    if (this.#stop.signal.aborted) return;
    if (cues === null) return this.events.textFault();
    this.events.cues(this.number, cues);
  }

  /** Null if it can't be had, and nobody wants it any more or has been told. */
  async #text(address: string): Promise<string | null> {
    const { signal } = this.#stop;
    while (!signal.aborted) {
      const answer = await fetch(address, { signal }).catch(() => null);
      const text = answer?.ok ? await answer.text().catch(() => null) : null;
      if (signal.aborted) break;
      if (text !== null) {
        this.#faults = 0;
        return text;
      }
      this.#faults += 1;
      const isRefused = answer !== null && answer.status >= 400 && answer.status < 500;
      if (isRefused || this.#faults >= TRIES) {
        this.stop();
        this.events.textFault();
        break;
      }
      await new Promise((resolve) => setTimeout(resolve, TRY_AGAIN_MS));
    }
    return null;
  }
}

/** The browser itself reads WebVTT, in a player that nobody sees. */
async function cuesOf(words: string): Promise<VTTCue[]> {
  const address = URL.createObjectURL(new Blob([words], { type: "text/vtt" }));
  const track = document.createElement("track");
  try {
    await new Promise<void>((resolve, reject) => {
      track.addEventListener("load", () => resolve());
      track.addEventListener("error", () => reject(new Error("no WebVTT")));
      track.src = address;
      document.createElement("video").append(track);
      track.track.mode = "hidden";
    });
    return Array.from(track.track.cues ?? [])
      .filter((cue) => cue instanceof VTTCue)
      .map(named);
  } finally {
    URL.revokeObjectURL(address);
  }
}

/** A copy that tells itself from others by its name: a cue belongs to the track that it was read for. */
function named(cue: VTTCue): VTTCue {
  const copy = new VTTCue(cue.startTime, cue.endTime, cue.text);
  copy.id = `${cue.startTime} ${cue.endTime} ${cue.text}`;
  copy.vertical = cue.vertical;
  copy.snapToLines = cue.snapToLines;
  copy.line = cue.line;
  copy.position = cue.position;
  copy.size = cue.size;
  copy.align = cue.align;
  return copy;
}
