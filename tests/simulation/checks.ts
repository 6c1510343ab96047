/**
 * The invariants that are held after every step, from outside of the nodes:
 *
 * - ES at most one leader a term
 * - LM equal index and term mean equal entries and equal predecessors
 * - LC a committed entry is durable on a majority
 * - CR what is committed is never cut; a leader commits only through entries of its own term
 * - SM every node applies the same commands, in order, once
 * - PP no promise leaves before the disk has what it rests on
 * - MT term, vote, commit and applied index do not fall
 * - SN equal states at equal positions
 * - EO a batch takes effect once
 * - CC what was durable is there after a start, or the node refuses
 * - BR queues and logs are bounded
 */

import { crc32, latin1FromBytes, LogIndex, type NodeId } from "../../src/base/mod.ts";
import type { RaftNode } from "../../src/node/mod.ts";
import type { PeerMessage } from "../../src/raft/mod.ts";
import type { DiskShadow, DurableEntry } from "./disk_shadow.ts";
import { Violation } from "./violation.ts";

/** What a node made of an entry. */
interface Command {
  readonly checksum: number;
  readonly admission: string;
  readonly clockMs: number;
}

interface Seen {
  readonly node: RaftNode;
  role: string;
  term: number;
  commit: number;
  applied: number;
}

/** No run comes near it; term and index share one number. */
const INDEX_MAX = 2 ** 28;
/** Each so many applied entries the whole state is compared. */
const DIGEST_EVERY = 16;

/** Drivers say these to each other; nobody acts on the term in them. */
const PROMISE_NOTHING: ReadonlySet<PeerMessage["kind"]> = new Set([
  "forwardedBatch",
  "entriesRequest",
  "entriesReply",
  "stateHash",
]);

export class Checks {
  /** The highest committed index, over all nodes. */
  committedLast = 0;
  /** When the unique values of clients were first applied. */
  readonly appliedAtMs = new Map<string, number>();
  readonly #nowMs: () => number;
  readonly #size: number;
  readonly #shadows: ReadonlyMap<NodeId, DiskShadow>;
  readonly #leaders = new Map<number, NodeId>();
  readonly #entries = new Map<number, { checksum: number; before: number }>();
  /** Term of each committed entry, by index. */
  readonly #committed = new Map<number, number>();
  readonly #commands = new Map<number, Command>();
  readonly #digests = new Map<number, string>();
  readonly #effects = new Map<string, number>();
  readonly #seen = new Map<NodeId, Seen>();
  readonly #leaderLogs = new Map<number, Map<number, number>>();

  constructor(
    size: number,
    shadows: ReadonlyMap<NodeId, DiskShadow>,
    nowMs: () => number,
  ) {
    this.#nowMs = nowMs;
    this.#size = size;
    this.#shadows = shadows;
  }

  get quorum(): number {
    return (this.#size >> 1) + 1;
  }

  started(id: NodeId, node: RaftNode): void {
    const { term } = node.raft;
    this.#seen.set(id, { node, role: node.raft.role, term, commit: 0, applied: 0 });
    this.#watchApplies(node);
  }

  stopped(id: NodeId): void {
    this.#seen.delete(id);
  }

  /** After every step of the clock. */
  afterStep(): void {
    for (const [id, seen] of this.#seen) {
      const { raft } = seen.node;
      if (raft.term < seen.term) throw new Violation("MT", `the term of node ${id} fell`);
      seen.term = raft.term;
      if (raft.role !== seen.role) this.#roleChanged(id, seen);
      if (raft.commitIndex !== seen.commit) this.#commitChanged(id, seen);
      const { appliedIndex } = seen.node;
      if (appliedIndex < seen.applied) throw new Violation("MT", `applied of node ${id} fell`);
      if (appliedIndex > raft.commitIndex) {
        throw new Violation("SM", `node ${id} applied ${appliedIndex}, not committed`);
      }
      seen.applied = appliedIndex;
    }
  }

  #roleChanged(id: NodeId, seen: Seen): void {
    const { role, term } = seen.node.raft;
    seen.role = role;
    if (role !== "leader") return;
    const other = this.#leaders.get(term);
    if (other !== undefined && other !== id) {
      throw new Violation("ES", `nodes ${other} and ${id} both lead term ${term}`);
    }
    this.#leaders.set(term, id);
  }

