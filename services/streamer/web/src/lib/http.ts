/** A refusal or failure in the server's own words; `status` 0 means that no answer came. */
export class ApiError extends Error {
  constructor(
    message: string,
    readonly code: string,
    readonly status: number,
  ) {
    super(message);
    this.name = "ApiError";
  }
}

export interface Call {
  method?: "GET" | "POST";
  body?: unknown;
  csrf?: string | null;
  signal?: AbortSignal | undefined;
}

const NO_ANSWER = "Matinée isn't answering. Check that it is running, then try again.";

/** One JSON exchange with the gateway. Throws `ApiError`, or the signal's `AbortError`. */
export async function send<T>(url: string, call: Call = {}): Promise<T> {
  const headers: Record<string, string> = { Accept: "application/json" };
  if (call.csrf) headers["X-CSRF-Token"] = call.csrf;
  if (call.body !== undefined) headers["Content-Type"] = "application/json";
  const response = await fetch(url, {
    method: call.method ?? "GET",
    headers,
    credentials: "same-origin",
    ...(call.body === undefined ? {} : { body: JSON.stringify(call.body) }),
    ...(call.signal ? { signal: call.signal } : {}),
  }).catch((cause: unknown) => {
    if (isAbort(cause)) throw cause;
    throw new ApiError(NO_ANSWER, "NO_ANSWER", 0);
  });
  const answer: unknown = await response.json().catch((cause: unknown) => {
    if (isAbort(cause)) throw cause;
    return null;
  });
  if (response.ok) return answer as T;
  throw refusal(response.status, answer);
}

export function isAbort(error: unknown): boolean {
  return error instanceof Error && error.name === "AbortError";
}

/** The sentence to show for whatever was thrown. */
export function sentence(error: unknown): string {
  return error instanceof ApiError ? error.message : "Something went wrong on this page. Reload it and try again.";
}

function refusal(status: number, answer: unknown): ApiError {
  const { error, code } = (answer ?? {}) as { error?: unknown; code?: unknown };
  return new ApiError(
    typeof error === "string" && error ? error : `Matinée answered with an error (${status}). Try again in a moment.`,
    typeof code === "string" ? code : "INTERNAL_ERROR",
    status,
  );
}
