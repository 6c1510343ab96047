/** The admin endpoint as a Hono app: health, metrics, status, actions. It owns no socket. */

import { Hono } from "hono";
import { clusterOf } from "./cluster.ts";
import type { AdminDeps } from "./deps.ts";
import { guard } from "./guard.ts";
import { addOperations } from "./operations.ts";
import { PAGE_POLICY, statusPage } from "./page.ts";
import { setHeaders } from "./headers.ts";
import { refuse } from "./refusal.ts";
import { ADMIN_ROUTES, methodOf } from "./routes.ts";
import { statusOf } from "./status.ts";

/** Handles every request; `fetch` is what an HTTP server needs. */
export function adminApp(deps: AdminDeps): Hono {
  const app = new Hono();
  app.use(async (context, next) => {
    const denial = guard(context.req.raw, context.req.path, deps);
    if (denial === undefined) await next();
    else context.res = refuse(context, denial.status, denial.reason);
    setHeaders(context);
  });
  addReads(app, deps);
  addOperations(app, deps);
  app.notFound((context) => {
    const method = methodOf(context.req.path);
    if (method === undefined) return refuse(context, 404, notFoundReason(context.req.path));
    context.header("Allow", method);
    return refuse(context, 405, `Cannot ${context.req.method} this path: expected ${method}`);
  });
  app.onError((error, context) => {
    deps.onBug(error);
    return refuse(context, 500, "Cannot answer: the node has met a bug and will stop; see its log");
  });
  return app;
}

function addReads(app: Hono, deps: AdminDeps): void {
  const status = () => statusOf(deps.view(), deps.version);
  app.get("/healthz", (context) => context.json({ ok: true }));
  app.get("/readyz", (context) => {
    const { ready, notReadyReason } = deps.view();
    return ready
      ? context.json({ ready })
      : context.json({ ready, reason: notReadyReason ?? "unknown" }, 503);
  });
  app.get("/metrics", async (context) => {
    const text = await deps.metrics.render({
      view: deps.view(),
      listener: deps.listenerStats(),
      process: deps.processStats(),
    });
    return context.body(text, 200, { "content-type": deps.metrics.contentType });
  });
  app.get("/api/v1/status", (context) => context.json(status()));
  app.get("/api/v1/cluster", (context) => context.json(clusterOf(deps.view(), deps.version)));
  app.get("/", (context) => {
    context.header("Content-Security-Policy", PAGE_POLICY);
    return context.html(statusPage(status()));
  });
}

function notFoundReason(path: string): string {
  const known = [...new Set(ADMIN_ROUTES.map((route) => route.path))].join(", ");
  return `Cannot find ${path.slice(0, 100)}: expected one of ${known}`;
}
