/**
 * Takes entries that this node's log cannot give back from other members (Protocol-Aware Recovery,
 * FAST 2018), while it serves what it can: applying waits where the damage begins, and until then the
 * node does not campaign. An entry is asked for by its id, and its id says what it is, so any member's
 * copy will do, and what comes is verified against what is known of it.
 *
 * Where no other member has an entry there is nothing to invent: everything behind it waits, and the
 * node says so. What it has applied already, or has in a snapshot, it needs no more: it may lead, and
 * whoever lacks such an entry gets a snapshot.
 */

import { type Logger, LogIndex, type NodeId, type Term } from "../base/mod.ts";
import type { RaftNetwork } from "../network/mod.ts";
import {
  commandOf,
  decodeConfiguration,
  type EntriesReply,
  type EntriesRequest,
  type LogEntry,
  type PlacedConfiguration,
  type Raft,
} from "../raft/mod.ts";
import {
  CorruptionError,
  type DamagedRange,
  type RaftStorage,
  StorageError,
} from "../storage/mod.ts";
import type { Counters } from "./counters.ts";

export interface LogRepairOptions {
  readonly id: NodeId;
  readonly raft: Raft;
  readonly storage: RaftStorage;
  readonly network: RaftNetwork;
  readonly logger: Logger;
  readonly counters: Counters;
  readonly nowMs: () => number;
  readonly appliedIndex: () => LogIndex;
  /** Everybody in the newest configuration. */
  readonly members: () => readonly NodeId[];
  /** Entries can be read again: whoever waited may go on. Names what they say of the members. */
  readonly onRepaired: (configurations: readonly FoundConfiguration[]) => void;
  /** Of what is applied. */
  readonly takeSnapshot: () => void;
  /** Nobody can give back what was read. */
  readonly onLost: (error: Error) => void;
}

/** What an entry says of the members. */
export type FoundConfiguration = PlacedConfiguration & { readonly term: Term };

/** An answer that has not come by then is asked for elsewhere. */
const ANSWER_MS = 1000;
/** After everybody was asked in vain, they are asked again so much later. */
const RETRY_MS = 2000;
/** The most that one answer holds; a single larger entry still goes. */
const REPLY_BYTES = 1 << 20;

/** A range that is being fetched. */
interface Fetch {
  readonly range: DamagedRange;
  /** From the range's first entry on. */
  entries: LogEntry[];
  /** Asked in this round, and those of them who said that they have it not. */
  asked: Set<NodeId>;
  without: Set<NodeId>;
  /** The question that waits for its answer. */
  question:
    | { readonly requestId: number; readonly peer: NodeId; readonly untilMs: number }
    | undefined;
  /** Not asked for before this time. */
  afterMs: number;
  /** Nobody has it. */
  lost: boolean;
}

/**
 * For `RaftStorage.open`: whether node `id` may start with damaged entries, given the newest
 * configuration on its disk. Alone it must not: nobody could give them back.
 */
export function mayRepair(id: NodeId, configuration: Uint8Array | undefined): boolean {
  if (configuration === undefined) return false;
  return decodeConfiguration(configuration).members.some((member) => member.id !== id);
}

export class LogRepair {
  readonly #options: LogRepairOptions;
  #fetches: Fetch[] = [];
  #requests = 0;
  #examining = false;
  /** What could not be read has been found to be good: it is read again at the next tick. */
  #isRereadDue = false;

  constructor(options: LogRepairOptions) {
    this.#options = options;
    this.#follow();
  }

  /** Entries that cannot be read and are still needed: they are in no snapshot of this node. */
  get damagedEntries(): number {
    const covered = this.#options.storage.snapshots.newest?.last.index ?? 0;
    let count = 0;
    for (const { range: { first, last } } of this.#fetches) {
      count += Math.max(0, last - Math.max(first - 1, covered));
    }
    return count;
  }

  /** Whether this node should not lead: it cannot apply its log. Of the rest its state is enough. */
  get blocks(): boolean {
    const applied = this.#options.appliedIndex();
    return this.#fetches.some(({ range }) => range.last > applied);
  }

  /** What keeps this node from applying the log, for people. */
  get trouble(): string | undefined {
    const next = this.#options.appliedIndex() + 1;
    const fetch = this.#fetches.find(({ range }) => range.first <= next && next <= range.last);
    if (fetch === undefined) return undefined;
    const what = describe(fetch.range);
    return fetch.lost
      ? `${what} of the log cannot be read, and no other member has them`
      : `${what} of the log cannot be read and are being fetched from another member`;
  }

