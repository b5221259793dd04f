// @vitest-environment node
import { describe, expect, test } from "vitest";
import { playableCodecs } from "../src/lib/player/capabilities";
import { clock, spoken } from "../src/lib/player/clock";
import { arranged, delayLabel, stepped } from "../src/lib/player/cues";
import { commandOf, nextRate } from "../src/lib/player/keys";
import { languageTag, soundLabel, textLabel } from "../src/lib/player/languages";
import { captionsFor } from "../src/lib/player/preferences";
import { piecesAt, piecesOf } from "../src/lib/player/reel";
import { isWorthKeeping, Places } from "../src/lib/player/resume";
import { spriteAt, spritesOf } from "../src/lib/player/sprites";
import { isSilent, PictureWatch } from "../src/lib/player/watchdog";

test.each([
  [0, undefined, "0:00"],
  [724.9, undefined, "12:04"],
  [3_723, undefined, "1:02:03"],
  [65, 7_200, "0:01:05"],
  [-3, undefined, "0:00"],
  [Number.NaN, undefined, "0:00"],
  [Infinity, Infinity, "0:00:00"],
])("the clock of %d s in a film of %s s is %s", (seconds, lengthS, text) => expect(clock(seconds, lengthS)).toBe(text));

test.each([
  [0, "0 seconds"],
  [724, "12 minutes 4 seconds"],
  [3_661, "1 hour 1 minute 1 second"],
  [7_200, "2 hours"],
])("%d s is said as %s", (seconds, text) => expect(spoken(seconds)).toBe(text));

describe("keys", () => {
  test.each([
    [" ", { name: "toggle" }],
    ["K", { name: "toggle" }],
    ["ArrowLeft", { name: "skip", byS: -5 }],
    ["l", { name: "skip", byS: 10 }],
    ["7", { name: "go", share: 0.7 }],
    ["<", { name: "rate", by: -1 }],
    ["Escape", { name: "leave" }],
  ])("%s", (key, command) => expect(commandOf({ key })).toEqual(command));

  test.each([
    { key: "x" },
    { key: "Tab" },
    { key: "constructor" },
    { key: "f", ctrlKey: true },
    { key: "ArrowLeft", altKey: true },
    { key: "c", metaKey: true },
  ])("%j is the browser's", (pressed) => expect(commandOf(pressed)).toBeNull());

  test.each([
    [1, 1, 1.25],
    [1, -1, 0.75],
    [3, 1, 3],
    [0.25, -1, 0.25],
    [1.1, 1, 1.25],
  ] as const)("from %d by %d is %d", (rate, by, next) => expect(nextRate(rate, by)).toBe(next));
});

describe("captions", () => {
  const own = { startTime: 10, endTime: 12, line: "auto", height: 2 } as const;

  test.each([
    [{ delayS: 0, raisedLines: 0 }, { startTime: 10, endTime: 12, line: "auto" }],
    [{ delayS: 0.25, raisedLines: 0 }, { startTime: 10.25, endTime: 12.25, line: "auto" }],
    [{ delayS: -11, raisedLines: 0 }, { startTime: 0, endTime: 1, line: "auto" }],
    [{ delayS: -60, raisedLines: 0 }, { startTime: 0, endTime: 0, line: "auto" }],
    [{ delayS: 0, raisedLines: 3 }, { startTime: 10, endTime: 12, line: -5 }],
  ])("arranged by %j", (arrangement, place) => expect(arranged(own, arrangement)).toEqual(place));

  test("a place of its own is kept", () => {
    expect(arranged({ ...own, line: 0 }, { delayS: 0, raisedLines: 3 }).line).toBe(0);
  });

  test("steps of a quarter add up and end at a minute", () => {
    expect(Array.from({ length: 3 }).reduce((delay: number) => stepped(delay, -1), 0)).toBe(-0.75);
    expect(stepped(59.9, 3)).toBe(60);
  });

  test.each([
    [0, "0 s"],
    [0.25, "+0.25 s"],
    [-1.5, "−1.50 s"],
  ])("a delay of %d s is %s", (delayS, text) => expect(delayLabel(delayS)).toBe(text));

  const english = { number: 0, kind: "text", language: "eng" } as const;
  const forced = { number: 1, kind: "text", language: "eng", is_forced: true } as const;
  const french = { number: 2, kind: "ass", language: "fre" } as const;

  test.each([
    ["nothing chosen yet", [english, french], undefined, null],
    ["off", [english, french], null, null],
    ["the language chosen before", [english, french], { language: "fre", isForced: false }, 2],
    ["its kind too", [english, forced], { language: "eng", isForced: true }, 1],
    ["a language that isn't there", [english], { language: "spa", isForced: false }, null],
    ["those that are always meant to be seen", [english, { ...forced, is_default: true }], undefined, 1],
  ] as const)("%s", (_, texts, wish, number) => expect(captionsFor(texts, wish)?.number ?? null).toBe(number));
});

