export type Theme = "house" | "foyer";

const KEY = "matinee.theme";

/** The reader's own choice, if one was made; otherwise the style sheet follows the system. */
export function chosenTheme(): Theme | null {
  const kept = localStorage.getItem(KEY);
  return kept === "house" || kept === "foyer" ? kept : null;
}

export function shownTheme(): Theme {
  return chosenTheme() ?? (matchMedia("(prefers-color-scheme: light)").matches ? "foyer" : "house");
}

export function applyTheme(theme: Theme | null): void {
  if (theme) document.documentElement.dataset["theme"] = theme;
}

export function chooseTheme(theme: Theme): void {
  localStorage.setItem(KEY, theme);
  applyTheme(theme);
}
