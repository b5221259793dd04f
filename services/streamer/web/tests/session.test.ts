// @vitest-environment node
import { afterEach, expect, test } from "vitest";
import { Api } from "../src/lib/api";
import { ApiError, type Call, send } from "../src/lib/http";
import { Session } from "../src/lib/session.svelte";
import { openGateway, reply } from "./support/gateway";

const POPULAR = "GET /api/movies-on-demand/popular";
const FETCH = "POST /api/movies-on-demand/movies/603/fetch";
const PAGE = { page: 1, total_pages: 1, total_results: 0, results: [] };

type Gateway = Awaited<ReturnType<typeof openGateway>>;
let gateway: Gateway;

afterEach(() => gateway.close());

/** A gateway whose access cookie has run out; `renewable` says whether a refresh brings it back. */
async function expired(renewable: boolean) {
  let valid = false;
  gateway = await openGateway({
    [POPULAR]: (_, response) => reply(response, valid ? 200 : 401, valid ? PAGE : { error: "Sign in.", code: "UNAUTHORIZED" }),
    "GET /auth/state": (_, response) => reply(response, 200, { mode: "owner", setup_required: false, signed_in: valid, csrf_token: null }),
    [FETCH]: (_, response) => reply(response, valid ? 202 : 401, valid ? { job_id: "job_1" } : {}),
    "POST /auth/refresh": async (_, response) => {
      await new Promise((later) => setTimeout(later, 20));
      valid = renewable;
      reply(response, renewable ? 200 : 401, renewable ? { csrf_token: "new" } : { error: "Over.", code: "UNAUTHORIZED" });
    },
  });
  const session = new Session(gateway.base);
  session.phase = "inside";
  return { session, api: new Api(session) };
}

async function refusalOf(promise: Promise<unknown>): Promise<ApiError> {
  const error: unknown = await promise.then(() => null, (cause: unknown) => cause);
  expect(error).toBeInstanceOf(ApiError);
  return error as ApiError;
}

test.each([
  [200, true],
  [307, true],
  [409, false],
  [502, false],
])("a play session's address that answers %i leads to the film: %s", async (status, leads) => {
  gateway = await openGateway({
    "HEAD /v1/stream/s1": (_, response) => {
      response.writeHead(status, status === 307 ? { Location: "http://127.0.0.1:1/film" } : {});
      response.end();
    },
  });
  expect(await new Api(new Session(gateway.base)).leadsToFilm("/v1/stream/s1")).toBe(leads);
});

test("a play session is asked for by its job", async () => {
  gateway = await openGateway({
    "POST /v1/session/start": (_, response) => reply(response, 200, { streamUrl: "/v1/stream/s1", playable: true }),
  });
  expect(await new Api(new Session(gateway.base)).startSession("job_1", ["flac"])).toEqual({ streamUrl: "/v1/stream/s1", playable: true });
  expect(gateway.asked[0]?.body).toBe('{"jobId":"job_1","deviceCaps":{"codecs":["flac"]}}');
});

test("an expired session is renewed once for all who wait, and each asks again", async () => {
  const { session, api } = await expired(true);
  const [first, second] = await Promise.all([api.popular(), api.fetch(603, { mode: "auto" })]);
  expect(first).toEqual(PAGE);
  expect(second).toEqual({ job_id: "job_1" });
  expect(gateway.lines().filter((line) => line === "POST /auth/refresh")).toHaveLength(1);
  expect(session.phase).toBe("inside");
  expect(gateway.asked.findLast((one) => one.line === FETCH)).toEqual({ line: FETCH, csrf: "new", body: '{"mode":"auto"}' });
});

test("a session that another tab has renewed meanwhile is not renewed again", async () => {
  let calls = 0;
  gateway = await openGateway({
    [POPULAR]: (_, response) => reply(response, calls++ ? 200 : 401, PAGE),
    "GET /auth/state": (_, response) => reply(response, 200, { signed_in: true, csrf_token: "theirs" }),
  });
  const session = new Session(gateway.base);
  expect(await new Api(session).popular()).toEqual(PAGE);
  expect(session.csrf).toBe("theirs");
  expect(gateway.lines()).not.toContain("POST /auth/refresh");
});

