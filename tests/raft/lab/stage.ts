/**
 * Text plays for the core: a few `Raft`s side by side, messages delivered by hand, time by hand,
 * disks that sync when told. Nothing happens by itself.
 */

import { LogIndex, NodeId, Term } from "../../../src/base/mod.ts";
import {
  type EntryId,
  type LogEntry,
  Raft,
  type RaftLimits,
  type RaftMessage,
  type RaftOptions,
  type Ready,
  recordWithPayload,
  sealEntry,
} from "../../../src/raft/mod.ts";
import { LAB_LIMITS } from "./cluster.ts";
import { configurationOf } from "./members.ts";

export const ELECTION_MIN_MS = 1000;
export const ELECTION_MAX_MS = 2000;
export const HEARTBEAT_MS = 100;

export function id(term: number, index: number): EntryId {
  return { term: Term(term), index: LogIndex(index) };
}

/** A command entry; its payload is its text. */
export function entry(term: number, index: number, text = `${term}.${index}`): LogEntry {
  const record = recordWithPayload(new TextEncoder().encode(text));
  return sealEntry(record, "command", Term(term), LogIndex(index));
}

export function makeRaft(overrides: {
  id?: number;
  voters?: readonly number[];
  removed?: readonly number[];
  term?: number;
  votedFor?: number;
  /** Terms of the entries on disk, from index 1. */
  logTerms?: readonly number[];
  limits?: Partial<RaftLimits>;
  leaseReads?: boolean;
  mayVote?: boolean;
  /** The log begins behind this entry, of term 1; `logTerms` are those of the entries behind it. */
  startIndex?: number;
  /** As far as the machine's snapshot goes: by default as far as the log is compacted. */
  applied?: number;
  seed?: number;
} = {}): Raft {
  const terms = overrides.logTerms ?? [];
  const startIndex = overrides.startIndex ?? 0;
  const options: RaftOptions = {
    id: NodeId(overrides.id ?? 1),
    configurations: [{
      index: LogIndex(0),
      configuration: {
        ...configurationOf(overrides.voters ?? [1, 2, 3]),
        removed: (overrides.removed ?? []).map(NodeId),
      },
    }],
    hardState: {
      term: Term(overrides.term ?? terms.at(-1) ?? 0),
      votedFor: overrides.votedFor === undefined ? undefined : NodeId(overrides.votedFor),
    },
    start: id(startIndex === 0 ? 0 : 1, startIndex),
    appliedIndex: LogIndex(overrides.applied ?? startIndex),
    mayVote: overrides.mayVote ?? true,
    leaseReads: overrides.leaseReads ?? false,
    last: id(terms.at(-1) ?? (startIndex === 0 ? 0 : 1), startIndex + terms.length),
    termRuns: terms.flatMap((term, at) =>
      term === terms[at - 1] ? [] : [{ first: LogIndex(startIndex + at + 1), term: Term(term) }]
    ),
    electionTimeoutMs: { min: ELECTION_MIN_MS, max: ELECTION_MAX_MS },
    heartbeatMs: HEARTBEAT_MS,
    limits: { ...LAB_LIMITS, ...overrides.limits },
    seed: overrides.seed ?? overrides.id ?? 1,
    nowMs: 0,
  };
  return new Raft(options);
}

export function propose(raft: Raft, text: string | Uint8Array, awaitedBy?: NodeId) {
  const payload = typeof text === "string" ? new TextEncoder().encode(text) : text;
  return raft.step({
    kind: "propose",
    awaitedBy,
    entryKind: "command",
    record: recordWithPayload(payload),
  });
}

/** Messages without the envelope, for `deliver`. */
export function deliver(raft: Raft, message: RaftMessage) {
  return raft.step({ kind: "message", message });
}

/** Node 3, whose log ends in `last`, asks node 1 for its vote, whoever leads. */
export function askForVote(raft: Raft, term: number, last: EntryId): void {
  deliver(raft, {
    kind: "requestVote",
    from: NodeId(3),
    to: NodeId(1),
    term: Term(term),
    preVote: false,
    transfer: true,
    last,
  });
}

