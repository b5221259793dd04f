import { ApiError, send } from "./http";

interface AuthState {
  mode: string;
  setup_required: boolean;
  signed_in: boolean;
  csrf_token: string | null;
}

interface Ticket {
  csrf_token: string;
}

const SPREAD_MS = 500;

export type Phase = "opening" | "unreachable" | "setup" | "door" | "inside";

/** Who is at the door: the owner's set-up, signing in and out, and the renewal of the session's cookies. */
export class Session {
  phase = $state<Phase>("opening");
  #csrf: string | null = null;
  #renewal: Promise<boolean> | null = null;

  constructor(readonly base = "") {}

  get csrf(): string | null {
    return this.#csrf;
  }

  /** Asks the gateway where we stand; an old session is renewed before the sign-in page is shown. */
  async open(): Promise<void> {
    try {
      const state = await send<AuthState>(`${this.base}/auth/state`);
      this.#csrf = state.csrf_token;
      if (state.setup_required) this.phase = "setup";
      else this.phase = state.signed_in || (await this.refresh()) ? "inside" : "door";
    } catch {
      this.phase = "unreachable";
    }
  }

  /** First visit. When somebody was faster (409) the sign-in page comes instead. */
  async setUp(password: string): Promise<void> {
    try {
      await this.#enter("/auth/setup", password);
    } catch (error) {
      if (error instanceof ApiError && error.status === 409) this.phase = "door";
      throw error;
    }
  }

  async signIn(password: string): Promise<void> {
    await this.#enter("/auth/login", password);
  }

  async signOut(): Promise<void> {
    await send(`${this.base}/auth/logout`, { method: "POST", csrf: this.#csrf });
    this.lost();
  }

  /**
   * Renews the cookies; callers that come meanwhile share the one request.
   * False when the session is over. Throws `ApiError` when the gateway can't say.
   */
  refresh(): Promise<boolean> {
    this.#renewal ??= this.#renew().finally(() => (this.#renewal = null));
    return this.#renewal;
  }

  lost(): void {
    this.#csrf = null;
    this.phase = "door";
  }

  async #enter(path: string, password: string): Promise<void> {
    const ticket = await send<Ticket>(`${this.base}${path}`, { method: "POST", body: { password }, csrf: this.#csrf });
    this.#csrf = ticket.csrf_token;
    this.phase = "inside";
  }

  async #renew(): Promise<boolean> {
    try {
      this.#csrf = await oneTabAtATime(async () => {
        const state = await send<AuthState>(`${this.base}/auth/state`);
        if (state.signed_in) return state.csrf_token;
        return (await send<Ticket>(`${this.base}/auth/refresh`, { method: "POST", csrf: this.#csrf })).csrf_token;
      });
      return true;
    } catch (error) {
      if (error instanceof ApiError && error.status >= 400 && error.status < 500) return false;
      throw error;
    }
  }
}

// A renewal token works once, and two tabs that spend the same one look like a thief and end the session.
// So they queue, and the second finds itself signed in. Plain http has no locks: there the tabs come at random.
async function oneTabAtATime<T>(work: () => Promise<T>): Promise<T> {
  const locks = globalThis.navigator?.locks;
  if (locks) return (await locks.request("matinee-refresh", work)) as T;
  await new Promise((later) => setTimeout(later, Math.random() * SPREAD_MS));
  return work();
}
