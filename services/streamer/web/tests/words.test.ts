import { expect, test } from "vitest";
import { indexerNote } from "../src/lib/words";

test.each([
  ["asked", 0, "", "is being asked"],
  ["answered", 0, "", "has nothing"],
  ["answered", 1, "", "has 1 release"],
  ["answered", 100, "", "has 100 releases"],
  ["failed", 0, "It can't be reached.", "It can't be reached."],
] as const)("an indexer that has %s, with %i", (state, found, message, note) => {
  expect(indexerNote({ name: "Index", state, found, message })).toBe(note);
});
