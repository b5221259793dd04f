import { afterEach, beforeEach, expect, test } from "vitest";
import { routeOf, Router } from "../src/lib/router.svelte";

test.each([
  ["/", { name: "home", query: "" }],
  ["/?q=paper%20lanterns", { name: "home", query: "paper lanterns" }],
  ["/title/603", { name: "title", id: 603 }],
  ["/title/603/", { name: "title", id: 603 }],
  ["/queue", { name: "queue" }],
  ["/title/0", { name: "lost" }],
  ["/title/abc", { name: "lost" }],
  ["/title/603/extra", { name: "lost" }],
  ["/title/99999999999999", { name: "lost" }],
  ["/nowhere", { name: "lost" }],
])("%s", (path, route) => expect(routeOf(new URL(path, "http://matinee.test"))).toEqual(route));

let router: Router;
let stop: () => void;

beforeEach(() => {
  history.replaceState(null, "", "/");
  globalThis.scrollTo = () => undefined;
  router = new Router();
  stop = router.listen();
});

afterEach(() => {
  stop();
  document.body.replaceChildren();
});

function click(html: string, init: MouseEventInit = {}): MouseEvent {
  document.body.innerHTML = html;
  const event = new MouseEvent("click", { bubbles: true, cancelable: true, button: 0, ...init });
  document.body.querySelector("b")?.dispatchEvent(event);
  return event;
}

test("a plain click on a link of ours stays in the page", () => {
  const event = click('<a href="/title/603"><b>Paper Lanterns</b></a>');
  expect(event.defaultPrevented).toBe(true);
  expect(router.route).toEqual({ name: "title", id: 603 });
  expect(location.pathname).toBe("/title/603");
});

test.each([
  ["with a modifier", '<a href="/queue"><b>x</b></a>', { ctrlKey: true }],
  ["with the middle button", '<a href="/queue"><b>x</b></a>', { button: 1 }],
  ["for a new window", '<a href="/queue" target="_blank"><b>x</b></a>', {}],
  ["to another house", '<a href="http://elsewhere.test/queue"><b>x</b></a>', {}],
  ["to the server's own pages", '<a href="/docs"><b>x</b></a>', {}],
  ["within the page", '<a href="/queue#main"><b>x</b></a>', {}],
])("a click %s is the browser's", (_, html, init) => {
  addEventListener("click", (event) => event.preventDefault(), { once: true });
  click(html, init);
  expect(router.route).toEqual({ name: "home", query: "" });
});

test("the back button shows the page before", async () => {
  router.go("/queue");
  const back = new Promise((done) => addEventListener("popstate", done, { once: true }));
  history.back();
  await back;
  expect(router.route).toEqual({ name: "home", query: "" });
});

test("typing a search makes no step in the history", () => {
  const steps = history.length;
  router.replace("/?q=pa");
  router.replace("/?q=pap");
  expect(router.route).toEqual({ name: "home", query: "pap" });
  expect(history.length).toBe(steps);
});
