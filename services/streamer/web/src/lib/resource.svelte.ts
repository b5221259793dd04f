import { isAbort, sentence } from "./http";

/** Something that is fetched for a screen: its value, or the sentence that says why there is none. */
export class Resource<T> {
  value = $state.raw<T | null>(null);
  fault = $state<string | null>(null);
  loading = $state(false);
  #load: (signal: AbortSignal) => Promise<T>;
  #current: AbortController | null = null;

  constructor(load: (signal: AbortSignal) => Promise<T>) {
    this.#load = load;
  }

  /** Loads anew; an older load that is still under way is aborted and never shown. */
  async load(): Promise<void> {
    this.stop();
    const current = (this.#current = new AbortController());
    this.loading = true;
    this.fault = null;
    try {
      const value = await this.#load(current.signal);
      if (current.signal.aborted) return;
      this.value = value;
    } catch (error) {
      if (current.signal.aborted || isAbort(error)) return;
      this.fault = sentence(error);
    }
    this.loading = false;
  }

  stop(): void {
    this.#current?.abort();
  }
}
