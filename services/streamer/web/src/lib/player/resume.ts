const KEY = "matinee.places";
const MOST_FILMS = 100;
const EARLIEST_S = 5;
const EARLIEST_SHARE = 0.02;
const LATEST_SHARE = 0.92;

interface Place {
  atS: number;
  /** When it was kept, in ms since 1970: the oldest ones give way. */
  keptAt: number;
}

type Shelf = Pick<Storage, "getItem" | "setItem">;

/** Where each film was left, in this browser. */
export class Places {
  constructor(
    readonly shelf: Shelf,
    readonly now: () => number = Date.now,
  ) {}

  get(movieId: number): number | null {
    return this.#all()[movieId]?.atS ?? null;
  }

  /** Keeps a place in the middle of the film; one at its beginning or in its credits is no place to come back to. */
  keep(movieId: number, atS: number, durationS: number): void {
    const places = this.#all();
    delete places[movieId];
    if (isWorthKeeping(atS, durationS)) places[movieId] = { atS: Math.round(atS * 10) / 10, keptAt: this.now() };
    const newest = Object.entries(places).sort(([, a], [, b]) => b.keptAt - a.keptAt);
    try {
      this.shelf.setItem(KEY, JSON.stringify(Object.fromEntries(newest.slice(0, MOST_FILMS))));
    } catch {
      // A browser that keeps nothing (private windows, full storage) begins each film anew.
    }
  }

  #all(): Record<string, Place> {
    try {
      const kept: unknown = JSON.parse(this.shelf.getItem(KEY) ?? "{}");
      if (typeof kept !== "object" || kept === null) return {};
      return Object.fromEntries(Object.entries(kept).filter((entry): entry is [string, Place] => isPlace(entry[1])));
    } catch {
      return {};
    }
  }
}

export function isWorthKeeping(atS: number, durationS: number): boolean {
  if (!Number.isFinite(durationS) || durationS <= 0) return false;
  return atS >= Math.max(EARLIEST_S, durationS * EARLIEST_SHARE) && atS <= durationS * LATEST_SHARE;
}

function isPlace(value: unknown): value is Place {
  const { atS, keptAt } = (value ?? {}) as Partial<Place>;
  return Number.isFinite(atS) && Number.isFinite(keptAt);
}
