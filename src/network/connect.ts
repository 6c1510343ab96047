/** An attempt to connect, bounded by the limits. */

import type { HostPort } from "../base/mod.ts";
import { type Connection, PlatformError } from "../platform/mod.ts";
import type { ConnectionContext } from "./link_context.ts";

/** Resolves with a connection, or with why there is none; `close` waits for it. */
export async function connect(
  { net, limits, lifetimes }: ConnectionContext,
  { hostname, port }: HostPort,
): Promise<Connection | PlatformError> {
  const attempt = {};
  lifetimes.add(attempt);
  try {
    return await net.connect({ hostname, port, timeoutMs: limits.connectTimeoutMs });
  } catch (error) {
    if (error instanceof PlatformError) return error;
    throw error;
  } finally {
    lifetimes.delete(attempt);
  }
}
