/**
 * Who may ask: a bearer token when one is set, and protection against web pages that talk to a
 * loopback port through their visitor's browser (DNS rebinding, cross-site requests). There is no
 * CORS: no answer is for other sites.
 */

import { isLoopbackName } from "./loopback.ts";

export interface GuardOptions {
  /** Empty for none. */
  readonly token: string;
  readonly hostname: string;
}

/** A request that is not answered, and why. */
export interface Denial {
  readonly status: 401 | 403;
  readonly reason: string;
}

/** Paths that tell nothing but yes or no, for probes and load balancers. */
const OPEN_PATHS: readonly string[] = ["/healthz", "/readyz"];

/** Undefined when the request may be answered. */
export function guard(request: Request, path: string, options: GuardOptions): Denial | undefined {
  const crossSite = denyCrossSite(request);
  if (crossSite !== undefined) return crossSite;
  if (OPEN_PATHS.includes(path)) return undefined;
  if (options.token === "") return denyForeignHost(request, options.hostname);
  return denyWithoutToken(request, options.token);
}

/** A page of another site gets nothing, whatever else its request holds. */
function denyCrossSite(request: Request): Denial | undefined {
  const origin = request.headers.get("origin");
  const site = request.headers.get("sec-fetch-site");
  const foreign = origin !== null && !isOriginOf(origin, request.headers.get("host"));
  if (!foreign && (site === null || site === "same-origin" || site === "none")) return undefined;
  return {
    status: 403,
    reason: `Cannot answer a page of another site: found origin ${origin ?? site}, expected ` +
      "this server's own",
  };
}

function isOriginOf(origin: string, host: string | null): boolean {
  return host !== null && (origin === `http://${host}` || origin === `https://${host}`);
}

/**
 * Without a token a browser could be tricked: evil.example resolves to 127.0.0.1, and its page
 * reads our answers as its own. The host it names gives it away.
 */
function denyForeignHost(request: Request, hostname: string): Denial | undefined {
  const host = request.headers.get("host") ?? "";
  const name = host.replace(/:\d+$/, "").replace(/^\[|\]$/g, "").toLowerCase();
  if (isLoopbackName(name) || name === hostname.toLowerCase()) return undefined;
  return {
    status: 403,
    reason: `Cannot answer for host "${host.slice(0, 100)}": expected localhost or ${hostname}; ` +
      "set admin.token to reach this server by other names",
  };
}

function denyWithoutToken(request: Request, token: string): Denial | undefined {
  const match = /^Bearer +(\S+)$/i.exec(request.headers.get("authorization") ?? "");
  if (match !== null && isSameText(match[1], token)) return undefined;
  return {
    status: 401,
    reason: "Cannot answer without the admin token: send the header Authorization: Bearer TOKEN",
  };
}

/** Takes the same time wherever the texts differ; only their lengths can be told apart. */
export function isSameText(given: string, wanted: string): boolean {
  let difference = given.length ^ wanted.length;
  for (let at = 0; at < given.length; at++) {
    difference |= given.charCodeAt(at) ^ wanted.charCodeAt(at % Math.max(1, wanted.length));
  }
  return difference === 0;
}
