import type { Text } from "../media";

const VOLUME = "matinee.volume";
const CAPTIONS = "matinee.captions";

/** What was chosen last: a language and a kind, as the track numbers of two films have nothing in common. */
export interface CaptionWish {
  language: string | null;
  isForced: boolean;
}

export function keptVolume(): number {
  const kept = Number.parseFloat(localStorage.getItem(VOLUME) ?? "1");
  return kept >= 0 && kept <= 1 ? kept : 1;
}

export function keepVolume(volume: number): void {
  localStorage.setItem(VOLUME, String(volume));
}

/** Undefined as long as nothing was chosen; null for "off". */
export function keptCaptions(): CaptionWish | null | undefined {
  try {
    const kept = JSON.parse(localStorage.getItem(CAPTIONS) ?? "") as CaptionWish | null;
    return kept && { language: kept.language ?? null, isForced: kept.isForced === true };
  } catch {
    return undefined;
  }
}

export function keepCaptions(text: Text | null): void {
  const wish = text && { language: text.language ?? null, isForced: text.is_forced === true };
  localStorage.setItem(CAPTIONS, JSON.stringify(wish));
}

/** The film's captions that fit what was chosen before; else those that its maker meant to be seen always. */
export function captionsFor(texts: readonly Text[], wish: CaptionWish | null | undefined): Text | null {
  if (wish) {
    const spoken = texts.filter((text) => (text.language ?? null) === wish.language);
    const same = spoken.find((text) => (text.is_forced === true) === wish.isForced);
    if (same) return same;
  }
  return texts.find((text) => text.is_forced && text.is_default) ?? null;
}
