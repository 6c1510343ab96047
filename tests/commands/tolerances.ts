/**
 * Replies that two right servers may give differently, and what both must still satisfy. Everything
 * else is compared byte for byte.
 */

import { bytesFromLatin1 } from "../../src/base/mod.ts";
import { Keyspace, restoreValue } from "../../src/keyspace/mod.ts";
import { type ParsedReply, parseReply } from "../support/resp_client.ts";

/** The two clocks, and the time between two commands of one batch, differ by less than this. */
const CLOCK_SLACK_MS = 4000;

type Judge = (theirs: ParsedReply, ours: ParsedReply) => boolean;

const sameElements: Judge = (theirs, ours) => sorted(theirs) === sorted(ours);

/** A walk's page: each server divides the whole in its own way, so only the shape is compared. */
const samePage: Judge = (theirs, ours) =>
  Array.isArray(theirs) && Array.isArray(ours) && ours.length === 2 &&
  typeof ours[0] === "string" && /^\d+$/.test(ours[0]) && Array.isArray(ours[1]) &&
  // A walk that one side finished at once must hold the same elements if the other did, too.
  (theirs[0] !== "0" || ours[0] !== "0" || sameElements(theirs[1], ours[1]));

const sameDraw: Judge = (theirs, ours) =>
  Array.isArray(theirs) === Array.isArray(ours) &&
  (Array.isArray(theirs) && Array.isArray(ours)
    ? theirs.length === ours.length
    : (theirs === null) === (ours === null));

/** Redis compresses long strings, and keeps the fields of large hashes in an order of its own. */
const samePayload: Judge = (theirs, ours) =>
  typeof theirs === "string" && typeof ours === "string" &&
  digestOfPayload(theirs) === digestOfPayload(ours);

function digestOfPayload(payload: string): string {
  const restored = restoreValue(bytesFromLatin1(payload));
  if (restored.kind !== "value") {
    throw new Error(`Cannot read a payload: ${JSON.stringify(restored)}`);
  }
  const keyspace = new Keyspace();
  keyspace.db(0).set("value", restored.value);
  return keyspace.digest();
}

const near = (slack: number): Judge => (theirs, ours) =>
  typeof theirs === "number" && typeof ours === "number" && theirs >= 0 && ours >= 0 &&
  Math.abs(theirs - ours) <= slack;

const bothNumbers: Judge = (theirs, ours) => typeof theirs === "number" && typeof ours === "number";

const JUDGES: Record<string, Judge> = {
  dump: samePayload,
  hgetall: sameElements,
  hkeys: sameElements,
  hvals: sameElements,
  keys: sameElements,
  scan: samePage,
  hscan: samePage,
  randomkey: sameDraw,
  hrandfield: sameDraw,
  ttl: near(CLOCK_SLACK_MS / 1000),
  pttl: near(CLOCK_SLACK_MS),
  expiretime: near(CLOCK_SLACK_MS / 1000),
  pexpiretime: near(CLOCK_SLACK_MS),
  // Beyond 2^53 an integer is held as a text, so one that INCRBYFLOAT left (embstr) looks like one
  // that SET left (int).
  "object encoding": (theirs, ours) => theirs === "embstr" && ours === "int",
  // Access times and shared objects are of Redis's making; see OBJECT in src/commands.
  "object idletime": bothNumbers,
  "object refcount": bothNumbers,
};

/** Whether two different replies are both right. Errors never are: their bytes must be equal. */
export function sameWithin(parts: readonly string[], theirs: string, ours: string): boolean {
  if (theirs[0] !== ours[0] || theirs[0] === "-") return false;
  const name = parts[0].toLowerCase();
  const judge = JUDGES[name === "object" ? `object ${parts[1]?.toLowerCase()}` : name];
  return judge !== undefined && judge(parseReply(theirs), parseReply(ours));
}

function sorted(reply: ParsedReply): string {
  const items = reply instanceof Map
    ? [...reply].map((pair) => JSON.stringify(pair))
    : (reply as ParsedReply[]).map((item) => JSON.stringify(item));
  return items.sort().join();
}
