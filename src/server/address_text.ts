/** Addresses of clients as CLIENT LIST prints them. */

/** `host:port`, an IPv6 address in brackets, as Redis prints peers. */
export function addressText(hostname: string, port: number): string {
  return hostname.includes(":") ? `[${hostname}]:${port}` : `${hostname}:${port}`;
}
