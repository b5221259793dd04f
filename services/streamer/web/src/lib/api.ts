import { ApiError, send, type Call } from "./http";
import type { Media, Plan } from "./media";
import type { Session } from "./session.svelte";

export interface Movie {
  id: number;
  title: string;
  year: number | null;
  release_date: string | null;
  overview: string;
  poster_url: string | null;
  backdrop_url: string | null;
  /** Out of 10; 0 when nobody has rated it. */
  rating: number;
}

export interface MoviePage {
  page: number;
  total_pages: number;
  total_results: number;
  results: Movie[];
}

/** `role` is the character (cast) or the job (crew). */
export interface Person {
  name: string;
  role: string;
  photo_url: string | null;
}

export interface MovieDetails extends Movie {
  runtime_min: number | null;
  genres: string[];
  cast: Person[];
  crew: Person[];
  imdb_id: string | null;
  job_status: { job_id: string; status: JobStatus; progress: number; error_message: string | null } | null;
}

export interface Release {
  id: string;
  title: string;
  size_bytes: number;
  age_days: number;
  indexer: string;
  quality: string;
  source: string | null;
  codec: string | null;
  group: string | null;
  score: Score;
}

/** Why a release stands where it stands. A check is a rule with what it allows and what the release has. */
export interface Score {
  total: number;
  parts: Record<string, number>;
  reasons: string[];
  checks: { rule: string; passed: boolean; value: string; limit: string }[];
  decided_by: string;
}

/** How far the question to one indexer is; `message` says why it failed. */
export interface IndexerAnswer {
  name: string;
  state: "asked" | "answered" | "failed";
  found: number;
  message: string;
}

export type JobStatus = "queued" | "downloading" | "preparing" | "ready" | "error" | "deleted";

/** A job as REST and the event stream show it. Times are RFC 3339, `progress` is 0 to 100. */
export interface Job {
  job_id: string;
  movie_id: number;
  title: string;
  poster_url: string | null;
  status: JobStatus;
  stage: string | null;
  progress: number;
  playable: boolean;
  error_message: string | null;
  error_code: string | null;
  release_title: string | null;
  release_id: string | null;
  done_bytes: number | null;
  total_bytes: number | null;
  speed_bps: number | null;
  eta_s: number | null;
  retry_at: string | null;
  created_at: string;
  updated_at: string;
  ready_at: string | null;
  expires_at: string | null;
  last_watched_at: string | null;
}

export interface JobPage {
  jobs: Job[];
  total: number;
}

/**
 * A film to play, fetched or not. `streamUrl` is the gateway's own, and refuses while not `playable`: by it the film's
 * file (`file`), and below it the form that was prepared for browsers (`hls`) and what goes with the film.
 */
export interface PlaySession {
  sessionId: string;
  jobId: string;
  playable: boolean;
  streamUrl: string;
  mode?: "file" | "hls" | null;
  plan?: Plan | null;
  media?: Media | null;
  durationS?: number | null;
}

export type ShowingEvent = "buffering" | "fallback" | "error" | "first_frame";

export interface Watched {
  movie_id: number;
  title: string;
  poster_url: string | null;
  last_watched_at: string;
  job_id: string | null;
  status: JobStatus;
}

export interface FetchOrder {
  mode: "auto" | "manual";
  release_id?: string;
  quality_preference?: "720p" | "1080p" | "4K";
}

const MOVIES = "/api/movies-on-demand";

/** The movies API, signed in by cookie. Every method throws `ApiError` with a sentence fit to show. */
export class Api {
  constructor(readonly session: Session) {}

  search(query: string, page: number, signal?: AbortSignal): Promise<MoviePage> {
    return this.#call(`/search?${new URLSearchParams({ query, page: String(page) })}`, { signal });
  }

  popular(signal?: AbortSignal): Promise<MoviePage> {
    return this.#call("/popular", { signal });
  }

  top(signal?: AbortSignal): Promise<MoviePage> {
    return this.#call("/top", { signal });
  }

  movie(id: number, signal?: AbortSignal): Promise<MovieDetails> {
    return this.#call(`/movies/${id}`, { signal });
  }

  similar(id: number, signal?: AbortSignal): Promise<MoviePage> {
    return this.#call(`/movies/${id}/similar`, { signal });
  }

  async releases(id: number, signal?: AbortSignal): Promise<Release[]> {
    const answer = await this.#call<{ releases: Release[] }>(`/movies/${id}/releases`, { signal });
    return answer.releases;
  }

  /** Where the same list can be followed while indexers answer. */
  releaseEvents(id: number): string {
    return `${this.session.base}${MOVIES}/movies/${id}/releases/events`;
  }

  /** Starts the film, or joins the job that is already on its way. */
  fetch(id: number, order: FetchOrder): Promise<Job> {
    return this.#call(`/movies/${id}/fetch`, { method: "POST", body: order });
  }

  job(jobId: string, signal?: AbortSignal): Promise<Job> {
    return this.#call(`/jobs/${encodeURIComponent(jobId)}`, { signal });
  }

  /** At most 100 a page, newest change first; without a status those that are on their way or ready. */
  jobs(page: { limit: number; offset?: number; status?: JobStatus }, signal?: AbortSignal): Promise<JobPage> {
    const query = new URLSearchParams({ limit: String(page.limit), offset: String(page.offset ?? 0) });
    if (page.status) query.set("status", page.status);
    return this.#call(`/jobs?${query}`, { signal });
  }

  /** To play the job's film now, on a device that plays these codecs (RFC 6381). */
  startSession(jobId: string, codecs: readonly string[]): Promise<PlaySession> {
    return this.#send("/v1/session/start", { method: "POST", body: { jobId, deviceCaps: { codecs } } });
  }

  /** Tells how the showing goes. Nobody waits for it, and nothing depends on it. */
  tell(sessionId: string, kind: ShowingEvent, valueMs?: number): void {
    const body = { sessionId, kind, ...(valueMs === undefined ? {} : { value: Math.round(valueMs) }) };
    this.#send("/v1/session/events", { method: "POST", body }).catch(() => undefined);
  }

  /** Whether a play session's address still leads to its film. */
  async leadsToFilm(streamUrl: string): Promise<boolean> {
    // A redirect means that the film is in the store by now; it need not be followed.
    const answer = await fetch(this.session.base + streamUrl, { method: "HEAD", redirect: "manual" }).catch(() => null);
    return answer !== null && (answer.ok || answer.type === "opaqueredirect" || answer.status === 307);
  }

  async history(signal?: AbortSignal): Promise<Watched[]> {
    const answer = await this.#call<{ history: Watched[] }>("/history", { signal });
    return answer.history;
  }

  #call<T>(path: string, call: Call = {}): Promise<T> {
    return this.#send(MOVIES + path, call);
  }

  async #send<T>(path: string, call: Call): Promise<T> {
    const url = this.session.base + path;
    const attempt = () => send<T>(url, { ...call, csrf: call.method === "POST" ? this.session.csrf : null });
    try {
      return await attempt();
    } catch (error) {
      if (!isSignedOut(error)) throw error;
      if (!(await this.session.refresh())) {
        this.session.lost();
        throw error;
      }
    }
    return await attempt();
  }
}

function isSignedOut(error: unknown): boolean {
  return error instanceof ApiError && error.status === 401;
}
