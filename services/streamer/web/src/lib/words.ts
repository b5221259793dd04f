import type { IndexerAnswer, Job, JobStatus } from "./api";
import { moment, sizeOf, speed, wait } from "./format";

const STATUS: Record<JobStatus, string> = {
  queued: "Queued",
  downloading: "Downloading",
  preparing: "Preparing",
  ready: "Ready",
  error: "Stopped",
  deleted: "Tidied away",
};

// The stages that say more than the status does; any other word of the server's is left to the status.
const STAGE: Readonly<Record<string, string>> = {
  requested: "Looking for the best release",
  queued: "Next in line",
  opening: "Opening the release",
  repairing: "Mending damaged pieces",
  unpacking: "Unpacking the film",
  preparing: "Threading the projector",
  publishing: "Putting the film in its place",
};

export function statusWord(status: JobStatus): string {
  return STATUS[status];
}

export function stageNote(job: Job): string | null {
  if (job.retry_at) return `Trying again at ${moment(job.retry_at)}`;
  return job.stage ? (STAGE[job.stage] ?? null) : null;
}

/** "3.4 of 8.1 GB", "62 MB/s", "about 2 min left": what is known of it, while it is on its way. */
export function figures(job: Job): string[] {
  const known: string[] = [];
  if (job.done_bytes !== null && job.total_bytes) known.push(sizeOf(job.done_bytes, job.total_bytes));
  if (job.speed_bps) known.push(speed(job.speed_bps));
  if (job.eta_s !== null && job.eta_s !== undefined) known.push(`${wait(job.eta_s)} left`);
  return known;
}

/** When it will be gone; null for a film that has no date. */
export function readyUntil(job: Job): string | null {
  return job.expires_at ? `Ready until ${moment(job.expires_at)}` : null;
}

export function tidiedAway(job: Job): string {
  return `Tidied away ${moment(job.updated_at)}`;
}

/** What a screen reader hears: the stage and each tenth of the way, so not every tick of the figures. */
export function announcement(job: Job): string {
  if (job.status === "error") return job.error_message ?? "The film could not be fetched.";
  if (job.status === "ready") return `${job.title} is ready. ${readyUntil(job) ?? ""}`.trim();
  const tenth = Math.floor(job.progress / 10) * 10;
  const words = [statusWord(job.status), ...(tenth > 0 ? [`${tenth} percent`] : [])];
  return [words.join(", "), stageNote(job)].filter(Boolean).join(". ");
}

/** How far the question to an indexer is: behind its name. */
export function indexerNote(answer: IndexerAnswer): string {
  if (answer.state === "asked") return "is being asked";
  if (answer.state === "failed") return answer.message;
  if (answer.found === 0) return "has nothing";
  return `has ${answer.found} ${answer.found === 1 ? "release" : "releases"}`;
}
