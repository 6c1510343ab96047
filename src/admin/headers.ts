/** What every answer forbids: to be kept, guessed at, framed, or to tell where it came from. */

import type { Context } from "hono";

/** For any answer of the admin endpoint. */
export function setHeaders(context: Context): void {
  context.header("Cache-Control", "no-store");
  context.header("X-Content-Type-Options", "nosniff");
  context.header("X-Frame-Options", "DENY");
  context.header("Referrer-Policy", "no-referrer");
}
