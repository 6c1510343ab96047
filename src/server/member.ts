/** Members of the cluster as Redis clients see them: addresses and 40-digit ids. */

import { bytesFromLatin1 } from "../base/mod.ts";
import type { MemberView, NodeView } from "../node/mod.ts";
import type { RedisServer } from "./server.ts";
import type { Session } from "./session.ts";

export interface ClientAddress {
  readonly host: string;
  readonly port: number;
}

/** Splits `host:port`; brackets of an IPv6 address go. */
export function splitAddress(address: string): ClientAddress {
  const colon = address.lastIndexOf(":");
  const host = address.slice(0, colon).replace(/^\[|\]$/g, "");
  return { host, port: Number(address.slice(colon + 1)) || 0 };
}

/**
 * Where clients reach a member. This node, when its address says "any", is where the asking client
 * reached it: an empty or wildcard host is of no use to a client.
 */
export function addressOf(session: Session, view: NodeView, member: MemberView): ClientAddress {
  const address = splitAddress(member.redisAddress);
  const wildcard = address.host === "" || address.host === "0.0.0.0" || address.host === "::";
  if (member.id !== view.nodeId || (!wildcard && address.port !== 0)) return address;
  const { localHostname } = session.connection;
  return { host: wildcard ? localHostname : address.host, port: session.server.port };
}

const ids = new Map<string, string>();

/** Forty hexadecimal digits, the same on every member and at every start. */
export function memberId(server: RedisServer, view: NodeView, nodeId: number): string {
  const name = `${view.clusterId}/${nodeId}`;
  let id = ids.get(name);
  if (id === undefined) {
    const digest = server.platform.process.hmacSha256(
      bytesFromLatin1(view.clusterId),
      bytesFromLatin1(`member ${nodeId}`),
    );
    id = Array.from(digest.subarray(0, 20), (byte) => byte.toString(16).padStart(2, "0")).join("");
    ids.set(name, id);
  }
  return id;
}
