/**
 * HTTP of both adapters: the client in `http_client.ts`, and here the server, on `node:http`, which
 * keeps deadlines for slow headers, slow bodies and idle connections on Deno and on Bun
 * (`Deno.serve` has no deadline for headers).
 */

import { getRequestListener } from "@hono/node-server";
import type { IncomingMessage, ServerResponse } from "node:http";
import { createServer, type Server } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { toPlatformError } from "./errors.ts";
import { sendRequest } from "./http_client.ts";
import {
  HTTP_BODY_BYTES_MAX,
  HTTP_CONNECTIONS_MAX,
  HTTP_HEADER_BYTES_MAX,
  HTTP_STALLED_MS_MAX,
} from "./limits.ts";
import type { Http, HttpServer } from "./ports.ts";

/** How often the server looks for requests past their deadline. */
const DEADLINE_CHECK_MS = 250;

export const nodeHttp: Http = {
  request: sendRequest,
  serve(options) {
    const { hostname, port, fetch, requestTimeoutMs } = options;
    const handle = getRequestListener(fetch, { overrideGlobalObjects: false });
    const server = createServer({
      headersTimeout: requestTimeoutMs,
      requestTimeout: requestTimeoutMs,
      keepAliveTimeout: requestTimeoutMs,
      connectionsCheckingInterval: Math.min(DEADLINE_CHECK_MS, requestTimeoutMs),
      maxHeaderSize: HTTP_HEADER_BYTES_MAX,
    }, (request, response) => {
      if (!refuseBody(request, response)) handle(request, response);
    });
    server.maxConnections = HTTP_CONNECTIONS_MAX;
    server.setTimeout(HTTP_STALLED_MS_MAX, (socket: Socket) => socket.destroy());
    return new Promise((resolve, reject) => {
      server.once("error", (error: unknown) => {
        reject(toPlatformError(error, `listen on ${hostname}:${port}`));
      });
      server.listen({ host: hostname, port }, () => resolve(makeServer(server)));
    });
  },
};

/** Answers a request whose body is too long, or has no length; memory follows what is allowed. */
function refuseBody(request: IncomingMessage, response: ServerResponse): boolean {
  const { "content-length": length, "transfer-encoding": encoding } = request.headers;
  const status = encoding !== undefined ? 411 : Number(length ?? 0) > HTTP_BODY_BYTES_MAX ? 413 : 0;
  if (status === 0) return false;
  const text = status === 411
    ? "Cannot take the body: expected a content-length header\n"
    : `Cannot take the body: found ${length} bytes, expected at most ${HTTP_BODY_BYTES_MAX}\n`;
  response.writeHead(status, { "content-type": "text/plain; charset=utf-8", connection: "close" });
  response.end(text, () => request.socket.destroySoon());
  return true;
}

function makeServer(server: Server): HttpServer {
  const address = server.address() as AddressInfo;
  return {
    hostname: address.address,
    port: address.port,
    close(graceMs: number): Promise<void> {
      return new Promise((resolve) => {
        const timer = setTimeout(() => server.closeAllConnections(), graceMs);
        server.close(() => {
          clearTimeout(timer);
          resolve();
        });
        server.closeIdleConnections();
      });
    },
  };
}
