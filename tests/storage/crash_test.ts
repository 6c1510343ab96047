/**
 * Crash-point enumeration: a scripted life of a node is cut after every disk operation, with all,
 * none and random parts of what was not synced kept, and started again.
 */

import { LogIndex, NodeId, Prng, Term } from "../../src/base/mod.ts";
import type { HardState, LogEntry } from "../../src/raft/mod.ts";
import type { StorageOptions } from "../../src/storage/mod.ts";
import { assert, assertEquals } from "../support/assert.ts";
import { MemoryDisk, type Survives } from "../support/memory_disk.ts";
import { contents, describe, entries, type Opened, openStorage, settled } from "./support.ts";

interface Step {
  readonly hardState?: HardState;
  readonly entries: readonly LogEntry[];
  /** The next step does not wait for this one. */
  readonly pipelined?: boolean;
  readonly restart?: "stop" | "kill";
  readonly idle?: boolean;
}

const vote = (term: number, votedFor?: number): HardState => ({
  term: Term(term),
  votedFor: votedFor === undefined ? undefined : NodeId(votedFor),
});

/** Appends, batches, votes, segments, cuts within and across segments, restarts. */
const SCRIPT: readonly Step[] = [
  { hardState: vote(1, 1), entries: [] },
  { entries: entries(1, 1) },
  { entries: entries(2, 4), pipelined: true },
  { entries: entries(6, 1), pipelined: true },
  { entries: entries(7, 2) },
  { entries: entries(9, 1, 1, "x".repeat(700)) },
  { hardState: vote(2), entries: entries(10, 2, 2), idle: true },
  { entries: entries(12, 1, 2), restart: "kill" },
  { hardState: vote(3, 2), entries: entries(11, 2, 3, "instead") },
  { entries: entries(13, 6, 3) },
  { entries: entries(19, 6, 3), restart: "stop" },
  { hardState: vote(5, 3), entries: entries(4, 3, 5, "far back") },
  { entries: entries(7, 5, 5) },
  { entries: entries(1, 2, 5, "all"), pipelined: true },
  { entries: entries(3, 1, 5) },
  // Marks behind what is cut next: if the cut were lost, they would speak of other bytes.
  { entries: entries(4, 1, 5) },
  { entries: entries(5, 1, 5) },
  { entries: entries(6, 1, 5) },
  { entries: entries(3, 1, 7) },
];

const OPTIONS: Partial<StorageOptions> = { segmentBytes: 600, preallocateBytes: 256 };

/** What a correct storage may hold: applied steps, the resolved ones at least. */
class Expectation {
  readonly histories: string[][] = [[]];
  readonly states: HardState[] = [{ term: Term(0), votedFor: undefined }];
  resolved = 0;
  incarnation = 0;

  begin(step: Step): void {
    const log = this.histories.at(-1)!;
    const first = step.entries[0]?.index ?? log.length + 1;
    this.histories.push([...log.slice(0, first - 1), ...step.entries.map(describe)]);
    this.states.push(step.hardState ?? this.states.at(-1)!);
  }
}

/** Runs the script until it ends or the disk crashes; says whether it ended. */
async function live(disk: MemoryDisk, expected: Expectation): Promise<boolean> {
  let node: Opened | undefined;
  try {
    node = await openStorage(disk, OPTIONS);
    expected.incarnation = node.directory.identity.incarnation;
    let waiting: Promise<void>[] = [];
    for (const step of SCRIPT) {
      expected.begin(step);
      const number = expected.histories.length - 1;
      waiting.push(
        node.storage.persist(step).then(() => {
          expected.resolved = Math.max(expected.resolved, number);
        }),
      );
      if (step.pipelined) continue;
      for (const result of await Promise.allSettled(waiting)) {
        if (result.status === "rejected") throw result.reason;
      }
      waiting = [];
      if (step.idle) {
        node.clock.advance(10_000);
        await settled();
      }
      if (step.restart === undefined) continue;
      // A kill leaves the files as they are: the same disk, a new process.
      if (step.restart === "kill") await node.directory.close();
      else await node.close();
      node = await openStorage(disk, OPTIONS);
      expected.incarnation = node.directory.identity.incarnation;
    }
    await node.close();
    return true;
  } catch (error) {
    if (!disk.crashed) throw error;
    return false;
  }
}

