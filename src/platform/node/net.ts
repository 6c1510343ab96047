/**
 * TCP on `node:net`: a listener that survives errors of `accept`, and connections. Without free
 * descriptors Bun leaves new connections in the queue and tells nobody, so `onError` stays silent.
 */

import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
import { codeOf, toPlatformError } from "../errors.ts";
import type { Connection, Listener, Net } from "../ports.ts";
import { PlatformError } from "../ports.ts";
import { NodeConnection } from "./connection.ts";

/** As Redis and as Deno. */
const BACKLOG = 511;

export const nodeNet: Net = {
  listen(options) {
    const { hostname, port, onConnection, onError } = options;
    const server = createServer({ noDelay: true, pauseOnConnect: true }, (socket) => {
      const connection = makeConnection(socket);
      // As a microtask, so that what it throws is uncaught: Deno's `node:net` swallows it here.
      if (connection !== undefined) queueMicrotask(() => onConnection(connection));
      else onError(new PlatformError("ECONNABORTED", "Cannot accept a connection: it is gone"));
    });
    return new Promise((resolve, reject) => {
      const fail = (error: unknown) => {
        reject(toPlatformError(error, `listen on ${hostname}:${port}`));
      };
      server.once("error", fail);
      server.listen({ host: hostname, port, backlog: BACKLOG }, () => {
        server.off("error", fail);
        server.on("error", (error: unknown) => {
          onError(toPlatformError(error, "accept a connection"));
        });
        resolve(makeListener(server));
      });
    });
  },

  connect({ hostname, port, timeoutMs }) {
    return new Promise<Connection>((resolve, reject) => {
      const socket = connect({ host: hostname, port, noDelay: true });
      const timer = setTimeout(() => {
        const text = `Cannot connect to ${hostname}:${port}: no answer within ${timeoutMs} ms`;
        reject(new PlatformError("ETIMEDOUT", text));
        socket.destroy();
      }, timeoutMs);
      socket.on("error", (error: unknown) => {
        clearTimeout(timer);
        reject(toPlatformError(error, `connect to ${hostname}:${port}`));
      });
      socket.once("connect", () => {
        clearTimeout(timer);
        resolve(new NodeConnection(socket));
      });
    });
  },
};

/** Nothing, when the peer reset the connection before it could be accepted. */
function makeConnection(socket: Socket): NodeConnection | undefined {
  if (!socket.destroyed && socket.remoteAddress !== undefined) return new NodeConnection(socket);
  socket.on("error", (error) => codeOf(error));
  socket.destroy();
  return undefined;
}

function makeListener(server: Server): Listener {
  const address = server.address() as AddressInfo;
  let closed = false;
  return {
    hostname: address.address,
    port: address.port,
    close() {
      if (closed) return;
      closed = true;
      server.close();
    },
  };
}