/** Takes a `Ready` and makes it durable at once: everything that it sends, in order. */
export function settle(raft: Raft): { ready: Ready; sent: readonly RaftMessage[] } {
  const ready = raft.takeReady();
  raft.step({ kind: "persisted", number: ready.number });
  return { ready, sent: [...ready.messages, ...ready.messagesAfterPersist] };
}

/** Several members whose messages go round until nobody has any. */
export class Stage {
  readonly rafts: Raft[];
  readonly reads: { node: number; readId: number; index: number | undefined }[] = [];
  readonly fetches: { node: number; peer: number; first: number; last: number }[] = [];
  /** Everything that was sent, also what was not delivered. */
  readonly sent: RaftMessage[] = [];
  /** Says which messages arrive. */
  carries: (message: RaftMessage) => boolean = () => true;
  /** Says whose disk syncs. */
  syncs: (node: number) => boolean = () => true;
  nowMs = 0;
  readonly #unsynced: Ready[][];

  constructor(rafts: Raft[]) {
    this.rafts = rafts;
    this.#unsynced = rafts.map(() => []);
  }

  static of(size: number, limits: Partial<RaftLimits> = {}): Stage {
    const voters = Array.from({ length: size }, (_, at) => at + 1);
    return new Stage(voters.map((node) => makeRaft({ id: node, voters, limits })));
  }

  raft(node: number): Raft {
    return this.rafts[node - 1];
  }

  /** Cuts a node off; `undefined` heals. */
  isolate(node: number | undefined): void {
    this.carries = (message) => message.from !== node && message.to !== node;
  }

  /** Delivers until nobody has anything to say. */
  settle(): void {
    for (let busy = true; busy;) {
      busy = false;
      for (let node = 1; node <= this.rafts.length; node++) {
        if (this.#turn(node)) busy = true;
      }
    }
  }

  /** Time passes in ticks of a quarter of a heartbeat, with all messages delivered. */
  run(durationMs: number): void {
    const endMs = this.nowMs + durationMs;
    while (this.nowMs < endMs) {
      this.nowMs += HEARTBEAT_MS / 4;
      for (const raft of this.rafts) raft.step({ kind: "tick", nowMs: this.nowMs });
      this.settle();
    }
  }

  /** Makes `node` lead by letting only its clock run. */
  elect(node: number): Raft {
    const raft = this.raft(node);
    for (let step = 0; step < 4 * ELECTION_MAX_MS && raft.role !== "leader"; step++) {
      this.nowMs += HEARTBEAT_MS / 4;
      raft.step({ kind: "tick", nowMs: this.nowMs });
      this.settle();
    }
    for (const other of this.rafts) other.step({ kind: "tick", nowMs: this.nowMs });
    this.settle();
    // One heartbeat, so that everybody has heard the leader at the time that it is.
    this.run(HEARTBEAT_MS);
    if (raft.role !== "leader") throw new Error(`Cannot elect node ${node}: it is ${raft.role}`);
    return raft;
  }

  #turn(node: number): boolean {
    const raft = this.raft(node);
    const waiting = this.#unsynced[node - 1];
    let busy = false;
    if (raft.hasReady()) {
      busy = true;
      const ready = raft.takeReady();
      waiting.push(ready);
      for (const { readId, index } of ready.reads) this.reads.push({ node, readId, index });
      for (const { peer, first, last } of ready.fetches) {
        this.fetches.push({ node, peer, first, last });
      }
      this.#send(ready.messages);
      if (ready.commitIndex > raft.appliedIndex) {
        raft.step({ kind: "applied", index: ready.commitIndex });
      }
    }
    if (!this.syncs(node)) return busy;
    for (const ready of waiting.splice(0)) {
      busy = true;
      this.#send(ready.messagesAfterPersist);
      raft.step({ kind: "persisted", number: ready.number });
    }
    return busy;
  }

  #send(messages: readonly RaftMessage[]): void {
    for (const message of messages) {
      this.sent.push(message);
      if (this.carries(message)) deliver(this.raft(message.to), message);
    }
  }
}
