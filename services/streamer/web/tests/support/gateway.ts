import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

export interface Asked {
  line: string;
  csrf: string | undefined;
  body: string;
}

type Answer = (request: IncomingMessage, response: ServerResponse, body: string) => void | Promise<void>;

/** A real HTTP server on loopback that answers by the table it is given and remembers what it was asked. */
export async function openGateway(routes: Record<string, Answer>) {
  const asked: Asked[] = [];
  const server = createServer(async (request, response) => {
    const body = await read(request);
    const line = `${request.method} ${request.url}`;
    asked.push({ line, csrf: request.headers["x-csrf-token"] as string | undefined, body });
    const route = routes[line] ?? routes[line.replace(/\?.*/, "")];
    if (route) await route(request, response, body);
    else reply(response, 404, { error: `No ${line} here.`, code: "NOT_FOUND" });
  });
  await new Promise<void>((open) => server.listen(0, "127.0.0.1", open));
  return {
    base: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    asked,
    lines: () => asked.map((one) => one.line),
    close: () => {
      server.closeAllConnections();
      return new Promise<void>((closed) => server.close(() => closed()));
    },
  };
}

export function reply(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { "Content-Type": "application/json" });
  response.end(JSON.stringify(body));
}

async function read(request: IncomingMessage): Promise<string> {
  let text = "";
  for await (const piece of request) text += String(piece);
  return text;
}
