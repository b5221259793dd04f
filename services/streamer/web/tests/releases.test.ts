import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { Api, Release } from "../src/lib/api";
import { ReleaseList } from "../src/lib/releases.svelte";

/** What a browser's EventSource is to the list: it is told what the server says. */
class Line extends EventTarget {
  static last: Line;
  constructor(readonly url: string) {
    super();
    Line.last = this;
  }
  say(kind: string, data: unknown): void {
    this.dispatchEvent(new MessageEvent(kind, { data: JSON.stringify(data) }));
  }
  close(): void {}
}

const releases = (...ids: string[]) => ids.map((id) => ({ id }) as Release);
const shown = (list: ReleaseList) => list.releases.map((release) => release.id).join(" ");

describe("a list of releases", () => {
  let list: ReleaseList;

  beforeEach(() => {
    vi.stubGlobal("EventSource", Line);
    list = new ReleaseList({ releaseEvents: (id: number) => `/${id}` } as unknown as Api, 7);
    list.load();
  });
  afterEach(() => vi.unstubAllGlobals());

  it("keeps what is shown where it is until all have answered", () => {
    Line.last.say("releases", { releases: releases("b", "d"), indexers: [] });
    expect(shown(list)).toBe("b d");
    Line.last.say("releases", { releases: releases("a", "b", "c", "d"), indexers: [] });
    expect(shown(list)).toBe("b d a c");
    Line.last.say("done", {});
    expect(shown(list)).toBe("a b c d");
    expect(list.asking).toBe(false);
  });

  it("keeps what it has when the rest fails", () => {
    Line.last.say("releases", { releases: releases("a"), indexers: [] });
    Line.last.say("failed", { error: "The indexer is gone." });
    expect(shown(list)).toBe("a");
    expect(list.fault).toBe("The indexer is gone.");
  });
});
