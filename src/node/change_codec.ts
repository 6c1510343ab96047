/** What a node and the leader say to each other about an operator's request, as JSON. */

import { DecodeError, NODE_ID_MAX } from "../base/mod.ts";
import type { ChangeOutcome, MemberChangeRequest, TransferOutcome } from "./actions.ts";

/** What can be asked of the leader from any node. */
export type LeaderRequest =
  | { readonly kind: "change"; readonly change: MemberChangeRequest }
  | { readonly kind: "transfer"; readonly to: number | undefined };

/** The answers to both kinds. */
export type LeaderAnswer =
  | { readonly kind: "change"; readonly outcome: ChangeOutcome }
  | { readonly kind: "transfer"; readonly outcome: TransferOutcome };

const encoder = new TextEncoder();
const decoder = new TextDecoder();

export function encodeRequest(request: LeaderRequest): Uint8Array {
  return encoder.encode(JSON.stringify(request));
}

export function encodeAnswer(answer: LeaderAnswer): Uint8Array {
  return encoder.encode(JSON.stringify(answer));
}

/** Throws `DecodeError` for anything else than a request that this release knows. */
export function decodeRequest(bytes: Uint8Array): LeaderRequest {
  const value = parse(bytes);
  if (value.kind === "transfer") {
    return { kind: "transfer", to: value.to === undefined ? undefined : idOf(value.to) };
  }
  if (value.kind !== "change") throw unknown("request", value.kind);
  const change = recordOf(value.change);
  switch (change.kind) {
    case "remove":
    case "promote":
    case "demote":
      return { kind: "change", change: { kind: change.kind, id: idOf(change.id) } };
    case "move":
      return {
        kind: "change",
        change: {
          kind: "move",
          id: idOf(change.id),
          raftAddress: textOf(change.raftAddress),
          redisAddress: textOf(change.redisAddress),
        },
      };
    case "add":
      return {
        kind: "change",
        change: {
          kind: "add",
          ...(change.id === undefined ? {} : { id: idOf(change.id) }),
          ...(change.replaces === undefined ? {} : { replaces: idOf(change.replaces) }),
          raftAddress: textOf(change.raftAddress),
          redisAddress: textOf(change.redisAddress),
          as: change.as === "learner" ? "learner" : "voter",
        },
      };
    default:
      throw unknown("change", change.kind);
  }
}

/** Throws `DecodeError` for anything else than an answer that this release knows. */
export function decodeAnswer(bytes: Uint8Array): LeaderAnswer {
  const value = parse(bytes);
  const outcome = recordOf(value.outcome);
  if (value.kind === "transfer") {
    return {
      kind: "transfer",
      outcome: outcome.kind === "done"
        ? { kind: "done", leaderId: idOf(outcome.leaderId) }
        : { kind: "refused", reason: textOf(outcome.reason) },
    };
  }
  if (value.kind !== "change") throw unknown("answer", value.kind);
  const text = textOf(outcome.text);
  switch (outcome.kind) {
    case "done":
      return { kind: "change", outcome: { kind: "done", text, id: idOf(outcome.id) } };
    case "refused":
      return {
        kind: "change",
        outcome: { kind: "refused", text, passing: outcome.passing === true },
      };
    case "unknown":
      return { kind: "change", outcome: { kind: "unknown", text } };
    default:
      throw unknown("outcome", outcome.kind);
  }
}

function parse(bytes: Uint8Array): Record<string, unknown> {
  try {
    return recordOf(JSON.parse(decoder.decode(bytes)));
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw new DecodeError(`Cannot read a request between nodes: ${error.message}`);
  }
}

function recordOf(value: unknown): Record<string, unknown> {
  if (typeof value === "object" && value !== null) return value as Record<string, unknown>;
  throw new DecodeError("Cannot read a request between nodes: want an object");
}

function idOf(value: unknown): number {
  if (Number.isInteger(value) && Number(value) >= 1 && Number(value) <= NODE_ID_MAX) {
    return Number(value);
  }
  throw new DecodeError(`Cannot read a request between nodes: ${JSON.stringify(value)} is no id`);
}

function textOf(value: unknown): string {
  if (typeof value === "string") return value;
  throw new DecodeError("Cannot read a request between nodes: want a text");
}

function unknown(what: string, kind: unknown): DecodeError {
  const name = JSON.stringify(kind);
  return new DecodeError(`Cannot read a request between nodes: no such ${what} ${name}`);
}
