/**
 * TCP on `node:net`: a listener that survives errors of `accept`, and connections. Without free
 * descriptors Bun tells nobody and asks again without a pause, a whole core's worth; so connections
 * are turned away while some descriptors are left.
 */

import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
import { connectionsMax } from "../descriptors.ts";
import { codeOf, toPlatformError } from "../errors.ts";
import type { Connection, Listener, Net } from "../ports.ts";
import { PlatformError } from "../ports.ts";
import { NodeConnection } from "./connection.ts";

/** A peer that has sent all may still read. */
const ACCEPT_OPTIONS = { noDelay: true, pauseOnConnect: true, allowHalfOpen: true };
/** As Redis and as Deno. */
const BACKLOG = 511;

export const nodeNet: Net = {
  listen(options) {
    const { hostname, port, onConnection, onError } = options;
    const openMax = connectionsMax();
    const server = createServer(ACCEPT_OPTIONS, (socket) => {
      if (!admit(socket, openMax)) {
        const text = `Cannot accept a connection: ${accepted.open} are open, and the limit of ` +
          "descriptors is near";
        return onError(new PlatformError("EMFILE", text));
      }
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

/** Accepted connections of the process, over all its listeners. */
const accepted = { open: 0 };

function admit(socket: Socket, openMax: number): boolean {
  if (accepted.open >= openMax) {
    socket.destroy();
    return false;
  }
  accepted.open++;
  socket.once("close", () => accepted.open--);
  return true;
}

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
