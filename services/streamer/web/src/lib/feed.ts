import type { Job } from "./api";

export interface FeedListener {
  job(job: Job): void;
  /** The line is up, first time or again: ask for what was missed. */
  up(): void;
  down(): void;
  /** Called before the page itself opens the line anew; the place to renew the session. */
  reopening(): Promise<void>;
}

const FIRST_WAIT_MS = 1_000;
const LONGEST_WAIT_MS = 30_000;

/**
 * Follows the gateway's event stream until the returned function is called. EventSource comes back by itself
 * after a broken line, but gives up for good on a refusal (401, 502): then we open a new one, ever more slowly.
 */
export function follow(url: string, listener: FeedListener): () => void {
  let source: EventSource;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let stopped = false;
  let waitMs = FIRST_WAIT_MS;

  const open = () => {
    source = new EventSource(url);
    source.addEventListener("open", () => {
      waitMs = FIRST_WAIT_MS;
      listener.up();
    });
    source.addEventListener("job", (event) => listener.job(JSON.parse(event.data) as Job));
    source.addEventListener("error", () => {
      listener.down();
      if (source.readyState === EventSource.CLOSED) timer = setTimeout(reopen, waitMs);
    });
  };
  const reopen = async () => {
    waitMs = Math.min(waitMs * 2, LONGEST_WAIT_MS);
    await listener.reopening();
    if (!stopped) open();
  };

  open();
  return () => {
    stopped = true;
    clearTimeout(timer);
    source.close();
  };
}
