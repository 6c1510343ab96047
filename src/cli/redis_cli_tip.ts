/** The command line that talks to a listener, for "try this next". */

import { type HostPort, isWildcard } from "../config/mod.ts";

/** `redis-cli` with what it needs to reach `address` from the same machine. */
export function redisCliTip(address: HostPort, hasPassword: boolean): string {
  const { hostname, port } = address;
  const isDefault = isWildcard(hostname) || hostname === "127.0.0.1" || hostname === "localhost";
  const host = isDefault ? "" : ` -h ${hostname}`;
  return `redis-cli${host} -p ${port}${hasPassword ? " --askpass" : ""}`;
}
