/** The admin endpoint as a Hono app: health, metrics, status, actions. It owns no socket. */

import { type Context, Hono } from "hono";
import { z } from "zod";
import type { AdminDeps } from "./deps.ts";
import { challengeFor, guard } from "./guard.ts";
import { PAGE_POLICY, statusPage } from "./page.ts";
import { statusOf } from "./status.ts";

/** Longest body of a request; the longest that means anything is a tenth of it. */
const BODY_BYTES_MAX = 4096;

/** Every path and its method, for the answers 404 and 405. */
export const ADMIN_ROUTES: Readonly<Record<string, "GET" | "POST">> = {
  "/": "GET",
  "/healthz": "GET",
  "/readyz": "GET",
  "/metrics": "GET",
  "/api/v1/status": "GET",
  "/api/v1/transfer": "POST",
};

const transferBody = z.strictObject({ to: z.int().min(1).optional() });

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
  app.post("/api/v1/transfer", (context) => transfer(context, deps));
  app.notFound((context) => {
    const method = ADMIN_ROUTES[context.req.path];
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
  app.get("/", (context) => {
    context.header("Content-Security-Policy", PAGE_POLICY);
    return context.html(statusPage(status()));
  });
}

async function transfer(context: Context, deps: AdminDeps): Promise<Response> {
  const type = context.req.header("content-type") ?? "";
  const text = await readBody(context.req.raw);
  if (typeof text !== "string") return refuse(context, text.status, text.reason);
  if (text !== "" && !/^application\/json\b/i.test(type)) {
    return refuse(context, 415, `Cannot take ${type || "the body"}: expected application/json`);
  }
  const parsed = transferBody.safeParse(text === "" ? {} : jsonOf(text));
  if (!parsed.success) {
    return refuse(context, 400, 'Cannot transfer: expected {} or {"to": NODE_ID} as the body');
  }
  const outcome = await deps.actions.transferLeadership(parsed.data.to);
  if (outcome.kind === "done") return context.json({ leaderId: outcome.leaderId });
  return refuse(context, 409, `Cannot transfer leadership: ${outcome.reason}`);
}

/** Why there is no body to work with. */
interface BodyRefusal {
  readonly status: 400 | 413;
  readonly reason: string;
}

const BODY_TOO_LONG: BodyRefusal = {
  status: 413,
  reason: `Cannot take the body: expected at most ${BODY_BYTES_MAX} bytes`,
};
/** Nobody hears it: the connection is gone, or was ended for being slow. */
const BODY_CUT_OFF: BodyRefusal = { status: 400, reason: "Cannot take the body: it was cut off" };

/** The body as text; one that is too long is refused without being taken whole. */
async function readBody(request: Request): Promise<string | BodyRefusal> {
  if (request.body === null) return "";
  const decoder = new TextDecoder();
  let bytes = 0;
  let text = "";
  try {
    for await (const chunk of request.body) {
      bytes += chunk.length;
      if (bytes > BODY_BYTES_MAX) return BODY_TOO_LONG;
      text += decoder.decode(chunk, { stream: true });
    }
  } catch {
    // A client that goes while it sends is no bug of ours.
    return BODY_CUT_OFF;
  }
  return text + decoder.decode();
}

/** Undefined, which no schema takes, for what is not JSON. */
function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

type RefusalStatus = 400 | 401 | 403 | 404 | 405 | 409 | 413 | 415 | 500;

function refuse(context: Context, status: RefusalStatus, reason: string): Response {
  if (status === 401) context.header("WWW-Authenticate", challengeFor(context.req.raw));
  return context.json({ error: reason }, status);
}

function setHeaders(context: Context): void {
  context.header("Cache-Control", "no-store");
  context.header("X-Content-Type-Options", "nosniff");
  context.header("X-Frame-Options", "DENY");
  context.header("Referrer-Policy", "no-referrer");
}

function notFoundReason(path: string): string {
  const known = Object.keys(ADMIN_ROUTES).join(", ");
  return `Cannot find ${path.slice(0, 100)}: expected one of ${known}`;
}