  /** A read of the log has failed: finds out what is damaged, or says that nobody can help. */
  readFailed(error: unknown): void {
    const { storage, logger, onLost } = this.#options;
    if (!(error instanceof CorruptionError) || error.index === undefined) {
      return onLost(asError(error));
    }
    if (this.#isKnown(error.index) || this.#examining) return;
    this.#examining = true;
    logger.error("the log cannot be read", { why: error.message, index: error.index });
    storage.examine(error.index).then(
      () => {
        this.#examining = false;
        if (this.#others().length === 0) return onLost(error);
        this.#follow();
        // Not at once: a disk that goes on so would take all of the processor.
        if (!this.#isKnown(error.index!)) this.#isRereadDue = true;
      },
      (worse) => onLost(asError(worse)),
    );
  }

  /** Asks, and asks somebody else where no answer came. */
  tick(nowMs: number): void {
    if (this.#isRereadDue) {
      this.#isRereadDue = false;
      this.#options.onRepaired([]);
    }
    if (this.#fetches.length === 0) return;
    const before = this.#fetches.length;
    // What was cut off or compacted meanwhile is nobody's concern any more.
    this.#follow();
    if (this.#fetches.length < before) this.#options.onRepaired([]);
    for (const fetch of this.#fetches) {
      const { question } = fetch;
      if (question !== undefined && nowMs < question.untilMs) continue;
      if (question !== undefined) fetch.asked.add(question.peer);
      fetch.question = undefined;
      if (nowMs >= fetch.afterMs) this.#ask(fetch, nowMs);
    }
  }

  /** A member asks for entries: gives what this node has of them. */
  answer(request: EntriesRequest): void {
    void this.#entriesFor(request).then((entries) => {
      const { network, id, raft } = this.#options;
      const { from: to, requestId } = request;
      network.send({ kind: "entriesReply", from: id, to, term: raft.term, requestId, entries });
      network.flush();
    });
  }

  /** Takes what a member had. */
  onReply(reply: EntriesReply): void {
    const fetch = this.#fetches.find(({ question }) =>
      question?.requestId === reply.requestId && question.peer === reply.from
    );
    if (fetch === undefined) return;
    fetch.question = undefined;
    const nowMs = this.#options.nowMs();
    if (this.#take(fetch, reply.entries)) {
      const have = fetch.entries.length;
      if (have > fetch.range.last - fetch.range.first) this.#repair(fetch, reply.from);
      else this.#ask(fetch, nowMs, reply.from);
    } else {
      fetch.asked.add(reply.from);
      if (reply.entries.length === 0) fetch.without.add(reply.from);
      this.#ask(fetch, nowMs);
    }
  }

  /** Whether the answer brought something that belongs there. */
  #take(fetch: Fetch, entries: readonly LogEntry[]): boolean {
    const { range } = fetch;
    let next = range.first + fetch.entries.length;
    for (const entry of entries) {
      if (entry.index !== next || entry.index > range.last || entry.term !== range.term) {
        return false;
      }
      fetch.entries.push(entry);
      next++;
    }
    return entries.length > 0;
  }

  #repair(fetch: Fetch, from: NodeId): void {
    const { storage, logger, counters, onRepaired } = this.#options;
    const { entries, range } = fetch;
    // Until it is written the question counts as open.
    fetch.question = { requestId: 0, peer: from, untilMs: Infinity };
    storage.repair(entries).then(
      () => {
        counters.entriesRepaired += entries.length;
        logger.info("repaired the log with what another member has", {
          first: range.first,
          last: range.last,
          from,
        });
        this.#follow();
        onRepaired(configurationsIn(entries));
      },
      (error) => {
        // A failed disk is the storage's own to report.
        if (!(error instanceof StorageError) || error.kind === "failed") return;
        logger.error("cannot repair the log", { why: error.message, from });
        fetch.entries = [];
        fetch.question = undefined;
        if (error.kind === "corrupt") fetch.asked.add(from);
        else fetch.afterMs = this.#options.nowMs() + ANSWER_MS;
      },
    );
  }

