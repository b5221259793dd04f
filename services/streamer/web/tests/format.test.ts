import { describe, expect, test } from "vitest";
import { age, moment, runtime, size, sizeOf, speed, wait } from "../src/lib/format";

test.each([
  [0, "0 kB"],
  [1_499, "1 kB"],
  [999_000_000, "999 MB"],
  [4_200_000_000, "4.2 GB"],
  [1_500_000_000_000, "1.5 TB"],
])("size of %d bytes is %s", (bytes, text) => expect(size(bytes)).toBe(text));

test.each([
  [3_400_000_000, 8_100_000_000, "3.4 of 8.1 GB"],
  [620_000_000, 8_100_000_000, "620 MB of 8.1 GB"],
])("%d of %d bytes is %s", (done, total, text) => expect(sizeOf(done, total)).toBe(text));

test.each([
  [62_000_000, "62 MB/s"],
  [3_450_000, "3.5 MB/s"],
  [80_000, "80 kB/s"],
])("speed of %d is %s", (bytesPerSecond, text) => expect(speed(bytesPerSecond)).toBe(text));

test.each([
  [3, "a few seconds"],
  [31, "about 40 s"],
  [51, "about 1 min"],
  [125, "about 2 min"],
  [3_600, "about 1 h"],
  [5_400, "about 1 h 30 min"],
])("a wait of %d s is %s", (seconds, text) => expect(wait(seconds)).toBe(text));

test.each([
  [48, "48 min"],
  [112, "1 h 52 min"],
  [120, "2 h"],
])("a runtime of %d min is %s", (minutes, text) => expect(runtime(minutes)).toBe(text));

test.each([
  [0, "today"],
  [1, "1 day"],
  [12, "12 days"],
  [340, "11 months"],
  [1_200, "3 years"],
])("an age of %d days is %s", (days, text) => expect(age(days)).toBe(text));

describe("moment", () => {
  const now = new Date("2026-11-20T12:00:00Z");

  test.each([
    ["2026-11-20T21:00:00Z", "h23", "UTC", "Fri 21:00"],
    ["2026-11-20T21:00:00Z", "h12", "UTC", "Fri 9:00 pm"],
    ["2026-11-20T23:30:00Z", "h23", "Europe/Berlin", "Sat 00:30"],
    ["2026-12-12T21:00:00Z", "h23", "UTC", "12 Dec, 21:00"],
  ] as const)("%s on a %s clock in %s is %s", (at, hourCycle, timeZone, text) => {
    expect(moment(at, { now, hourCycle, timeZone })).toBe(text);
  });
});
