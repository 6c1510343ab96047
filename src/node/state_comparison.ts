/**
 * Compares this node's state with the others' while they run (architecture P5): every member says
 * the hash of its machine at the same entries. One that differs from a majority of the members is
 * wrong, whatever the reason, and must serve nobody; while there is no majority everybody says that
 * there is a difference. A process that is started again has computed its state anew, but perhaps
 * from a snapshot of the wrong one: it serves nobody either before its state agrees with a
 * majority's. A hash is 16 digits each `STATE_HASH_INTERVAL` entries, to each other member.
 */

import { type Logger, LogIndex, type NodeId, type Term } from "../base/mod.ts";
import type { RaftNetwork } from "../network/mod.ts";
import type { StateHash } from "../raft/mod.ts";
import type { Doubt } from "../storage/mod.ts";
import type { Counters } from "./counters.ts";

export interface StateComparisonOptions {
  readonly id: NodeId;
  readonly network: RaftNetwork;
  readonly logger: Logger;
  readonly counters: Counters;
  readonly term: () => Term;
  readonly commitIndex: () => LogIndex;
  /** Everybody in the newest configuration. */
  readonly members: () => readonly NodeId[];
  /** What an earlier process found. */
  readonly before: Doubt | undefined;
  /** Once: this node's state differs from a majority's. */
  readonly onQuarantined: (doubt: Doubt) => void;
  /** Once: what an earlier process found is not so any more. */
  readonly onTrusted: () => void;
}

/** Entries that are compared and remembered: members may be so many comparisons apart. */
const REMEMBERED_MAX = 64;
/** What is applied so far behind the commit index the others have forgotten. */
const BEHIND_MAX = 4096;

export class StateComparison {
  readonly #options: StateComparisonOptions;
  /** Of each entry compared, what each member said; by rising index. */
  readonly #hashes = new Map<number, Map<NodeId, string>>();
  #found: Doubt | undefined;
  #before: Doubt | undefined;
  /** Members that were reported to differ, until they agree again. */
  readonly #differing = new Set<NodeId>();

  constructor(options: StateComparisonOptions) {
    this.#options = options;
    this.#before = options.before;
  }

  /** Why this node serves nobody. */
  get quarantined(): string | undefined {
    if (this.#found !== undefined) return this.#found.why;
    if (this.#before === undefined) return undefined;
    return `${this.#before.why}, before it was started again; it serves again as soon as its state ` +
      "agrees with a majority's at a later entry";
  }

  /** This node's hash right after entry `index`; tells the others. */
  note(index: LogIndex, hash: string): void {
    const { id, network, term, commitIndex, members } = this.#options;
    if (commitIndex() - index > BEHIND_MAX) return;
    for (const peer of members()) {
      if (peer === id) continue;
      network.send(
        { kind: "stateHash", from: id, to: peer, term: term(), index, hash } as StateHash,
      );
    }
    for (const [peer, other] of this.#at(index)) this.#compare(index, peer, hash, other);
    this.#put(index, id, hash);
  }

  /** What another member's state is. */
  onHash({ from, index, hash }: StateHash): void {
    const { id, members } = this.#options;
    if (!members().includes(from)) return;
    const own = this.#at(index).get(id);
    if (own !== undefined) this.#compare(index, from, own, hash);
    this.#put(index, from, hash);
  }

  #at(index: number): Map<NodeId, string> {
    return this.#hashes.get(index) ?? new Map();
  }

  #put(index: number, member: NodeId, hash: string): void {
    const said = this.#at(index);
    said.set(member, hash);
    this.#hashes.set(index, said);
    if (this.#hashes.size > REMEMBERED_MAX) {
      this.#hashes.delete(Math.min(...this.#hashes.keys()));
    }
    this.#judge(index, said);
  }

  #compare(index: number, peer: NodeId, own: string, other: string): void {
    const { counters, logger } = this.#options;
    counters.stateHashesCompared++;
    if (own === other) return void this.#differing.delete(peer);
    counters.stateHashesDiffering++;
    if (this.#differing.has(peer)) return;
    this.#differing.add(peer);
    logger.error("the state of this node differs from another member's", {
      peer,
      index,
      own,
      other,
    });
  }

  /** Whether a majority of the members say the same, and this node something else. */
  #judge(index: number, said: ReadonlyMap<NodeId, string>): void {
    const { id, members, logger, onQuarantined } = this.#options;
    const own = said.get(id);
    if (own === undefined || this.#found !== undefined) return;
    const all = members();
    const agreeing = new Map<string, number>();
    for (const member of all) {
      const hash = said.get(member);
      if (hash !== undefined) agreeing.set(hash, (agreeing.get(hash) ?? 0) + 1);
    }
    for (const [hash, count] of agreeing) {
      if (count <= all.length / 2) continue;
      if (hash === own) {
        this.#trust(index);
        continue;
      }
      const why = `the state of this node differs from that of ${count} of ${all.length} members ` +
        `at entry ${index}`;
      this.#found = { index: LogIndex(index), why };
      logger.error(`${why}; it serves nobody from now on`, { own, others: hash });
      onQuarantined(this.#found);
    }
  }

  /** Where the difference was found, or behind it, there is none. */
  #trust(index: number): void {
    if (this.#before === undefined || index < this.#before.index) return;
    this.#before = undefined;
    const { logger, onTrusted } = this.#options;
    logger.info("the state of this node agrees with a majority's; it serves again", { index });
    onTrusted();
  }
}
