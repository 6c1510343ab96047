/** A listener that cannot be opened, in one line. */

import { formatHostPort, type HostPort } from "../config/mod.ts";
import { PlatformError } from "../platform/mod.ts";
import { CliFailure } from "./failure.ts";

const REASONS: Readonly<Record<string, string>> = {
  EADDRINUSE: "the address is in use; stop the other process or set another",
  EADDRNOTAVAIL: "this machine has no such address; set one of its own",
  EACCES: "this user may not use that port; set one above 1023",
  ENOTFOUND: "no such host is known; set an address of this machine",
};

/** Opens a listener; its error names the setting and says what to do. */
export async function listening<T>(
  setting: string,
  address: HostPort,
  open: () => Promise<T>,
): Promise<T> {
  try {
    return await open();
  } catch (error) {
    if (!(error instanceof PlatformError)) throw error;
    const reason = REASONS[error.code] ?? error.message;
    const place = formatHostPort(address);
    throw new CliFailure("cannotListen", [`Cannot listen on ${place} (${setting}): ${reason}`]);
  }
}
