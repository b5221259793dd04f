/** Where a cue is by its file: nothing that a viewer has moved. */
export interface CuePlace {
  startTime: number;
  endTime: number;
  line: number | "auto";
}

/** A cue as it came, and how many lines it has. */
export interface OwnCue extends CuePlace {
  height: number;
}

export interface Arrangement {
  /** Later by so many seconds; earlier if it is negative. */
  delayS: number;
  /** How many lines above the bottom a cue keeps that has no place of its own; 0 is the browser's way. */
  raisedLines: number;
}

/** The cue as the viewer wants it. One that would be over before the film begins is left without a moment. */
export function arranged(own: OwnCue, { delayS, raisedLines }: Arrangement): CuePlace {
  const startTime = Math.max(0, own.startTime + delayS);
  return {
    startTime,
    endTime: Math.max(startTime, own.endTime + delayS),
    line: own.line === "auto" && raisedLines > 0 ? -raisedLines - own.height : own.line,
  };
}

/** The next delay in steps of a quarter of a second, without the crumbs of binary fractions. */
export function stepped(delayS: number, steps: number): number {
  const MOST_S = 60;
  const next = Math.round((delayS + steps * 0.25) * 4) / 4;
  return Math.min(MOST_S, Math.max(-MOST_S, next));
}

/** "+0.25 s", "−1.50 s", "0 s". */
export function delayLabel(delayS: number): string {
  if (delayS === 0) return "0 s";
  return `${delayS > 0 ? "+" : "−"}${Math.abs(delayS).toFixed(2)} s`;
}
