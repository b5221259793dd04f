import { describe, expect, test } from "vitest";
import { isWatchable, JobBoard } from "../src/lib/jobs.svelte";
import { announcement, figures, readyUntil, stageNote } from "../src/lib/words";
import { aJob } from "./support/job";

describe("the board", () => {
  test("a job moves through its life as the events come", () => {
    const board = new JobBoard();
    board.receive(aJob({ status: "queued", progress: 0, updated_at: "2026-11-20T12:00:00Z" }));
    expect(board.onTheWay).toHaveLength(1);
    board.receive(aJob({ progress: 42, updated_at: "2026-11-20T12:00:01Z" }));
    expect(board.get("job_1")?.progress).toBe(42);
    board.receive(aJob({ status: "ready", progress: 100, updated_at: "2026-11-20T12:01:00Z" }));
    expect([board.onTheWay.length, board.ready.length]).toEqual([0, 1]);
  });

  test("a view that is older than the one we have is ignored; one of the same moment counts", () => {
    const board = new JobBoard();
    board.receive(aJob({ status: "ready", updated_at: "2026-11-20T12:01:00Z" }));
    board.receive(aJob({ progress: 42, updated_at: "2026-11-20T12:00:59.900Z" }));
    expect(board.get("job_1")?.status).toBe("ready");
    board.receive(aJob({ status: "deleted", updated_at: "2026-11-20T12:01:00Z" }));
    expect(board.get("job_1")?.status).toBe("deleted");
  });

  test("the latest job speaks for its film", () => {
    const board = new JobBoard();
    board.receive(aJob({ job_id: "job_2", created_at: "2026-11-20T13:00:00Z" }));
    board.receive(aJob({ job_id: "job_1", status: "error", created_at: "2026-11-20T12:00:00Z" }));
    board.receive(aJob({ job_id: "job_3", movie_id: 11, created_at: "2026-11-20T14:00:00Z" }));
    expect(board.ofMovie(603)?.job_id).toBe("job_2");
    expect(board.ofMovie(12)).toBeUndefined();
    expect(board.all.map((job) => job.job_id)).toEqual(["job_3", "job_2", "job_1"]);
  });
});

test.each([
  ["ready", false, true],
  ["downloading", true, true],
  ["downloading", false, false],
  ["error", true, false],
  ["deleted", true, false],
] as const)("a job that is %s, playable %s, can be watched: %s", (status, playable, watchable) => {
  expect(isWatchable(aJob({ status, playable }))).toBe(watchable);
});

describe("its words", () => {
  test("what is known of a download", () => {
    expect(figures(aJob())).toEqual(["3.4 of 8.1 GB", "62 MB/s", "about 1 min left"]);
    expect(figures(aJob({ done_bytes: null, speed_bps: null, eta_s: null }))).toEqual([]);
  });

  test("a stage that is new to this page says nothing wrong", () => {
    expect(stageNote(aJob({ stage: "repairing" }))).toBe("Mending damaged pieces");
    expect(stageNote(aJob({ stage: "unpacking" }))).toBe("Unpacking the film");
    expect(stageNote(aJob({ stage: "polishing" }))).toBeNull();
    expect(stageNote(aJob({ retry_at: "2026-11-20T12:05:00Z" }))).toMatch(/^Trying again at /);
  });

  test("a film without a date has no last day", () => {
    expect(readyUntil(aJob({ status: "ready" }))).toBeNull();
    expect(readyUntil(aJob({ status: "ready", expires_at: "2026-11-20T21:00:00Z" }))).toMatch(/^Ready until /);
  });

  test("what is announced changes with the stage and each tenth, not with each tick", () => {
    const said = [40, 41, 49.9, 50].map((progress) => announcement(aJob({ progress })));
    expect(new Set(said)).toEqual(new Set(["Downloading, 40 percent", "Downloading, 50 percent"]));
    expect(announcement(aJob({ status: "error", error_message: "The news server is full." }))).toBe("The news server is full.");
  });
});
