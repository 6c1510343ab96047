/**
 * The invariants that are held after every step, from outside of the nodes; those of the states are
 * in `state_checks.ts`, of the members in `configuration_checks.ts`, of the releases in
 * `level_checks.ts`.
 *
 * - ES at most one leader a term, with the votes of a majority of each set of voters; none of an older
 *   term answers by lease then
 * - LM equal index and term mean equal entries and equal predecessors
 * - LC a committed entry is durable on a majority of each set of voters
 * - CR what is committed is never cut, but given up behind a durable snapshot; a leader commits only
 *   through entries of its own term
 * - SM what is applied, or in a snapshot, is committed
 * - PP no promise leaves before the disk has what it rests on
 * - MT term, vote, commit and applied index do not fall
 * - CC what was durable is there after a start, or the node refuses; nothing damaged is sent
 * - BR queues and logs are bounded
 */

import { DecodeError, LogIndex, type NodeId } from "../../src/base/mod.ts";
import type { RaftNode } from "../../src/node/mod.ts";
import {
  commandOf,
  type Configuration,
  decodeConfiguration,
  decodeEntry,
  isDriverMessage,
  type LogEntry,
  type PeerMessage,
} from "../../src/raft/mod.ts";
import { ConfigurationChecks } from "./configuration_checks.ts";
import type { DiskShadow, DurableEntry } from "./disk_shadow.ts";
import { LevelChecks } from "./level_checks.ts";
import { allVoters, decides } from "./quorum.ts";
import { StateChecks } from "./state_checks.ts";
import { Violation } from "./violation.ts";

interface Placed {
  readonly index: number;
  readonly configuration: Configuration;
}

interface Seen {
  readonly node: RaftNode;
  /** The configurations of its log that were in effect between two steps, rising. */
  placed: Placed[];
  /** Checked already. */
  members: Configuration | undefined;
  role: string;
  /** Uncommitted bytes that it had when it began to lead. */
  inheritedBytes: number;
  term: number;
  commit: number;
  applied: number;
  readsByLease: number;
}

/** No run comes near it; term and index share one number. */
const INDEX_MAX = 2 ** 28;

export class Checks {
  /** The highest committed index, over all nodes. */
  committedLast = 0;
  readonly configurations: ConfigurationChecks;
  readonly states: StateChecks;
  readonly levels = new LevelChecks();
  readonly #shadows: ReadonlyMap<NodeId, DiskShadow>;
  readonly #leaders = new Map<number, NodeId>();
  /** The newest term that had a leader. */
  #ledTerm = 0;
  /** Who has granted its vote, by term and candidate. */
  readonly #votes = new Map<string, Set<NodeId>>();
  readonly #entries = new Map<number, { checksum: number; before: number }>();
  /** Term of each committed entry, by index. */
  readonly #committed = new Map<number, number>();
  readonly #seen = new Map<NodeId, Seen>();
  readonly #leaderLogs = new Map<number, Map<number, number>>();
  /** Records that are known to be whole. */
  readonly #whole = new WeakSet<Uint8Array>();

  constructor(
    first: Configuration,
    shadows: ReadonlyMap<NodeId, DiskShadow>,
    nowMs: () => number,
  ) {
    this.configurations = new ConfigurationChecks(first);
    this.states = new StateChecks(nowMs);
    this.#shadows = shadows;
  }

  started(id: NodeId, node: RaftNode): void {
    const { term, role, configuration, configurationIndex: index } = node.raft;
    const placed = [{ index, configuration }];
    const members = undefined;
    const none = { commit: 0, applied: 0, readsByLease: 0, inheritedBytes: 0 };
    this.#seen.set(id, { node, placed, members, role, term, ...none });
    this.#forgetUnheard(id, term);
    this.states.watch(node);
    this.levels.started(id, node);
  }