test.each([
  ["eng", "en"],
  ["ger", "de"],
  ["fr", "fr"],
  ["und", null],
  ["not a language", null],
  [undefined, null],
])("the tag of %s is %s", (language, tag) => expect(languageTag(language)).toBe(tag));

test.each([
  [{ number: 0, kind: "text", language: "spa" }, "Spanish"],
  [{ number: 0, kind: "text", language: "eng", is_forced: true }, "English · forced"],
  [{ number: 0, kind: "ass", language: "eng", is_for_hearing_impaired: true, title: "SDH" }, "English · SDH"],
  [{ number: 0, kind: "ass", language: "jpn", title: "Signs & songs" }, "Japanese · Signs & songs"],
  [{ number: 3, kind: "text" }, "Captions 4"],
] as const)("captions %j are called %s", (text, label) => expect(textLabel(text)).toBe(label));

test.each([
  [{ number: 0, codec: "dts", channels: 6, language: "eng" }, "English · 5.1"],
  [{ number: 1, codec: "aac", channels: 2, language: "eng", is_commentary: true }, "English · commentary · stereo"],
  [{ number: 1, codec: "aac", channels: 0, title: "Cast commentary", is_commentary: true }, "Cast commentary"],
] as const)("sound %j is called %s", (sound, label) => expect(soundLabel(sound)).toBe(label));

describe("seek previews", () => {
  const VTT = [
    "WEBVTT",
    "",
    "00:10.000 --> 00:20.000",
    "sprites-0.jpg#xywh=240,0,240,135",
    "",
    "00:00:00.000 --> 00:00:10.000",
    "sprites-0.jpg#xywh=0,0,240,135",
    "",
    "01:00:00.000 --> 01:00:10.000",
    "no picture",
  ].join("\r\n");

  test("the picture of a moment", () => {
    const sprites = spritesOf(VTT, "/v1/stream/s1");
    expect(sprites.map((sprite) => sprite.startS)).toEqual([0, 10]);
    expect(spriteAt(sprites, 9.9)?.x).toBe(0);
    expect(spriteAt(sprites, 10)).toEqual({
      startS: 10, endS: 20, url: "/v1/stream/s1/sprites-0.jpg", x: 240, y: 0, width: 240, height: 135,
    });
    expect(spriteAt(sprites, 4_000)?.x).toBe(240);
    expect(spriteAt(sprites, -1)).toBeNull();
    expect(spriteAt([], 5)).toBeNull();
  });

  test.each(["", "WEBVTT", "00:00.000 --> ", "00:00.000 --> 00:01.000\nx#xywh=0,0,0,0", "\u0000".repeat(100)])(
    "nothing in %j",
    (vtt) => expect(spritesOf(vtt, "/x")).toEqual([]),
  );
});

