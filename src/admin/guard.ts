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
  const given = givenToken(request);
  if (given !== undefined && isSameText(given, token)) return undefined;
  return {
    status: 401,
    reason: "Cannot answer without the admin token: send the header Authorization: Bearer TOKEN, " +
      "or in a browser give the token as the password, with any name",
  };
}

/**
 * The token as a bearer's, or as the password of a browser's own dialog. A browser repeats a
 * password by itself, so that one serves for looking and never for acting.
 */
function givenToken(request: Request): string | undefined {
  const header = request.headers.get("authorization") ?? "";
  const match = /^(Bearer|Basic) +(\S+)$/i.exec(header);
  if (match === null) return undefined;
  if (match[1].toLowerCase() === "bearer") return match[2];
  return request.method === "GET" ? passwordOf(match[2]) : undefined;
}

/** RFC 7617: base64 of `name:password`, in UTF-8. */
function passwordOf(credentials: string): string | undefined {
  let pair: string;
  try {
    const bytes = Uint8Array.from(atob(credentials), (character) => character.charCodeAt(0));
    pair = new TextDecoder().decode(bytes);
  } catch {
    return undefined;
  }
  const colon = pair.indexOf(":");
  return colon < 0 ? undefined : pair.slice(colon + 1);
}

/** How to ask for the token: who wants a page is a browser, which knows the dialog alone. */
export function challengeFor(request: Request): string {
  const page = request.method === "GET" &&
    /\btext\/html\b/.test(request.headers.get("accept") ?? "");
  return page ? 'Basic realm="logboat", charset="UTF-8"' : 'Bearer realm="logboat"';
}

/** Takes the same time wherever the texts differ; only their lengths can be told apart. */
export function isSameText(given: string, wanted: string): boolean {
  let difference = given.length ^ wanted.length;
  for (let at = 0; at < given.length; at++) {
    difference |= given.charCodeAt(at) ^ wanted.charCodeAt(at % Math.max(1, wanted.length));
  }
  return difference === 0;
}