  /**
   * A voter that is alone leads before its term is durable. After a crash it has never led that term,
   * of which nobody could hear.
   */
  #forgetUnheard(id: NodeId, term: number): void {
    for (const [led, leader] of this.#leaders) {
      if (leader === id && led > term) this.#leaders.delete(led);
    }
    this.#ledTerm = Math.max(0, ...this.#leaders.keys());
  }

  /** Its process ends, maybe in the step in which it has committed something. */
  stopped(id: NodeId): void {
    const seen = this.#seen.get(id);
    if (seen !== undefined) this.#look(id, seen);
    this.#seen.delete(id);
  }

  /** After every step of the clock. */
  afterStep(): void {
    for (const [id, seen] of this.#seen) this.#look(id, seen);
  }

  #look(id: NodeId, seen: Seen): void {
    const { raft } = seen.node;
    if (raft.term < seen.term) throw new Violation("MT", `the term of node ${id} fell`);
    if (raft.readsByLease !== seen.readsByLease) this.#checkLease(id, seen);
    const leadsAnew = raft.role === "leader" && raft.term > seen.term;
    const leads = seen.role === "leader" && raft.role === "leader" && !leadsAnew;
    seen.term = raft.term;
    if (raft.role !== seen.role || leadsAnew) this.#roleChanged(id, seen);
    const before = seen.placed.at(-1)!.configuration;
    if (raft.configuration !== before) {
      this.levels.changed(id, before, raft.configuration, leads);
      placeNewest(seen, this.#shadows.get(id)!);
    }
    if (raft.commitIndex !== seen.commit) {
      this.#commitChanged(id, seen);
      this.#checkMembers(id, seen);
    } else if (raft.committedConfiguration !== seen.members) this.#checkMembers(id, seen);
    const { appliedIndex } = seen.node;
    if (appliedIndex < seen.applied) throw new Violation("MT", `applied of node ${id} fell`);
    if (appliedIndex > raft.commitIndex) {
      throw new Violation("SM", `node ${id} applied ${appliedIndex}, not committed`);
    }
    if (appliedIndex !== seen.applied) this.levels.applied(id, seen.node);
    seen.applied = appliedIndex;
  }

  #roleChanged(id: NodeId, seen: Seen): void {
    const { role, term, configuration } = seen.node.raft;
    seen.role = role;
    if (role !== "leader") return;
    seen.inheritedBytes = seen.node.raft.uncommittedBytes;
    const other = this.#leaders.get(term);
    if (other !== undefined && other !== id) {
      throw new Violation("ES", `nodes ${other} and ${id} both lead term ${term}`);
    }
    if (other === undefined) {
      const votes = this.#votes.get(`${term} ${id}`);
      if (!decides(configuration, (voter) => voter === id || votes?.has(voter) === true)) {
        const from = [id, ...votes ?? []].join(", ");
        const needed = [...allVoters(configuration)].join(", ");
        throw new Violation("ES", `node ${id} leads term ${term} with votes ${from} of ${needed}`);
      }
    }
    this.#leaders.set(term, id);
    this.#ledTerm = Math.max(this.#ledTerm, term);
  }

  #checkLease(id: NodeId, seen: Seen): void {
    seen.readsByLease = seen.node.raft.readsByLease;
    // By now it may follow, and know the newer term.
    const { role, term } = seen.role === "leader" ? seen : seen.node.raft;
    if (role !== "leader" || term >= this.#ledTerm) return;
    const other = this.#leaders.get(this.#ledTerm);
    const text = `node ${id} answers by its lease of term ${term}`;
    throw new Violation("ES", `${text}, and node ${other} leads term ${this.#ledTerm}`);
  }

  #commitChanged(id: NodeId, seen: Seen): void {
    const { raft } = seen.node;
    const commit = raft.commitIndex;
    if (commit < seen.commit) throw new Violation("MT", `the commit index of node ${id} fell`);
    for (let index = seen.commit + 1; index <= commit; index++) {
      const term = this.#termOf(id, seen.node, index);
      const known = this.#committed.get(index);
      if (known !== undefined && term !== undefined && known !== term) {
        throw new Violation("SM", `entry ${index} was committed with terms ${known}, ${term}`);
      }
      if (known !== undefined) continue;
      if (term === undefined) {
        throw new Violation("SM", `node ${id} committed ${index}, which it does not have`);
      }
      this.#firstCommit(id, seen, index, term);
      if (index === commit && raft.role === "leader" && term !== raft.term) {
        throw new Violation("CR", `leader ${id} of ${raft.term} commits one of ${term}`);
      }
    }
    seen.commit = commit;
  }

  #checkMembers(id: NodeId, seen: Seen): void {
    const { raft, options } = seen.node;
    seen.members = raft.committedConfiguration;
    if (this.configurations.isAt(raft.commitIndex, raft.committedConfiguration)) return;
    // What cannot be read cannot be known yet; or it is known from a snapshot whose state is lost.
    if (options.storage.damaged.length > 0 || raft.needsSnapshot) return;
    this.configurations.refuse(id, raft.commitIndex, raft.committedConfiguration);
  }

  /** Undefined when a snapshot has what the log has not. */
  #termOf(id: NodeId, { raft }: RaftNode, index: number): number | undefined {
    const start = raft.logStart;
    if (index <= start.index) return index === start.index ? start.term : undefined;
    const at = LogIndex(index);
    return raft.entries(at, at, 1)?.[0]?.term ?? this.#shadows.get(id)!.liveEntry(index)?.term;
  }

  #firstCommit(id: NodeId, seen: Seen, index: number, term: number): void {
    this.#committed.set(index, term);
    this.committedLast = Math.max(this.committedLast, index);
    const has = (member: NodeId) => this.#shadows.get(member)?.holds(index, term) === true;
    const active = configurationsFor(seen.placed, index);
    // Who hears of a commit may be behind its leader, who has crashed with the same step.
    if (seen.node.raft.role !== "leader") active.push(...this.#laterConfigurations(index));
    if (!active.some((configuration) => decides(configuration, has))) {
      const copies = [...this.#shadows.keys()].filter(has).join(", ");
      const needed = [...allVoters(active[0])].join(", ");
      throw new Violation("LC", `node ${id} committed ${index}, durable on ${copies} of ${needed}`);
    }
    const configuration = this.#configurationAt(index, term);
    if (configuration !== undefined) this.configurations.committed(configuration, index, term);
  }

  #configurationAt(index: number, term: number): Configuration | undefined {
    for (const shadow of this.#shadows.values()) {
      const entry = shadow.liveEntry(index);
      if (entry?.term === term) return entry.configuration;
    }
    return undefined;
  }

  #laterConfigurations(index: number): Configuration[] {
    return [...this.#shadows.values()].flatMap((shadow) =>
      shadow.configurationsAfter(index).map(({ configuration }) => configuration!)
    );
  }

  /** Every configuration in which something could still be decided, as far as disks say. */
  activeConfigurations(): Configuration[] {
    const { newest, index, term } = this.configurations;
    const later = new Map<string, Configuration>();
    for (const [id, shadow] of this.#shadows) {
      if (newest.removed.includes(id)) continue;
      for (const entry of shadow.configurationsAfter(index)) {
        if (entry.term >= term) later.set(`${entry.term} ${entry.index}`, entry.configuration!);
      }
    }
    return [newest, ...later.values()];
  }

  entryWritten(shadow: DiskShadow, entry: DurableEntry): void {
    const before = entry.index === 1 ? 0 : shadow.liveEntry(entry.index - 1)?.term;
    const key = entry.term * INDEX_MAX + entry.index;
    const known = this.#entries.get(key);
    if (known === undefined) {
      // Behind a snapshot the entry before is not on this disk.
      if (before !== undefined) this.#entries.set(key, { checksum: entry.checksum, before });
    } else if (known.checksum !== entry.checksum || (before ?? known.before) !== known.before) {
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
    const refuse = (what: string) => {
      throw new Violation("PP", `node ${from} sends ${kind} to ${to} without ${what}`);
    };
    if (kind === "snapshotEnd" && message.outcome === "installed") {
      if (shadow.durableLast < message.last.index) refuse(`snapshot ${message.last.index}`);
    }
    if (isDriverMessage(message)) return;
    const isPreVote = (kind === "requestVote" || kind === "requestVoteReply") && message.preVote;
    if (!isPreVote && hardState.term < term) refuse(`term ${term}: ${hardState.term} is durable`);
    if (kind === "requestVote" && !message.preVote) {
      if (hardState.term === term && hardState.votedFor !== from) refuse("its own vote");
    } else if (kind === "requestVoteReply" && message.granted && !message.preVote) {
      if (hardState.term === term && hardState.votedFor !== to) refuse("the vote it grants");
      this.#granted(term, from, to);
    } else if (kind === "appendEntries") {
      let log = this.#leaderLogs.get(term);
      if (log === undefined) this.#leaderLogs.set(term, log = new Map());
      log.set(message.prev.index, message.prev.term);
      for (const entry of message.entries) log.set(entry.index, entry.term);
    } else if (kind === "appendEntriesReply" && message.conflict === undefined) {
      const { index } = message;
      if (shadow.isBehindLog(index)) return;
      const expected = this.#leaderLogs.get(term)?.get(index);
      const found = shadow.durable.get(index)?.term;
      if (shadow.durableLast < index || (expected !== undefined && found !== expected)) {
        refuse(`entry ${index}: ${shadow.durableLast} are durable`);
      }
    }
  }

  /** Refuses a message with an entry that is not what its checksums say. */
  checkWhole(message: PeerMessage): void {
    if (message.kind !== "appendEntries" && message.kind !== "entriesReply") return;
    for (const entry of message.entries) {
      if (this.#isWhole(entry)) continue;
      const { kind, from, to } = message;
      const text = `node ${from} sends ${kind} to ${to} with entry ${entry.index} damaged`;
      throw new Violation("CC", text);
    }
  }

  #isWhole({ record }: LogEntry): boolean {
    if (this.#whole.has(record)) return true;
    try {
      decodeEntry(record);
    } catch (error) {
      if (error instanceof DecodeError) return false;
      throw error;
    }
    this.#whole.add(record);
    return true;
  }

  #granted(term: number, voter: NodeId, candidate: NodeId): void {
    const name = `${term} ${candidate}`;
    const votes = this.#votes.get(name);
    if (votes === undefined) this.#votes.set(name, new Set([voter]));
    else votes.add(voter);
  }

  checkBounds(): void {
    for (const [id, { node, inheritedBytes }] of this.#seen) {
      // A follower does not know at once how much of what it has is committed.
      if (node.raft.role !== "leader") continue;
      // Leaders that were started again do not count what is on their disks: one after the other may
      // have taken as much. It is left over to the next one, which takes nothing beyond the limit.
      const max = Math.max(node.options.raftLimits.uncommittedBytesMax, inheritedBytes);
      const slack = node.options.proposalLimits.entryBytesMax;
      if (node.raft.uncommittedBytes > max + slack) {
        throw new Violation(
          "BR",
          `node ${id} holds ${node.raft.uncommittedBytes} uncommitted bytes`,
        );
      }
    }
  }
}