  #commitChanged(id: NodeId, seen: Seen): void {
    const { raft } = seen.node;
    const commit = raft.commitIndex;
    if (commit < seen.commit) throw new Violation("MT", `the commit index of node ${id} fell`);
    for (let index = seen.commit + 1; index <= commit; index++) {
      const at = LogIndex(index);
      const entry = raft.entries(at, at, 1)?.[0] ?? this.#shadows.get(id)!.liveEntry(index);
      if (entry === undefined) {
        throw new Violation("SM", `node ${id} committed ${index}, which it does not have`);
      }
      const known = this.#committed.get(index);
      if (known !== undefined && known !== entry.term) {
        throw new Violation(
          "SM",
          `entry ${index} was committed with terms ${known}, ${entry.term}`,
        );
      }
      if (known !== undefined) continue;
      this.#firstCommit(id, index, entry.term);
      if (index === commit && raft.role === "leader" && entry.term !== raft.term) {
        throw new Violation("CR", `leader ${id} of ${raft.term} commits one of ${entry.term}`);
      }
    }
    seen.commit = commit;
  }

  #firstCommit(id: NodeId, index: number, term: number): void {
    this.#committed.set(index, term);
    this.committedLast = Math.max(this.committedLast, index);
    let copies = 0;
    for (const shadow of this.#shadows.values()) {
      if (shadow.durable.get(index)?.term === term) copies++;
    }
    if (copies < this.quorum) {
      throw new Violation(
        "LC",
        `node ${id} committed ${index}, durable on ${copies} of ${this.#size}`,
      );
    }
  }

  #watchApplies(node: RaftNode): void {
    const { machine } = node;
    const apply = machine.apply.bind(machine);
    let last = 0;
    machine.apply = (payload, index, observerOf) => {
      if (index <= last) throw new Violation("SM", `entry ${index} applied after ${last}`);
      last = index;
      const batch = apply(payload, index, observerOf);
      const { origin, incarnation, sequence, admission } = batch;
      const { clockMs } = machine;
      const command: Command = { checksum: crc32(payload), admission, clockMs };
      const known = this.#commands.get(index);
      if (known === undefined) {
        this.#commands.set(index, command);
        if (admission === "next") this.#firstEffect(payload, index, origin, incarnation, sequence);
      } else if (
        known.checksum !== command.checksum || known.admission !== admission ||
        known.clockMs !== clockMs
      ) {
        const texts = [known, command].map((one) => JSON.stringify(one));
        throw new Violation("SM", `entry ${index} was applied as ${texts.join(" and as ")}`);
      }
      if (index % DIGEST_EVERY === 0) this.#compareState(node, index);
      return batch;
    };
  }

  /** Other nodes apply the same command: what it is at one index is enough to know here. */
  #firstEffect(
    payload: Uint8Array,
    index: number,
    origin: number,
    incarnation: number,
    sequence: number,
  ): void {
    const name = `${origin}/${incarnation}/${sequence}`;
    const first = this.#effects.get(name);
    if (first !== undefined) {
      throw new Violation("EO", `batch ${name} took effect at ${first} and at ${index}`);
    }
    this.#effects.set(name, index);
    for (const [value] of latin1FromBytes(payload).matchAll(/v\d+/g)) {
      if (!this.appliedAtMs.has(value)) this.appliedAtMs.set(value, this.#nowMs());
    }
  }

  #compareState(node: RaftNode, index: number): void {
    const digest = node.machine.keyspace.digest();
    const known = this.#digests.get(index);
    if (known === undefined) this.#digests.set(index, digest);
    else if (known !== digest) {
      throw new Violation("SN", `node ${node.options.id} has another state at entry ${index}`);
    }
  }

  entryWritten(shadow: DiskShadow, entry: DurableEntry): void {
    const before = shadow.liveEntry(entry.index - 1)?.term ?? 0;
    const key = entry.term * INDEX_MAX + entry.index;
    const known = this.#entries.get(key);
    if (known === undefined) this.#entries.set(key, { checksum: entry.checksum, before });
    else if (known.checksum !== entry.checksum || known.before !== before) {
      throw new Violation("LM", `entry ${entry.index} of term ${entry.term} is there twice`);
    }
  }

  durableEntryCut(id: NodeId, entry: DurableEntry): void {
    if (this.#committed.get(entry.index) === entry.term) {
      throw new Violation("CR", `node ${id} cuts entry ${entry.index}, which is committed`);
    }
  }

  /** Refuses a message that promises what its sender's disk does not have. */
  checkPromise(message: PeerMessage): void {
    const shadow = this.#shadows.get(message.from)!;
    const { hardState } = shadow;
    const { kind, term, from, to } = message;
    if (PROMISE_NOTHING.has(kind)) return;
    const refuse = (what: string) => {
      throw new Violation("PP", `node ${from} sends ${kind} to ${to} without ${what}`);
    };
    const isPreVote = (kind === "requestVote" || kind === "requestVoteReply") && message.preVote;
    if (!isPreVote && hardState.term < term) refuse(`term ${term}: ${hardState.term} is durable`);
    if (kind === "requestVote" && !message.preVote) {
      if (hardState.term === term && hardState.votedFor !== from) refuse("its own vote");
    } else if (kind === "requestVoteReply" && message.granted && !message.preVote) {
      if (hardState.term === term && hardState.votedFor !== to) refuse("the vote it grants");
    } else if (kind === "appendEntries") {
      let log = this.#leaderLogs.get(term);
      if (log === undefined) this.#leaderLogs.set(term, log = new Map());
      log.set(message.prev.index, message.prev.term);
      for (const entry of message.entries) log.set(entry.index, entry.term);
    } else if (kind === "appendEntriesReply" && message.conflict === undefined) {
      const { index } = message;
      if (index === 0) return;
      const expected = this.#leaderLogs.get(term)?.get(index);
      const found = shadow.durable.get(index)?.term;
      if (shadow.durableLast < index || (expected !== undefined && found !== expected)) {
        refuse(`entry ${index}: ${shadow.durableLast} are durable`);
      }
    }
  }

  checkBounds(): void {
    for (const [id, { node }] of this.#seen) {
      const { uncommittedBytesMax } = node.options.raftLimits;
      const slack = node.options.proposalLimits.entryBytesMax;
      if (node.raft.uncommittedBytes > uncommittedBytesMax + slack) {
        throw new Violation(
          "BR",
          `node ${id} holds ${node.raft.uncommittedBytes} uncommitted bytes`,
        );
      }
    }
  }
}
