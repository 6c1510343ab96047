/** TCP on Deno: an accept loop that survives every error, and connections. */

import { codeOf, toPlatformError } from "../errors.ts";
import { ACCEPT_PAUSE_MS } from "../limits.ts";
import type { Connection, Listener, Net } from "../ports.ts";
import { PlatformError } from "../ports.ts";
import { DenoConnection } from "./connection.ts";

export const denoNet: Net = {
  // deno-lint-ignore require-await -- the port is asynchronous, and errors must reject
  async listen(options) {
    const { hostname, port, onConnection, onError } = options;
    let listener: Deno.TcpListener;
    try {
      listener = Deno.listen({ hostname, port, transport: "tcp" });
    } catch (error) {
      throw toPlatformError(error, `listen on ${hostname}:${port}`);
    }
    const state = { closed: false };
    acceptLoop({ listener, state, onConnection, onError });
    return makeListener(listener, state);
  },

  async connect({ hostname, port, timeoutMs }) {
    const abort = new AbortController();
    const timer = setTimeout(() => abort.abort(), timeoutMs);
    try {
      const connection = await Deno.connect({ hostname, port, signal: abort.signal });
      connection.setNoDelay(true);
      return new DenoConnection(connection);
    } catch (error) {
      if (abort.signal.aborted) {
        const text = `Cannot connect to ${hostname}:${port}: no answer within ${timeoutMs} ms`;
        throw new PlatformError("ETIMEDOUT", text);
      }
      throw toPlatformError(error, `connect to ${hostname}:${port}`);
    } finally {
      clearTimeout(timer);
    }
  },
};

function makeListener(listener: Deno.TcpListener, state: { closed: boolean }): Listener {
  const address = listener.addr;
  return {
    hostname: address.hostname,
    port: address.port,
    close() {
      if (state.closed) return;
      state.closed = true;
      listener.close();
    },
  };
}

async function acceptLoop(options: {
  readonly listener: Deno.TcpListener;
  readonly state: { closed: boolean };
  readonly onConnection: (connection: Connection) => void;
  readonly onError: (error: PlatformError) => void;
}): Promise<void> {
  const { listener, state, onConnection, onError } = options;
  while (!state.closed) {
    let connection: DenoConnection | undefined;
    try {
      connection = makeConnection(await listener.accept());
    } catch (error) {
      if (state.closed) return;
      onError(toPlatformError(error, "accept a connection"));
      if (codeOf(error) !== "ECONNABORTED") await pause(ACCEPT_PAUSE_MS);
    }
    // Outside of the `try`: what this throws is a bug and must end the process.
    if (connection !== undefined) {
      if (state.closed) connection.destroy();
      else onConnection(connection);
    }
  }
}

/** A connection that the peer reset meanwhile refuses its options: then it is none. */
function makeConnection(connection: Deno.TcpConn): DenoConnection {
  try {
    connection.setNoDelay(true);
    return new DenoConnection(connection);
  } catch (error) {
    connection.close();
    throw new PlatformError("ECONNABORTED", `Cannot accept a connection: ${codeOf(error)}`);
  }
}

function pause(delayMs: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, delayMs));
}
