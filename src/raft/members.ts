/**
 * The configurations that this node's log holds and that still matter: the newest committed one and
 * those behind it. The newest of all is in effect, committed or not (Raft thesis §4.1); when its
 * entry is cut off, the one before it is in effect again.
 *
 * Voters are in one or two sets, `incoming` and, while joint, `outgoing`; a mask says in which.
 */

import { assert, type LogIndex, type NodeId } from "../base/mod.ts";
import { type Configuration, hasVote, votersOf } from "./configuration.ts";

/** Bits of a mask of votes. */
export const INCOMING = 1;
export const OUTGOING = 2;

/** A configuration and the entry that says it; index 0 is before the log. */
export interface PlacedConfiguration {
  readonly index: LogIndex;
  readonly configuration: Configuration;
}

export class Members {
  readonly #id: NodeId;
  /** Rising; the first one is committed. */
  readonly #placed: PlacedConfiguration[];
  #index = 0 as LogIndex;
  /** The first one that is not committed. */
  #uncommittedIndex = Infinity;
  #incoming: readonly NodeId[] = [];
  #outgoing: readonly NodeId[] = [];
  #voters: readonly NodeId[] = [];
  #incomingQuorum = 1;
  #outgoingQuorum = 0;
  #ownVotes = 0;
  #mayLead = false;
  #isSettled = false;
  #removed: ReadonlySet<NodeId> = new Set();

  /** The first of `placed` is committed. */
  constructor(id: NodeId, placed: readonly PlacedConfiguration[]) {
    assert(placed.length > 0, "Cannot know the members: no configuration was given");
    for (let at = 1; at < placed.length; at++) {
      assert(
        placed[at].index > placed[at - 1].index,
        `Cannot know the members: configuration ${
          placed[at].index
        } is not behind the one before it`,
      );
    }
    this.#id = id;
    this.#placed = [...placed];
    this.#update();
    this.#updateRemoved();
  }

  /** In effect. */
  get configuration(): Configuration {
    return this.#placed[this.#placed.length - 1].configuration;
  }
  /** The entry that says it. */
  get index(): LogIndex {
    return this.#index;
  }
  get committedConfiguration(): Configuration {
    return this.#placed[0].configuration;
  }
  /** Everybody who votes in either set, by rising id. */
  get voters(): readonly NodeId[] {
    return this.#voters;
  }
  get incoming(): readonly NodeId[] {
    return this.#incoming;
  }
  get isJoint(): boolean {
    return this.#outgoingQuorum > 0;
  }
  /** A leader has nothing to do about the members: not joint, it votes, nobody joins. */
  get isSettled(): boolean {
    return this.#isSettled;
  }
  /** The mask of this node's own votes. */
  get ownVotes(): number {
    return this.#ownVotes;
  }
  /**
   * Whether this node may be needed as a leader: it votes, or it did and what says that it does so
   * no more is not committed. Until then it may be the only one whose log is complete (§4.2.2).
   */
  get mayLead(): boolean {
    return this.#mayLead;
  }
  /** This node decides without asking anybody. */
  get isQuorumAlone(): boolean {
    return this.isQuorum(this.#ownVotes & INCOMING, this.#ownVotes >> 1);
  }
  get incomingQuorum(): number {
    return this.#incomingQuorum;
  }
  /** 0 unless joint. */
  get outgoingQuorum(): number {
    return this.#outgoingQuorum;
  }

  /** Which sets `id` votes in. */
  votesOf(id: NodeId): number {
    return (this.#incoming.includes(id) ? INCOMING : 0) |
      (this.#outgoing.includes(id) ? OUTGOING : 0);
  }

  /** Whether so many votes of each set are a majority of each (§4.3). */
  isQuorum(incoming: number, outgoing: number): boolean {
    return incoming >= this.#incomingQuorum && outgoing >= this.#outgoingQuorum;
  }

  /** Whether those for whom `has` is true are a majority of each set. */
  areQuorum(has: (id: NodeId) => boolean): boolean {
    return this.isQuorum(count(this.#incoming, has), count(this.#outgoing, has));
  }

  /** Whether those for whom `lost` is true leave one of the sets without a majority. */
  areBlocking(lost: (id: NodeId) => boolean): boolean {
    return this.#incoming.length - count(this.#incoming, lost) < this.#incomingQuorum ||
      (this.isJoint &&
        this.#outgoing.length - count(this.#outgoing, lost) < this.#outgoingQuorum);
  }

  /** Whether `id` was a member, is none for certain, and never will be again. */
  isRemoved(id: NodeId): boolean {
    return this.#removed.size > 0 && this.#removed.has(id);
  }

  append(index: LogIndex, configuration: Configuration): void {
    assert(
      index > this.index,
      `Cannot place configuration ${index}: found one at ${this.index}`,
    );
    this.#placed.push({ index, configuration });
    this.#update();
  }

  /** Of an entry that could not be read before, anywhere behind what is committed. False: no news. */
  insert({ index, configuration }: PlacedConfiguration): boolean {
    const placed = this.#placed;
    const before = placed.findLastIndex((other) => other.index <= index);
    if (before < 0 || placed[before].index === index) return false;
    placed.splice(before + 1, 0, { index, configuration });
    this.#update();
    return true;
  }

  /** The entries from `first` on, none of them committed, are cut off. False: no news. */
  truncateFrom(first: LogIndex): boolean {
    const placed = this.#placed;
    const before = placed.length;
    while (placed.length > 1 && placed[placed.length - 1].index >= first) placed.pop();
    if (placed.length === before) return false;
    this.#update();
    return true;
  }

  /** Everything up to `index` is committed. False: no news. */
  commitTo(index: LogIndex): boolean {
    if (index < this.#uncommittedIndex) return false;
    const placed = this.#placed;
    while (placed.length > 1 && placed[1].index <= index) placed.shift();
    this.#update();
    this.#updateRemoved();
    return true;
  }

  /** A snapshot says what is committed up to `index`; what is placed behind it stays. */
  rebase(index: LogIndex, configuration: Configuration): void {
    const placed = this.#placed;
    while (placed.length > 0 && placed[0].index <= index) placed.shift();
    placed.unshift({ index, configuration });
    this.#update();
    this.#updateRemoved();
  }

  #update(): void {
    const { configuration } = this;
    this.#index = this.#placed[this.#placed.length - 1].index;
    this.#uncommittedIndex = this.#placed[1]?.index ?? Infinity;
    this.#incoming = votersOf(configuration);
    this.#outgoing = configuration.outgoing;
    const union = new Set([...this.#incoming, ...this.#outgoing]);
    this.#voters = [...union].sort((a, b) => a - b);
    this.#incomingQuorum = Math.floor(this.#incoming.length / 2) + 1;
    this.#outgoingQuorum = this.#outgoing.length === 0
      ? 0
      : Math.floor(this.#outgoing.length / 2) + 1;
    this.#ownVotes = this.votesOf(this.#id);
    this.#isSettled = !this.isJoint && this.#ownVotes !== 0 &&
      configuration.members.every(({ standing }) => standing !== "joining");
    this.#mayLead = this.#placed.some((one) => hasVote(one.configuration, this.#id));
  }

  #updateRemoved(): void {
    this.#removed = new Set(this.committedConfiguration.removed);
  }
}

function count(ids: readonly NodeId[], has: (id: NodeId) => boolean): number {
  let found = 0;
  for (const id of ids) if (has(id)) found++;
  return found;
}
