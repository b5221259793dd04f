import { SvelteMap } from "svelte/reactivity";
import type { Job, JobStatus } from "./api";

const ON_THE_WAY: readonly JobStatus[] = ["queued", "downloading", "preparing"];

export function isOnTheWay(job: Job): boolean {
  return ON_THE_WAY.includes(job.status);
}

/** True once the film can be played: ready, or fetched far enough to start. */
export function isWatchable(job: Job): boolean {
  return job.status === "ready" || (job.playable && isOnTheWay(job));
}

/** Every job this page knows of, as the server last described it; nothing here is the page's own idea. */
export class JobBoard {
  #byId = new SvelteMap<string, Job>();
  reconnecting = $state(false);

  all = $derived([...this.#byId.values()].sort((a, b) => time(b.created_at) - time(a.created_at)));
  onTheWay = $derived(this.all.filter(isOnTheWay));
  ready = $derived(this.all.filter((job) => job.status === "ready"));

  /** Takes in a job's view. One that is older than the view we have is ignored: REST and the stream may cross. */
  receive(job: Job): void {
    const known = this.#byId.get(job.job_id);
    if (known && time(job.updated_at) < time(known.updated_at)) return;
    this.#byId.set(job.job_id, job);
  }

  get(jobId: string): Job | undefined {
    return this.#byId.get(jobId);
  }

  /** The film's latest job. */
  ofMovie(movieId: number): Job | undefined {
    return this.all.find((job) => job.movie_id === movieId);
  }

  clear(): void {
    this.#byId.clear();
    this.reconnecting = false;
  }
}

function time(rfc3339: string): number {
  return Date.parse(rfc3339);
}