test("when it can't be renewed the sign-in page comes", async () => {
  const { session, api } = await expired(false);
  const refusal = await refusalOf(api.popular());
  expect(refusal.message).toBe("Sign in.");
  expect(session.phase).toBe("door");
  expect(gateway.lines()).toEqual([POPULAR, "GET /auth/state", "POST /auth/refresh"]);
});

test("a gateway that stumbles while renewing signs nobody out", async () => {
  gateway = await openGateway({
    [POPULAR]: (_, response) => reply(response, 401, {}),
    "GET /auth/state": (_, response) => reply(response, 200, { signed_in: false, csrf_token: null }),
    "POST /auth/refresh": (_, response) => reply(response, 503, { error: "NATS is away.", code: "INTERNAL_ERROR" }),
  });
  const session = new Session(gateway.base);
  session.phase = "inside";
  expect((await refusalOf(new Api(session).popular())).message).toBe("NATS is away.");
  expect(session.phase).toBe("inside");
});

test.each([
  ["the first visit", { setup_required: true, signed_in: false }, "setup"],
  ["a running session", { setup_required: false, signed_in: true }, "inside"],
  ["nobody", { setup_required: false, signed_in: false }, "door"],
])("opening for %s", async (_, state, phase) => {
  gateway = await openGateway({
    "GET /auth/state": (__, response) => reply(response, 200, { mode: "owner", csrf_token: null, ...state }),
    "POST /auth/refresh": (__, response) => reply(response, 401, {}),
  });
  const session = new Session(gateway.base);
  await session.open();
  expect(session.phase).toBe(phase);
});

test("opening without a gateway says so", async () => {
  gateway = await openGateway({});
  await gateway.close();
  const session = new Session(gateway.base);
  await session.open();
  expect(session.phase).toBe("unreachable");
});

test("setting up goes inside; being too late leads to the door", async () => {
  let set = false;
  gateway = await openGateway({
    "POST /auth/setup": (_, response) => {
      reply(response, set ? 409 : 201, set ? { error: "Already set up.", code: "CONFLICT" } : { csrf_token: "c1" });
      set = true;
    },
  });
  const first = new Session(gateway.base);
  await first.setUp("long enough");
  expect([first.phase, first.csrf]).toEqual(["inside", "c1"]);
  const late = new Session(gateway.base);
  expect((await refusalOf(late.setUp("long enough"))).message).toBe("Already set up.");
  expect(late.phase).toBe("door");
});

test("signing out sends the token and closes the door", async () => {
  gateway = await openGateway({
    "POST /auth/login": (_, response) => reply(response, 200, { csrf_token: "c1" }),
    "POST /auth/logout": (_, response) => {
      response.writeHead(204);
      response.end();
    },
  });
  const session = new Session(gateway.base);
  await session.signIn("long enough");
  await session.signOut();
  expect(gateway.asked.at(-1)?.csrf).toBe("c1");
  expect([session.phase, session.csrf]).toEqual(["door", null]);
});

test.each([
  ["its own sentence", 502, { error: "TMDB isn't answering.", code: "TMDB_ERROR" }, "TMDB isn't answering.", "TMDB_ERROR"],
  ["no JSON", 500, undefined, "Matinée answered with an error (500). Try again in a moment.", "INTERNAL_ERROR"],
  ["a strange shape", 400, { error: { a: 1 } }, "Matinée answered with an error (400). Try again in a moment.", "INTERNAL_ERROR"],
])("a refusal with %s", async (_, status, body, message, code) => {
  gateway = await openGateway({ "GET /x": (__, response) => reply(response, status, body) });
  const refusal = await refusalOf(send(`${gateway.base}/x`));
  expect([refusal.message, refusal.code, refusal.status]).toEqual([message, code, status]);
});

test("an aborted call is an abort, not a failure", async () => {
  gateway = await openGateway({ "GET /slow": () => new Promise(() => undefined) });
  const stop = new AbortController();
  const call: Call = { signal: stop.signal };
  const pending = send(`${gateway.base}/slow`, call);
  setTimeout(() => stop.abort(), 20);
  await expect(pending).rejects.toMatchObject({ name: "AbortError" });
});
