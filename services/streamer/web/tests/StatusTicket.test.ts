import { render, screen } from "@testing-library/svelte";
import { expect, test } from "vitest";
import StatusTicket from "../src/parts/StatusTicket.svelte";
import { aJob } from "./support/job";

const ticket = () => screen.getByTestId("job-status");

test("a film on its way shows its step, progress and figures", () => {
  render(StatusTicket, { job: aJob() });
  expect(ticket().dataset["status"]).toBe("downloading");
  expect(screen.getByRole("progressbar").getAttribute("aria-valuenow")).toBe("42");
  expect(ticket().querySelector("[aria-current=step]")?.textContent?.trim()).toBe("Downloading");
  expect(ticket().textContent).toContain("62 MB/s");
  expect(screen.queryByTestId("gone-at")).toBeNull();
});

test("it follows the job to ready and says until when", async () => {
  const { rerender } = render(StatusTicket, { job: aJob() });
  await rerender({ job: aJob({ status: "ready", progress: 100, expires_at: "2026-11-20T21:00:00Z" }) });
  expect(ticket().dataset["status"]).toBe("ready");
  expect(screen.getByTestId("gone-at").textContent).toMatch(/^Ready until /);
  expect(screen.queryByRole("progressbar")).toBeNull();
});

test("a stopped film shows the server's sentence, as text and never as markup", () => {
  const sentence = "The release <b>is incomplete</b>. Choose another release.";
  render(StatusTicket, { job: aJob({ status: "error", error_message: sentence }) });
  expect(ticket().querySelector(".fault")?.textContent).toBe(sentence);
  expect(ticket().querySelector("b")).toBeNull();
});

test("the live region keeps still between two tenths", async () => {
  const { rerender } = render(StatusTicket, { job: aJob({ progress: 42 }) });
  const region = ticket().querySelector("[aria-live=polite]");
  const before = region?.textContent;
  await rerender({ job: aJob({ progress: 47, speed_bps: 1 }) });
  expect(region?.textContent).toBe(before);
  await rerender({ job: aJob({ progress: 51 }) });
  expect(region?.textContent).toBe("Downloading, 50 percent");
});
