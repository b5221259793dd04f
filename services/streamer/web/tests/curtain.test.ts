import { expect, test } from "vitest";
import { Curtain } from "../src/lib/curtain.svelte";
import { aJob } from "./support/job";

const onItsWay = aJob();
const playable = aJob({ playable: true });
const ready = aJob({ status: "ready", progress: 100 });

test("a film that was there already waits to be asked", () => {
  const curtain = new Curtain();
  curtain.see(ready);
  expect(curtain.playing).toBe(false);
});

test.each([
  ["ready", ready],
  ["far enough", playable],
])("a film that was seen on its way opens when it is %s, and once closed stays closed", (_, watchable) => {
  const curtain = new Curtain();
  curtain.see(onItsWay);
  expect(curtain.playing).toBe(false);
  curtain.see(watchable);
  expect(curtain.playing).toBe(true);
  curtain.close();
  curtain.see(ready);
  expect(curtain.playing).toBe(false);
});

test("a new order stops what plays and opens the new film, even one that is ready at once", () => {
  const curtain = new Curtain();
  curtain.open();
  curtain.await();
  expect(curtain.playing).toBe(false);
  curtain.see(ready);
  expect(curtain.playing).toBe(true);
});
