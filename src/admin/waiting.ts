/** The admin endpoint before there is a node: it lives, it is not ready, and it says why. */

import { Hono } from "hono";
import { guard, type GuardOptions } from "./guard.ts";
import { setHeaders } from "./headers.ts";
import { refuse } from "./refusal.ts";

/** Answers probes as the real endpoint does; everything else with 503 and `reason()`. */
export function waitingApp(options: GuardOptions, reason: () => string): Hono {
  const app = new Hono();
  app.use(async (context, next) => {
    await next();
    setHeaders(context);
  });
  app.get("/healthz", (context) => context.json({ ok: true }));
  app.get("/readyz", (context) => context.json({ ready: false, reason: reason() }, 503));
  app.all("*", (context) => {
    const denial = guard(context.req.raw, context.req.path, options);
    return denial === undefined
      ? refuse(context, 503, `Cannot answer yet: ${reason()}`)
      : refuse(context, denial.status, denial.reason);
  });
  return app;
}