/**
 * The log must be what some step from the last resolved one on left, or a part of it: a step that
 * was under way may have removed what it replaces, but nothing before.
 */
function assertLog(log: readonly string[], expected: Expectation, name: string): void {
  const { histories, resolved } = expected;
  const least = histories[resolved];
  for (let step = resolved; step < histories.length; step++) {
    const underWay = histories.slice(resolved, step + 2);
    const lengthMin = Math.min(...underWay.map((history) => commonLength(history, least)));
    const isPrefix = log.every((text, at) => text === histories[step][at]);
    if (isPrefix && log.length >= lengthMin) return;
  }
  assert(false, `${name}: found ${JSON.stringify(log)}, expected what step ${resolved} left`);
}

function commonLength(a: readonly string[], b: readonly string[]): number {
  let length = 0;
  while (length < a.length && a[length] === b[length]) length++;
  return length;
}

function assertState(found: HardState, expected: Expectation, name: string): void {
  const possible = expected.states.slice(expected.resolved);
  const isPossible = possible.some((state) =>
    state.term === found.term && state.votedFor === found.votedFor
  );
  assert(isPossible, `${name}: found ${JSON.stringify(found)}, expected a state not lower`);
}

function survivesOf(how: string, prng: Prng): Survives {
  let part = 0;
  switch (how) {
    case "all":
      return () => true;
    case "none":
      return () => false;
    case "even":
      return () => part++ % 2 === 0;
    case "odd":
      return () => part++ % 2 === 1;
    default:
      return () => prng.chance(0.5);
  }
}

async function crashAt(operation: number, how: string, seed: number): Promise<boolean> {
  const name = `crash after operation ${operation}, ${how} kept, seed ${seed}`;
  const prng = new Prng(seed);
  const survives = survivesOf(how, prng);
  const disk = new MemoryDisk();
  disk.fault = ({ number }) => number === operation ? { kind: "crashAfter" } : undefined;
  const expected = new Expectation();
  if (await live(disk, expected)) return true;

  let after = disk.crash(survives);
  // A second crash while recovery is under way must do no harm.
  const interrupted = prng.between(1, 60);
  after.fault = ({ number }) => number === interrupted ? { kind: "crashAfter" } : undefined;
  try {
    await openStorage(after, OPTIONS);
  } catch (error) {
    if (!after.crashed) throw new Error(`${name}: ${(error as Error).message}`, { cause: error });
  }
  after = after.crash(survives);

  const node = await openStorage(after, OPTIONS).catch((error) => {
    throw new Error(`${name}, again after ${interrupted}: ${error.message}`, { cause: error });
  });
  const { storage, directory } = node;
  assert(directory.identity.incarnation > expected.incarnation || expected.incarnation === 0, name);
  assertLog(await contents(storage), expected, name);
  assertState(storage.recovered.hardState, expected, name);
  assert(storage.recovered.warnings.length <= 3, `${name}: ${storage.recovered.warnings}`);
  const next = LogIndex(storage.lastIndex + 1);
  await storage.persist({ entries: entries(next, 2, 9) });
  const full = await contents(storage);
  await node.close();
  const last = await openStorage(after, OPTIONS);
  assertEquals(last.storage.recovered.warnings, [], name);
  assertEquals(await contents(last.storage), full, name);
  await last.close();
  return false;
}

/** Every operation is a crash point; the random ones get several tries. */
async function enumerate(how: string, tries: number): Promise<void> {
  let points = 0;
  for (let operation = 1;; operation++) {
    let ended = false;
    for (let seed = 1; seed <= tries; seed++) {
      ended = await crashAt(operation, how, operation * 100 + seed);
    }
    if (ended) break;
    points++;
  }
  assert(points > 150, `found only ${points} crash points`);
}

Deno.test("a crash after any operation loses nothing persisted: all writes kept", () =>
  enumerate("all", 1));
Deno.test("a crash after any operation loses nothing persisted: unsynced writes lost", () =>
  enumerate("none", 1));
Deno.test("a crash after any operation loses nothing persisted: every other part kept", async () => {
  await enumerate("even", 1);
  await enumerate("odd", 1);
});
Deno.test("a crash after any operation loses nothing persisted: random sectors and names kept", () =>
  enumerate("random", 5));
