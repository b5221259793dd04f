import type { Api, IndexerAnswer, Release } from "./api";
import { isAbort, sentence } from "./http";

interface Known {
  releases: Release[];
  indexers: IndexerAnswer[];
}

/** A film's releases, as indexers answer: what is known so far, and how far each of them is. */
export class ReleaseList {
  releases = $state.raw<Release[]>([]);
  indexers = $state.raw<IndexerAnswer[]>([]);
  fault = $state<string | null>(null);
  asking = $state(false);
  #api: Api;
  #movieId: number;
  #inOrder: Release[] = [];
  #source: EventSource | null = null;
  #plain: AbortController | null = null;

  constructor(api: Api, movieId: number) {
    this.#api = api;
    this.#movieId = movieId;
  }

  load(): void {
    this.stop();
    this.fault = null;
    this.asking = true;
    this.#inOrder = this.releases = [];
    const source = (this.#source = new EventSource(this.#api.releaseEvents(this.#movieId)));
    source.addEventListener("releases", (event) => this.#show(JSON.parse(event.data) as Known));
    source.addEventListener("failed", (event) => this.#end((JSON.parse(event.data) as { error: string }).error));
    source.addEventListener("done", () => this.#end(null));
    // A refusal, or a broken line: the plain question has the list, or the sentence that says why not.
    source.addEventListener("error", () => void this.#ask());
  }

  stop(): void {
    this.#source?.close();
    this.#plain?.abort();
  }

  async #ask(): Promise<void> {
    this.stop();
    const plain = (this.#plain = new AbortController());
    try {
      const releases = await this.#api.releases(this.#movieId, plain.signal);
      if (plain.signal.aborted) return;
      this.#show({ releases, indexers: [] });
      this.#end(null);
    } catch (error) {
      if (!plain.signal.aborted && !isAbort(error)) this.#end(sentence(error));
    }
  }

  #show(known: Known): void {
    this.#inOrder = known.releases;
    // What is shown already stays where it is: somebody may be about to press it.
    const places = new Map(this.releases.map((release, place) => [release.id, place]));
    const place = (release: Release) => places.get(release.id) ?? places.size;
    this.releases = [...known.releases].sort((one, other) => place(one) - place(other));
    this.indexers = known.indexers;
  }

  #end(fault: string | null): void {
    this.stop();
    this.releases = this.#inOrder;
    this.fault = fault;
    this.asking = false;
  }
}
