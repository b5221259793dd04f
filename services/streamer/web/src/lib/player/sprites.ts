/** A small picture of the film: a rectangle of a sheet, for the time from `startS` to `endS`. */
export interface Sprite {
  startS: number;
  endS: number;
  url: string;
  x: number;
  y: number;
  width: number;
  height: number;
}

const MOST_SPRITES = 20_000;
const TIMING = /^(?:(\d+):)?(\d{1,2}):(\d{1,2}(?:\.\d+)?)\s+-->\s+(?:(\d+):)?(\d{1,2}):(\d{1,2}(?:\.\d+)?)/;
const PLACE = /^([^#\s]+)#xywh=(\d+),(\d+),(\d+),(\d+)$/;

/** The pictures that a WebVTT file of media fragments (`sheet.jpg#xywh=…`) lists, in the order of time. */
export function spritesOf(vtt: string, baseUrl: string): Sprite[] {
  const lines = vtt.split(/\r\n|\r|\n/);
  const sprites: Sprite[] = [];
  for (let at = 0; at + 1 < lines.length && sprites.length < MOST_SPRITES; at += 1) {
    const timing = TIMING.exec(lines[at] ?? "");
    const place = timing && PLACE.exec((lines[at + 1] ?? "").trim());
    if (!timing || !place) continue;
    const [x = 0, y = 0, width = 0, height = 0] = place.slice(2).map(Number);
    if (width === 0 || height === 0) continue;
    const sprite = { startS: seconds(timing, 1), endS: seconds(timing, 4), x, y, width, height };
    sprites.push({ ...sprite, url: `${baseUrl}/${place[1]}` });
  }
  return sprites.sort((a, b) => a.startS - b.startS);
}

/** The picture of this moment; the last one before it if none is exactly there, null before the first. */
export function spriteAt(sprites: readonly Sprite[], timeS: number): Sprite | null {
  let low = 0;
  let high = sprites.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((sprites[middle]?.startS ?? 0) <= timeS) low = middle + 1;
    else high = middle;
  }
  return sprites[low - 1] ?? null;
}

function seconds(timing: RegExpExecArray, from: number): number {
  return Number(timing[from] ?? 0) * 3600 + Number(timing[from + 1]) * 60 + Number(timing[from + 2]);
}
