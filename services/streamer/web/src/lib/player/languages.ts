import type { Sound, Text } from "../media";

const UNKNOWN = new Set(["", "und", "mis", "mul", "zxx"]);

/** The BCP 47 tag of a container's language (ISO 639-1 or -2, either form); null if it names none. */
export function languageTag(language: string | null | undefined): string | null {
  if (!language || UNKNOWN.has(language.toLowerCase())) return null;
  try {
    return Intl.getCanonicalLocales(language)[0] ?? null;
  } catch {
    return null;
  }
}

function languageName(language: string | null | undefined): string | null {
  const tag = languageTag(language);
  if (!tag) return null;
  return new Intl.DisplayNames("en", { type: "language", fallback: "none" }).of(tag) ?? null;
}

/** "English · forced", "Spanish (SDH)": the language, what kind it is, and the maker's title if it says more. */
export function textLabel(text: Text): string {
  const name = languageName(text.language) ?? text.title ?? `Captions ${text.number + 1}`;
  const kind = text.is_forced ? "forced" : text.is_for_hearing_impaired ? "SDH" : null;
  return joined([name, kind, extraTitle(text.title, name, kind)]);
}

export function soundLabel(sound: Sound): string {
  const name = languageName(sound.language) ?? sound.title ?? `Sound ${sound.number + 1}`;
  const kind = sound.is_commentary && !/comment/i.test(sound.title ?? "") ? "commentary" : null;
  return joined([name, kind, extraTitle(sound.title, name, kind), channels(sound.channels)]);
}

export function channels(count: number): string | null {
  if (count <= 0) return null;
  return { 1: "mono", 2: "stereo", 6: "5.1", 8: "7.1" }[count] ?? `${count} channels`;
}

function extraTitle(title: string | null | undefined, name: string, kind: string | null): string | null {
  if (!title || title.length > 60) return null;
  const said = `${name} ${kind ?? ""}`.toLowerCase();
  return said.includes(title.toLowerCase()) ? null : title;
}

function joined(parts: (string | null)[]): string {
  return parts.filter(Boolean).join(" · ");
}