function placeNewest(seen: Seen, shadow: DiskShadow): void {
  const { raft } = seen.node;
  const { configuration, configurationIndex: index } = raft;
  // What is cut off was never so.
  seen.placed = seen.placed.filter((one) => one.index < index);
  // A leader that decides alone ends one change and begins the next within a step.
  const known = seen.placed.at(-1)?.index ?? 0;
  for (const entry of shadow.configurationsAfter(known)) {
    if (entry.index >= Math.min(index, raft.firstInMemory)) break;
    seen.placed.push({ index: entry.index, configuration: entry.configuration! });
  }
  const first = Math.max(known + 1, raft.firstInMemory);
  const between = first < index
    ? raft.entries(LogIndex(first), LogIndex(index - 1), Infinity) ?? []
    : [];
  for (const entry of between) {
    if (entry.kind !== "configuration") continue;
    seen.placed.push({
      index: entry.index,
      configuration: decodeConfiguration(commandOf(entry)),
    });
  }
  seen.placed.push({ index, configuration });
}

/**
 * What may decide on entry `index`: the newest configuration up to it, or the next one, which is in the
 * log only since the one before it was committed, and so before the entry.
 */
function configurationsFor(placed: readonly Placed[], index: number): Configuration[] {
  const at = Math.max(0, placed.findLastIndex((one) => one.index <= index));
  const found = [placed[at].configuration];
  if (placed[at].index < index && at + 1 < placed.length) found.push(placed[at + 1].configuration);
  return found;
}
