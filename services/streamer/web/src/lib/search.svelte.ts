import type { Movie, MoviePage } from "./api";
import { isAbort, sentence } from "./http";

export const SHORTEST_QUERY = 2;
const PAUSE_MS = 150;

type Find = (query: string, page: number, signal: AbortSignal) => Promise<MoviePage>;

/** Search as one types: waits for a pause, drops the answer to anything older, keeps the last results meanwhile. */
export class Search {
  query = $state("");
  results = $state.raw<Movie[]>([]);
  total = $state(0);
  searching = $state(false);
  fault = $state<string | null>(null);
  /** What `results` answer; differs from `query` while a search is on its way. */
  answered = $state("");
  #find: Find;
  #page = $state(0);
  #pages = $state(0);
  #timer: ReturnType<typeof setTimeout> | undefined;
  #current: AbortController | null = null;

  constructor(find: Find) {
    this.#find = find;
  }

  get active(): boolean {
    return this.query.trim().length >= SHORTEST_QUERY;
  }

  get hasMore(): boolean {
    return this.#page < this.#pages && !this.searching;
  }

  type(query: string): void {
    if (query === this.query) return;
    this.query = query;
    this.#cancel();
    if (!this.active) {
      this.results = [];
      this.answered = "";
      return;
    }
    this.searching = true;
    this.#timer = setTimeout(() => void this.#ask(1), PAUSE_MS);
  }

  again(): Promise<void> {
    this.#cancel();
    return this.#ask(1);
  }

  more(): Promise<void> {
    return this.#ask(this.#page + 1);
  }

  #cancel(): void {
    clearTimeout(this.#timer);
    this.#current?.abort();
    this.searching = false;
    this.fault = null;
  }

  async #ask(page: number): Promise<void> {
    const current = (this.#current = new AbortController());
    const query = this.query.trim();
    this.searching = true;
    this.fault = null;
    try {
      const answer = await this.#find(query, page, current.signal);
      if (current.signal.aborted) return;
      this.results = page === 1 ? answer.results : [...this.results, ...answer.results];
      this.answered = query;
      this.total = answer.total_results;
      this.#page = answer.page;
      this.#pages = answer.total_pages;
    } catch (error) {
      if (current.signal.aborted || isAbort(error)) return;
      this.fault = sentence(error);
    }
    this.searching = false;
  }
}
