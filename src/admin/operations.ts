/**
 * What an operator asks the cluster to do. 200: done. 409: refused, and nothing was changed. 504: not
 * known in time; it may still happen. Every answer is JSON with a sentence for people, but a backup.
 */

import type { Context, Hono } from "hono";
import { z } from "zod";
import { isWildcard, parseHostPort } from "../base/mod.ts";
import type { ChangeOutcome, MemberChangeRequest } from "../node/mod.ts";
import type { AdminDeps } from "./deps.ts";
import { refuse } from "./refusal.ts";

/** Longest body of a request; the longest that means anything is a tenth of it. */
const BODY_BYTES_MAX = 4096;

const id = z.int().min(1);
const transferBody = z.strictObject({ to: id.optional() });
const address = z.string().max(300).refine((text) => {
  const parsed = parseHostPort(text);
  return parsed !== undefined && parsed.port !== 0 && !isWildcard(parsed.hostname);
});
const placeBody = z.strictObject({ raftAddress: address, redisAddress: address });
const memberBody = placeBody.extend({
  as: z.enum(["voter", "learner"]).default("voter"),
  id: id.optional(),
  replaces: id.optional(),
});

/** Adds the routes that act. */
export function addOperations(app: Hono, deps: AdminDeps): void {
  app.post("/api/v1/transfer", (context) => transfer(context, deps));
  app.post("/api/v1/snapshot", (context) => snapshot(context, deps));
  app.get("/api/v1/backup", (context) => backup(context, deps));
  app.post("/api/v1/members", async (context) => {
    const expected = '{"raftAddress": "HOST:PORT", "redisAddress": "HOST:PORT"} as the body, ' +
      'and "as", "id" and "replaces" if wanted';
    const body = await readJson(context, memberBody, `Cannot add a member: expected ${expected}`);
    return body instanceof Response ? body : await change(context, deps, { kind: "add", ...body });
  });
  app.delete("/api/v1/members/:id", (context) => changeOne(context, deps, "remove"));
  app.post("/api/v1/members/:id/promote", (context) => changeOne(context, deps, "promote"));
  app.post("/api/v1/members/:id/demote", (context) => changeOne(context, deps, "demote"));
  app.post("/api/v1/members/:id/move", async (context) => {
    const id = memberOf(context, "move");
    if (id instanceof Response) return id;
    const expected = '{"raftAddress": "HOST:PORT", "redisAddress": "HOST:PORT"} as the body';
    const body = await readJson(context, placeBody, `Cannot move a member: expected ${expected}`);
    return body instanceof Response
      ? body
      : await change(context, deps, { kind: "move", id, ...body });
  });
}

async function transfer(context: Context, deps: AdminDeps): Promise<Response> {
  const expected = 'Cannot transfer: expected {} or {"to": NODE_ID} as the body';
  const body = await readJson(context, transferBody, expected);
  if (body instanceof Response) return body;
  const outcome = await deps.actions.transferLeadership(body.to);
  if (outcome.kind === "done") return context.json({ leaderId: outcome.leaderId });
  return refuse(context, 409, `Cannot transfer leadership: ${outcome.reason}`);
}

async function snapshot(context: Context, deps: AdminDeps): Promise<Response> {
  const body = await readJson(context, z.strictObject({}), "Cannot snapshot: expected no body");
  if (body instanceof Response) return body;
  const outcome = await deps.actions.takeSnapshot();
  if (outcome.kind === "refused") {
    return refuse(context, 409, `Cannot take a snapshot: ${outcome.text}`);
  }
  return context.json({ index: outcome.index, bytes: outcome.bytes });
}

/** The file as it is made; a reader that is gone or stalls for long ends it. */
async function backup(context: Context, deps: AdminDeps): Promise<Response> {
  const outcome = await deps.actions.backup();
  if (outcome.kind === "refused") return refuse(context, 409, `Cannot back up: ${outcome.text}`);
  return context.body(streamOf(outcome.chunks), 200, {
    "content-type": "application/octet-stream",
    "content-disposition": `attachment; filename="logboat-${outcome.index}.rdb"`,
    "x-logboat-index": String(outcome.index),
  });
}

function streamOf(chunks: AsyncIterable<Uint8Array>): ReadableStream<Uint8Array> {
  const iterator = chunks[Symbol.asyncIterator]();
  return new ReadableStream({
    async pull(controller) {
      try {
        const { done, value } = await iterator.next();
        if (done === true) controller.close();
        else controller.enqueue(value);
      } catch (error) {
        // The connection is cut, so that nobody takes the half for the whole.
        controller.error(oneLine(error));
      }
    },
    async cancel() {
      await iterator.return?.();
    },
  }, { highWaterMark: 0 });
}

/** The HTTP server prints what ends an answer early: the reason is enough. */
function oneLine(error: unknown): Error {
  const reason = error instanceof Error ? error.message : String(error);
  const line = new Error(`Cannot go on with a backup: ${reason}`);
  line.stack = line.message;
  return line;
}

async function changeOne(
  context: Context,
  deps: AdminDeps,
  kind: "remove" | "promote" | "demote",
): Promise<Response> {
  const id = memberOf(context, kind);
  return id instanceof Response ? id : await change(context, deps, { kind, id });
}

/** The member in the path, or the answer that refuses it. */
function memberOf(context: Context, action: string): number | Response {
  const text = context.req.param("id") ?? "";
  const member = /^\d{1,10}$/.test(text) ? Number(text) : 0;
  if (member > 0) return member;
  return refuse(context, 400, `Cannot ${action} "${text.slice(0, 20)}": expected a member's id`);
}

async function change(
  context: Context,
  deps: AdminDeps,
  request: MemberChangeRequest,
): Promise<Response> {
  const outcome: ChangeOutcome = await deps.actions.changeMembers(request);
  switch (outcome.kind) {
    case "done":
      return context.json({ id: outcome.id, text: outcome.text });
    case "refused":
      return refuse(context, 409, outcome.text);
    case "unknown":
      return refuse(context, 504, outcome.text);
  }
}

/** The body by its schema, or the answer that refuses it. An empty body counts as `{}`. */
async function readJson<Schema extends z.ZodType>(
  context: Context,
  schema: Schema,
  expected: string,
): Promise<z.output<Schema> | Response> {
  const type = context.req.header("content-type") ?? "";
  const text = await readBody(context.req.raw);
  if (typeof text !== "string") return refuse(context, text.status, text.reason);
  if (text !== "" && !/^application\/json\b/i.test(type)) {
    return refuse(context, 415, `Cannot take ${type || "the body"}: expected application/json`);
  }
  const parsed = schema.safeParse(text === "" ? {} : jsonOf(text));
  return parsed.success ? parsed.data : refuse(context, 400, expected);
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
