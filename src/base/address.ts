/** Addresses as `host:port`, with IPv6 hosts in brackets. */

/** A place to listen on or to connect to. */
export interface HostPort {
  /** Without brackets. */
  readonly hostname: string;
  /** 0 to 65535; 0 lets the system choose. */
  readonly port: number;
}

const PORT_MAX = 65_535;

/** Reads `127.0.0.1:6379`, `example.org:6379` or `[::1]:6379`; undefined for anything else. */
export function parseHostPort(text: string): HostPort | undefined {
  const match = /^(?:\[([0-9A-Fa-f:.]+(?:%[\w.-]+)?)\]|([^:[\]\s/@]+)):(\d{1,5})$/.exec(text);
  if (match === null) return undefined;
  const port = Number(match[3]);
  if (port > PORT_MAX) return undefined;
  const bracketed = match[1];
  if (bracketed !== undefined && !bracketed.includes(":")) return undefined;
  return { hostname: bracketed ?? match[2], port };
}

/** The inverse of `parseHostPort`. */
export function formatHostPort(address: HostPort): string {
  const { hostname, port } = address;
  return hostname.includes(":") ? `[${hostname}]:${port}` : `${hostname}:${port}`;
}

/** Whether only this machine can reach a listener on `hostname`. */
export function isLoopback(hostname: string): boolean {
  const name = hostname.toLowerCase();
  if (name === "localhost" || name === "::1" || name === "0:0:0:0:0:0:0:1") return true;
  return /^(?:::ffff:)?127(?:\.\d{1,3}){3}$/.test(name);
}

/** Whether `hostname` stands for every interface: fine to listen on, no place to connect to. */
export function isWildcard(hostname: string): boolean {
  return hostname === "0.0.0.0" || hostname === "::" || hostname === "*";
}
