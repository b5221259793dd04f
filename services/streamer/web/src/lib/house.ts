import { getContext, setContext } from "svelte";
import { Api } from "./api";
import { JobBoard } from "./jobs.svelte";
import { Router } from "./router.svelte";
import { Search } from "./search.svelte";
import { Session } from "./session.svelte";

/** What every screen may lean on; made once, in `main.ts`. */
export interface House {
  session: Session;
  api: Api;
  board: JobBoard;
  router: Router;
  search: Search;
}

const KEY = Symbol("house");

export function openHouse(): House {
  const session = new Session();
  const api = new Api(session);
  return {
    session,
    api,
    board: new JobBoard(),
    router: new Router(),
    search: new Search((query, page, signal) => api.search(query, page, signal)),
  };
}

export function provideHouse(house: House): void {
  setContext(KEY, house);
}

export function useHouse(): House {
  return getContext<House>(KEY);
}
