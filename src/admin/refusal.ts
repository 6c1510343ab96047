/** A request that is not done, as JSON with the reason. */

import type { Context } from "hono";
import { challengeFor } from "./guard.ts";

type RefusalStatus = 400 | 401 | 403 | 404 | 405 | 409 | 413 | 415 | 500 | 503 | 504;

/** `{"error": reason}`; with 401 the header that asks for the token. */
export function refuse(context: Context, status: RefusalStatus, reason: string): Response {
  if (status === 401) context.header("WWW-Authenticate", challengeFor(context.req.raw));
  return context.json({ error: reason }, status);
}