  /** Takes over what the storage knows to be damaged, and tells the core. */
  #follow(): void {
    const { storage, logger } = this.#options;
    const before = this.#fetches;
    this.#fetches = storage.damaged.map((range) =>
      before.find((fetch) => isSame(fetch.range, range)) ?? newFetch(range)
    );
    for (const fetch of this.#fetches) {
      if (before.includes(fetch)) continue;
      const { first, last } = fetch.range;
      logger.warn("asking other members for entries that cannot be read here", { first, last });
    }
  }

  #ask(fetch: Fetch, nowMs: number, again?: NodeId): void {
    const { network, id, raft } = this.#options;
    const peer = again ?? this.#whoElse(fetch);
    if (peer === undefined) return this.#endRound(fetch, nowMs);
    const { range } = fetch;
    const requestId = ++this.#requests;
    network.send({
      kind: "entriesRequest",
      from: id,
      to: peer,
      term: raft.term,
      requestId,
      first: { term: range.term, index: LogIndex(range.first + fetch.entries.length) },
      last: { term: range.term, index: range.last },
    });
    network.flush();
    fetch.question = { requestId, peer, untilMs: nowMs + ANSWER_MS };
  }

  /** The leader first: it has everything that is committed and not given up. */
  #whoElse(fetch: Fetch): NodeId | undefined {
    const { network, raft } = this.#options;
    const left = this.#others().filter((peer) => !fetch.asked.has(peer));
    const leader = left.find((peer) => peer === raft.leaderId && network.isConnected(peer));
    return leader ?? left.find((peer) => network.isConnected(peer)) ?? left[0];
  }

  /** Everybody was asked. They are asked again later, for a member may come back. */
  #endRound(fetch: Fetch, nowMs: number): void {
    const { logger, appliedIndex, raft, storage, takeSnapshot } = this.#options;
    const { first, last } = fetch.range;
    const { leaderId, commitIndex } = raft;
    const needed = last > appliedIndex();
    if (!needed) {
      // What was made of it is here, for whoever lacks it, and may be nowhere else.
      raft.step({ kind: "lost", through: last });
      if (last > (storage.snapshots.newest?.last.index ?? 0)) takeSnapshot();
    } else if (last <= commitIndex && leaderId !== undefined && fetch.without.has(leaderId)) {
      // The leader has applied it and given it up: what it made of it is in its snapshots.
      raft.step({ kind: "lost", through: last });
    }
    const lost = this.#others().every((member) => fetch.without.has(member));
    if (lost && !fetch.lost) {
      const text = needed
        ? "no other member has entries that cannot be read here: nothing behind them is applied"
        : "no other member has entries that cannot be read here; they were applied before";
      logger.error(text, { first, last });
    }
    fetch.lost ||= lost;
    fetch.asked = new Set();
    fetch.without = new Set();
    fetch.afterMs = nowMs + RETRY_MS;
  }

  #others(): NodeId[] {
    const { members, id } = this.#options;
    return members().filter((member) => member !== id);
  }

  #isKnown(index: LogIndex): boolean {
    return this.#fetches.some(({ range }) => range.first <= index && index <= range.last);
  }

  async #entriesFor({ first, last }: EntriesRequest): Promise<readonly LogEntry[]> {
    const { raft, storage } = this.#options;
    try {
      // From `firstInMemory` on the disk may hold what was replaced.
      const onDisk = LogIndex(Math.min(last.index, raft.firstInMemory - 1));
      const entries = raft.entries(first.index, last.index, REPLY_BYTES) ??
        (first.index <= onDisk ? await storage.read(first.index, onDisk, REPLY_BYTES) : []);
      const end = entries.findIndex((entry) => entry.index > last.index);
      return entries[0]?.term === first.term ? entries.slice(0, end < 0 ? undefined : end) : [];
    } catch (error) {
      this.readFailed(error);
      return [];
    }
  }
}

function configurationsIn(entries: readonly LogEntry[]): FoundConfiguration[] {
  return entries.filter(({ kind }) => kind === "configuration").map((entry) => ({
    index: entry.index,
    term: entry.term,
    configuration: decodeConfiguration(commandOf(entry)),
  }));
}

function newFetch(range: DamagedRange): Fetch {
  return {
    range,
    entries: [],
    asked: new Set(),
    without: new Set(),
    question: undefined,
    afterMs: 0,
    lost: false,
  };
}

function isSame(a: DamagedRange, b: DamagedRange): boolean {
  return a.first === b.first && a.last === b.last && a.term === b.term;
}

function describe({ first, last }: DamagedRange): string {
  return first === last ? `entry ${first}` : `entries ${first} to ${last}`;
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}
