/** What is wrong with the showing, for a person, and the one thing to do about it. */
export interface Trouble {
  text: string;
  remedy: "retry" | "choose" | "close";
}

export const LOST_LINE: Trouble = {
  text: "The line to the film broke. Try again; it goes on where it stopped.",
  remedy: "retry",
};
export const NO_DECODER: Trouble = {
  text: "This browser can't play this release. Choose another release.",
  remedy: "choose",
};
export const NO_PICTURE: Trouble = {
  text: "This browser plays the sound of this release but can't show its picture. Choose another release.",
  remedy: "choose",
};
export const NO_SOUND = "This browser can't play the sound of this release.";

export function gone(sentence: string): Trouble {
  return { text: sentence, remedy: "close" };
}

/** A plan that ends before it begins: its reasons say why, and what would do instead. */
export function cannot(reasons: readonly string[]): Trouble {
  return { text: reasons.join(" ") || NO_DECODER.text, remedy: "choose" };
}
