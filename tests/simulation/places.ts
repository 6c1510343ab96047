/** Where nodes are found. They may move, and what is free again is taken by others. */

import type { NodeId, Prng } from "../../src/base/mod.ts";
import type { Configuration, Member } from "../../src/raft/mod.ts";
import type { LiveNode, World } from "./world.ts";

const RAFT_PORT = 7000;
const REDIS_PORT = 6000;

export function addressesOf(place: number) {
  return {
    raftAddress: `127.0.0.1:${RAFT_PORT + place}`,
    redisAddress: `127.0.0.1:${REDIS_PORT + place}`,
  };
}

export class Places {
  readonly #world: World;
  /** Of those that are not where their id says. */
  readonly #places = new Map<NodeId, number>();
  /** Nodes whose settings say where they are. */
  readonly #moved = new Set<NodeId>();
  /** Whom a node that moved knew then. */
  readonly #known = new Map<NodeId, readonly NodeId[]>();
  readonly #free: number[] = [];
  #last: number;

  constructor(world: World) {
    this.#world = world;
    this.#last = world.plan.size;
  }

  portOf(id: NodeId): number {
    return RAFT_PORT + this.#placeOf(id);
  }

  addressesOf(id: NodeId) {
    return addressesOf(this.#placeOf(id));
  }

  advertised(id: NodeId) {
    return this.#moved.has(id) ? this.addressesOf(id) : {};
  }

  /** For a newcomer: one that somebody has left, or a new one. */
  next(prng: Prng): number {
    if (this.#free.length > 0 && prng.chance(0.7)) return this.#free.shift()!;
    return ++this.#last;
  }

  settle(id: NodeId, place: number): void {
    this.#places.set(id, place);
  }

  /** Its next process is somewhere else. */
  move(id: NodeId): void {
    this.#free.push(this.#placeOf(id));
    this.#places.set(id, ++this.#last);
    this.#moved.add(id);
    const { members } = this.#world.checks.configurations.newest;
    this.#known.set(id, members.map((member) => member.id).filter((other) => other !== id));
  }

  /**
   * Whether `id` has moved, the others do not know where to, and one of them may lead that it does not
   * know: those whom it finds do not say it on.
   */
  mayBeLost(id: NodeId, others: ReadonlySet<NodeId>): boolean {
    const known = this.#known.get(id) ?? [];
    return this.#isMissed(id) &&
      [...others].some((other) => other !== id && !known.includes(other));
  }

  /** Whether `leader` and this node look for each other where neither is: an operator must help. */
  isLost({ id, node }: LiveNode, leader: LiveNode): boolean {
    const { members } = node.raft.configuration;
    const isFound = members.some((member) => member.id === leader.id && this.isAt(member));
    return id !== leader.id && this.#isMissed(id) && !isFound;
  }

  /**
   * Whether every member runs and knows where all the others are, and will know it after a crash: then
   * one of them may move.
   */
  areKnown(): boolean {
    const { live, checks, shadows } = this.#world;
    return checks.configurations.newest.members.every(({ id }) => {
      const raft = live.get(id)?.node.raft;
      return raft !== undefined && this.#world.isWhole(id) &&
        shadows.get(id)!.durableLast >= raft.configurationIndex &&
        this.#isRight(raft.committedConfiguration) && this.#isRight(raft.configuration);
    });
  }

  /** Whether a node that knows `member` so finds it. */
  isAt({ id, raftAddress }: Member): boolean {
    return raftAddress === this.addressesOf(id).raftAddress;
  }

  /** Whether the log has where those are that run. */
  isLeaderTold(): boolean {
    const { leader, live } = this.#world;
    const { members } = leader!.node.raft.committedConfiguration;
    const wrong = members.filter((member) => live.has(member.id) && !this.isAt(member));
    if (wrong.length === 0 && this.#moved.size > 0) this.#world.count("move known");
    return wrong.length === 0;
  }

  #isMissed(id: NodeId): boolean {
    const { members } = this.#world.checks.configurations.newest;
    return members.some((member) => member.id === id && !this.isAt(member));
  }

  #isRight({ members }: Configuration): boolean {
    const isKnown = ({ id }: Member) => members.some((member) => member.id === id);
    const { newest } = this.#world.checks.configurations;
    return newest.members.every(isKnown) && members.every((member) => this.isAt(member));
  }

  #placeOf(id: NodeId): number {
    return this.#places.get(id) ?? id;
  }
}
