/** What a key asks of the player. */
export type Command =
  | { name: "toggle" | "mute" | "fullscreen" | "captions" | "pip" | "help" | "leave" }
  | { name: "skip"; byS: number }
  | { name: "volume"; by: number }
  | { name: "rate"; by: 1 | -1 }
  | { name: "go"; share: number };

export interface Pressed {
  key: string;
  ctrlKey?: boolean;
  altKey?: boolean;
  metaKey?: boolean;
}

const SMALL_STEP_S = 5;
export const STEP_S = 10;
const VOLUME_STEP = 0.05;

const COMMANDS: Readonly<Record<string, Command>> = {
  " ": { name: "toggle" },
  k: { name: "toggle" },
  ArrowLeft: { name: "skip", byS: -SMALL_STEP_S },
  ArrowRight: { name: "skip", byS: SMALL_STEP_S },
  j: { name: "skip", byS: -STEP_S },
  l: { name: "skip", byS: STEP_S },
  ArrowUp: { name: "volume", by: VOLUME_STEP },
  ArrowDown: { name: "volume", by: -VOLUME_STEP },
  m: { name: "mute" },
  f: { name: "fullscreen" },
  c: { name: "captions" },
  i: { name: "pip" },
  "<": { name: "rate", by: -1 },
  ">": { name: "rate", by: 1 },
  "?": { name: "help" },
  Escape: { name: "leave" },
};

/** The command of a key; null for keys that are the browser's or somebody else's. */
export function commandOf(pressed: Pressed): Command | null {
  if (pressed.ctrlKey || pressed.altKey || pressed.metaKey) return null;
  if (/^[0-9]$/.test(pressed.key)) return { name: "go", share: Number(pressed.key) / 10 };
  const key = pressed.key.length === 1 ? pressed.key.toLowerCase() : pressed.key;
  return Object.hasOwn(COMMANDS, key) ? (COMMANDS[key] ?? null) : null;
}

/** The keys and what they do, for people. */
export const KEY_HELP: readonly (readonly [keys: string, what: string])[] = [
  ["Space or K", "Play or pause"],
  ["← →", "5 seconds back or on"],
  ["J L", "10 seconds back or on"],
  ["0 to 9", "To a tenth of the film"],
  ["↑ ↓", "Louder or softer"],
  ["M", "Sound off or on"],
  ["C", "Captions off or on"],
  ["< >", "Slower or faster"],
  ["F", "Full screen"],
  ["I", "Picture in picture"],
  ["Esc", "Close"],
];

export const RATES: readonly number[] = [0.25, 0.5, 0.75, 1, 1.25, 1.5, 1.75, 2, 3];

/** The next slower (-1) or faster (1) speed; the last one stays. */
export function nextRate(rate: number, by: 1 | -1): number {
  const next = by > 0 ? RATES.find((one) => one > rate) : RATES.findLast((one) => one < rate);
  return next ?? rate;
}
