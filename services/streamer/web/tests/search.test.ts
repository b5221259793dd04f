// @vitest-environment node
import { afterEach, beforeEach, expect, test } from "vitest";
import { Api, type Movie } from "../src/lib/api";
import { Search } from "../src/lib/search.svelte";
import { Session } from "../src/lib/session.svelte";
import { openGateway, reply } from "./support/gateway";

let gateway: Awaited<ReturnType<typeof openGateway>>;
let search: Search;
let aborted: string[];

// Answers "slow…" late and everything else at once; one film a page, two pages.
beforeEach(async () => {
  aborted = [];
  gateway = await openGateway({
    "GET /api/movies-on-demand/search": async (request, response) => {
      const asked = new URL(request.url ?? "", "http://x").searchParams;
      const query = asked.get("query") ?? "";
      response.on("close", () => response.writableFinished || aborted.push(query));
      if (query.startsWith("slow")) await new Promise((later) => setTimeout(later, 400));
      if (query === "broken") return reply(response, 502, { error: "TMDB isn't answering.", code: "TMDB_ERROR" });
      const page = Number(asked.get("page"));
      reply(response, 200, { page, total_pages: 2, total_results: 2, results: [{ id: page, title: `${query} ${page}` }] });
    },
  });
  const api = new Api(new Session(gateway.base));
  search = new Search((query, page, signal) => api.search(query, page, signal));
});

afterEach(() => gateway.close());

const titles = () => search.results.map((movie: Movie) => movie.title);

async function until(holds: () => boolean): Promise<void> {
  const deadline = Date.now() + 2_000;
  while (!holds() && Date.now() < deadline) await new Promise((later) => setTimeout(later, 5));
  expect(holds()).toBe(true);
}

test("letters in quick succession are one question", async () => {
  for (const query of ["la", "lan", "lant"]) search.type(query);
  await until(() => search.answered === "lant");
  expect(gateway.lines()).toEqual(["GET /api/movies-on-demand/search?query=lant&page=1"]);
  expect(titles()).toEqual(["lant 1"]);
});

test("one letter asks nothing and empties the list", async () => {
  search.type("la");
  await until(() => search.answered === "la");
  search.type("l");
  expect(titles()).toEqual([]);
  expect(search.active).toBe(false);
});

test("an older question is aborted and its answer never shown; the last results stay meanwhile", async () => {
  search.type("first");
  await until(() => search.answered === "first");
  search.type("slow one");
  await until(() => gateway.lines().some((line) => line.includes("slow")));
  expect([titles(), search.searching]).toEqual([["first 1"], true]);
  search.type("quick");
  await until(() => search.answered === "quick");
  await until(() => aborted.includes("slow one"));
  expect(titles()).toEqual(["quick 1"]);
});

test("more pages are added until there are none", async () => {
  search.type("lant");
  await until(() => search.answered === "lant");
  expect(search.hasMore).toBe(true);
  await search.more();
  expect(titles()).toEqual(["lant 1", "lant 2"]);
  expect(search.hasMore).toBe(false);
});

test("a failure shows the server's sentence, and the next letters clear it", async () => {
  search.type("broken");
  await until(() => search.fault !== null);
  expect(search.fault).toBe("TMDB isn't answering.");
  search.type("broken w");
  expect(search.fault).toBeNull();
});
