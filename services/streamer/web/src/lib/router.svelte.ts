export type Route =
  | { name: "home"; query: string }
  | { name: "title"; id: number }
  | { name: "queue" }
  | { name: "lost" };

/** The route an address stands for; what is not ours is `lost`. */
export function routeOf(url: URL): Route {
  const path = url.pathname.replace(/\/+$/, "") || "/";
  if (path === "/") return { name: "home", query: url.searchParams.get("q") ?? "" };
  if (path === "/queue") return { name: "queue" };
  const title = /^\/title\/([1-9]\d{0,11})$/.exec(path);
  return title ? { name: "title", id: Number(title[1]) } : { name: "lost" };
}

/** The address bar as state. Plain clicks on links of our own pages stay in the page. */
export class Router {
  route = $state.raw<Route>(routeOf(new URL(location.href)));

  go(path: string): void {
    history.pushState(null, "", path);
    this.#read();
    scrollTo(0, 0);
  }

  /** Changes the address without a new step in the history, as a search box does while one types. */
  replace(path: string): void {
    history.replaceState(null, "", path);
    this.#read();
  }

  /** Starts listening; returns how to stop. */
  listen(): () => void {
    const stop = new AbortController();
    addEventListener("popstate", () => this.#read(), { signal: stop.signal });
    document.addEventListener("click", (event) => this.#follow(event), { signal: stop.signal });
    return () => stop.abort();
  }

  #read(): void {
    this.route = routeOf(new URL(location.href));
  }

  #follow(event: MouseEvent): void {
    const changed = event.metaKey || event.ctrlKey || event.shiftKey || event.altKey || event.button !== 0;
    const link = event.target instanceof Element ? event.target.closest("a") : null;
    if (changed || event.defaultPrevented || !link || link.target || link.hasAttribute("download")) return;
    const url = new URL(link.href, location.href);
    if (url.origin !== location.origin || url.hash || routeOf(url).name === "lost") return;
    event.preventDefault();
    this.go(url.pathname + url.search);
  }
}