describe("the watch over the picture", () => {
  test("frames that come settle it, for good", () => {
    const watch = new PictureWatch();
    expect(watch.see({ timeS: 0, widthPx: 640, frames: 0 })).toBe("unknown");
    expect(watch.see({ timeS: 1, widthPx: 640, frames: 24 })).toBe("fine");
    expect(watch.see({ timeS: 60, widthPx: 640, frames: 24 })).toBe("fine");
  });

  test.each([
    ["no width", 0, 80],
    ["no frames", 640, 0],
  ])("three seconds with %s mean that there is no picture", (_, widthPx, frames) => {
    const watch = new PictureWatch();
    watch.see({ timeS: 5, widthPx, frames: 0 });
    expect(watch.see({ timeS: 7.9, widthPx, frames })).toBe("unknown");
    expect(watch.see({ timeS: 8, widthPx, frames })).toBe("no_picture");
  });

  test("a jump doesn't count as seconds that passed; a new source is watched anew", () => {
    const watch = new PictureWatch();
    watch.see({ timeS: 0, widthPx: 0, frames: 0 });
    watch.restart();
    expect(watch.see({ timeS: 100, widthPx: 640, frames: 0 })).toBe("unknown");
    watch.see({ timeS: 101, widthPx: 640, frames: 9 });
    watch.forget();
    expect(watch.see({ timeS: 101, widthPx: 0, frames: 9 })).toBe("unknown");
  });

  test.each([
    [{ webkitAudioDecodedByteCount: 0 }, true],
    [{ webkitAudioDecodedByteCount: 12 }, false],
    [{ mozHasAudio: false }, true],
    [{ mozHasAudio: true }, false],
    [{}, false],
  ])("silence by %j is %s", (signs, silent) => expect(isSilent(signs)).toBe(silent));
});

describe("places to come back to", () => {
  function shelf(kept: Record<string, string> = {}) {
    return { getItem: (key: string) => kept[key] ?? null, setItem: (key: string, value: string) => void (kept[key] = value) };
  }

  test.each([
    [4, 60, false],
    [6, 60, true],
    [60, 7_200, false],
    [150, 7_200, true],
    [6_700, 7_200, false],
    [10, Infinity, false],
    [10, 0, false],
  ])("%d s of %d s is worth keeping: %s", (atS, durationS, worth) => expect(isWorthKeeping(atS, durationS)).toBe(worth));

  test("kept, and forgotten at the end", () => {
    const places = new Places(shelf());
    places.keep(603, 1_234.56, 7_200);
    expect([places.get(603), places.get(604)]).toEqual([1234.6, null]);
    places.keep(603, 7_200, 7_200);
    expect(places.get(603)).toBeNull();
  });

  test("a hundred films; the oldest ones give way", () => {
    const kept = shelf();
    let now = 0;
    const places = new Places(kept, () => (now += 1));
    for (let film = 1; film <= 101; film += 1) places.keep(film, 100, 1_000);
    expect([places.get(1), places.get(2), places.get(101)]).toEqual([null, 100, 100]);
  });

  test.each(["no JSON", "[]", "null", '{"603": {"atS": "x", "keptAt": 1}}', '{"603": null}'])("%s is no place", (text) => {
    expect(new Places(shelf({ "matinee.places": text })).get(603)).toBeNull();
  });
});

test("what a browser plays is asked of what will play it", () => {
  const plays = (...codecs: string[]) => ({ isTypeSupported: (type: string) => codecs.some((codec) => type.includes(codec)) });
  const no = () => "";
  expect(playableCodecs({ MediaSource: plays("avc1.640028", "flac") }, no)).toEqual(["avc1.640028", "flac"]);
  expect(playableCodecs({ MediaSource: plays("opus"), ManagedMediaSource: plays("ac-3") }, no)).toEqual(["ac-3"]);
  expect(playableCodecs({}, (type) => (type === 'audio/mp4; codecs="mp4a.40.2"' ? "probably" : ""))).toEqual(["mp4a.40.2"]);
});

test("a text comes in pieces, those of the next half minute first", () => {
  const playlist = "#EXTM3U\n#EXT-X-TARGETDURATION:20\n#EXTINF:20.0,\ntext-0-0.vtt\n#EXTINF:20.0,\ntext-0-1.vtt\n"
    + "#EXTINF:7.5,\ntext-0-2.vtt\n#EXT-X-ENDLIST\n";
  const pieces = piecesOf(playlist, "/v1/stream/x");
  expect(pieces[1]).toEqual({ address: "/v1/stream/x/text-0-1.vtt", startS: 20, endS: 40 });
  expect(pieces).toHaveLength(3);
  expect(piecesAt(pieces, 5).map(({ startS }) => startS)).toEqual([0, 20]);
  expect(piecesAt(pieces, 20).map(({ startS }) => startS)).toEqual([20, 40]);
  expect(piecesAt(pieces, 99)).toEqual([]);
});
