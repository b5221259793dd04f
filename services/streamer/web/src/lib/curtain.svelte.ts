import type { Job } from "./api";
import { isOnTheWay, isWatchable } from "./jobs.svelte";

/**
 * When the player opens by itself: once for a film that this page saw on its way, as soon as it can be watched.
 * Never again after somebody closed it, and never for a film that was there already.
 */
export class Curtain {
  playing = $state(false);
  #opensAt: "unseen" | "watchable" | "closed" = "unseen";

  see(job: Job): void {
    if (this.#opensAt === "unseen" && isOnTheWay(job)) this.#opensAt = "watchable";
    if (this.#opensAt === "watchable" && isWatchable(job)) this.open();
  }

  open(): void {
    this.playing = true;
    this.#opensAt = "closed";
  }

  close(): void {
    this.playing = false;
  }

  /** A new film is asked for: whatever plays stops, and the next one opens by itself. */
  await(): void {
    this.playing = false;
    this.#opensAt = "watchable";
  }
}
