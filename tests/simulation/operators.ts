/**
 * What operators do: they ask some node to change the members, and start processes that join. What is
 * not answered in time, or by a node that has ended meanwhile, may have happened or not.
 */

import { type NodeId, Prng } from "../../src/base/mod.ts";
import type { JoinAnswer } from "../../src/network/mod.ts";
import type { ChangeOutcome, MemberChangeRequest } from "../../src/node/mod.ts";
import { FEATURE_LEVEL } from "../../src/raft/mod.ts";
import { TIMINGS } from "./plan.ts";
import { votingSets } from "./quorum.ts";
import { addressesOf } from "./places.ts";
import type { LiveNode, World } from "./world.ts";

/** What an operator wants to start. */
interface Newcomer {
  readonly as: "voter" | "learner";
  readonly replaces?: NodeId;
}

/** Attempts of one process to join; it is given up then. */
const JOIN_ATTEMPTS = 6;

export class Operators {
  /** False when nobody begins anything any more. */
  active = true;
  readonly #world: World;
  readonly #prng: Prng;
  readonly #unitMs: number;
  /** Whom each open request was made to. */
  readonly #open = new Map<number, LiveNode>();
  #lastRequest = 0;
  #lastEndMs = -Infinity;

  constructor(world: World) {
    const { plan } = world;
    this.#world = world;
    this.#prng = new Prng(plan.seed * 13 + 5);
    this.#unitMs = TIMINGS[plan.timing].electionTimeoutMs.min;
  }

  /** Requests that somebody still works on. */
  get open(): number {
    let count = 0;
    for (const [request, contact] of this.#open) {
      if (this.#world.live.get(contact.id) === contact) count++;
      else this.#ended(request);
    }
    return count;
  }

  /** Whether everything that was asked for has had its effect, as far as that can be said. */
  get isIdle(): boolean {
    return this.open === 0 && this.#world.clock.nowMs() - this.#lastEndMs > 6 * this.#unitMs;
  }

  /** Undefined when the answer was lost with whom was asked. */
  change(request: MemberChangeRequest): Promise<ChangeOutcome | undefined> {
    const contact = this.#contact();
    if (contact === undefined) return Promise.resolve(undefined);
    return this.changeAt(contact, request);
  }

  async changeAt(
    contact: LiveNode,
    request: MemberChangeRequest,
  ): Promise<ChangeOutcome | undefined> {
    const outcome = await this.#ask(contact, contact.node.operations.changeMembers(request));
    this.#world.count(`${request.kind} ${outcome?.kind ?? "unanswered"}`);
    return outcome;
  }

  /** From now on, whom the leader cannot find is moved to where it is (`logboat cluster move`). */
  bringBackLost(): void {
    const { leader, live, places, clock } = this.#world;
    const lost = [...live.values()].find((node) => leader && places.isLost(node, leader));
    if (lost !== undefined && this.open === 0) {
      void this.changeAt(leader!, { kind: "move", id: lost.id, ...places.addressesOf(lost.id) });
    }
    void clock.setTimer(this.#unitMs, () => this.bringBackLost());
  }

  /** Starts a process that joins; it tries until it is told something. The id when it has one. */
  async join(newcomer: Newcomer): Promise<NodeId | undefined> {
    const place = this.#world.places.next(this.#prng);
    let level = this.#newcomerLevel();
    for (let left = JOIN_ATTEMPTS; left > 0 && this.active; left--) {
      const answer = await this.#join(place, newcomer, level);
      this.#world.count(`join ${answer?.kind ?? "unanswered"}`);
      if (answer?.kind === "joined") {
        this.#world.addNode(answer.nodeId);
        this.#world.places.settle(answer.nodeId, place);
        const { used } = this.#world.checks.levels;
        this.#world.releases.install(answer.nodeId, this.active ? level : Math.max(level, used));
        await this.#world.start(answer.nodeId);
        return answer.nodeId;
      }
      if (answer?.kind === "refused") {
        const { featureLevel } = this.#world.checks.configurations.newest;
        if (level >= featureLevel) return undefined;
        this.#world.count("older newcomer refused");
        level = featureLevel;
      }
      await this.#world.clock.pause(this.#unitMs * this.#prng.unit());
    }
    return undefined;
  }

  /** Mostly what the cluster uses. */
  #newcomerLevel(): number {
    const { plan, checks } = this.#world;
    const { featureLevel } = checks.configurations.newest;
    if (!plan.faults.has("mixedVersions")) return featureLevel;
    return Math.max(FEATURE_LEVEL, featureLevel + this.#prng.pick([-1, 0, 0, 1]));
  }

  #join(
    place: number,
    { as, replaces }: Newcomer,
    featureLevel: number,
  ): Promise<JoinAnswer | undefined> {
    const contact = this.#contact();
    if (contact === undefined) return Promise.resolve(undefined);
    const asked = contact.node.operations.join({
      ...addressesOf(place),
      as,
      replaces,
      featureLevel,
    });
    return this.#ask(contact, asked);
  }

  async #ask<T>(contact: LiveNode, asked: Promise<T>): Promise<T | undefined> {
    const request = ++this.#lastRequest;
    this.#open.set(request, contact);
    const gone = new Promise<undefined>((resolve) => {
      const watch = () => {
        if (!this.#open.has(request)) return;
        if (this.#world.live.get(contact.id) !== contact) resolve(undefined);
        else void this.#world.clock.setTimer(this.#unitMs / 4, watch);
      };
      watch();
    });
    try {
      return await Promise.race([asked, gone]);
    } finally {
      this.#ended(request);
    }
  }

  #ended(request: number): void {
    if (this.#open.delete(request)) this.#lastEndMs = this.#world.clock.nowMs();
  }

  #contact(): LiveNode | undefined {
    const ids = [...this.#world.live.keys()].sort((a, b) => a - b);
    return ids.length === 0 ? undefined : this.#world.live.get(this.#prng.pick(ids));
  }

  /**
   * Whether the cluster could do without what is on the disk of `id`: with what others have lost, a
   * majority of every set of voters stays whole. Nobody may be about to change the members.
   */
  mayLose(id: NodeId): boolean {
    const { checks } = this.#world;
    const { members } = checks.configurations.newest;
    if (members.some((member) => member.id === id && member.standing === "joining")) return false;
    const involved = checks.activeConfigurations().flatMap(votingSets);
    if (!involved.some((ids) => ids.includes(id))) return true;
    const isLost = (other: NodeId) => other === id || !this.#world.isWhole(other);
    return this.isIdle && involved.every((ids) => 2 * ids.filter(isLost).length < ids.length);
  }

  /** Whether every voter is whole: else only what is lost may be replaced. */
  mayChange(): boolean {
    const sets = this.#world.checks.activeConfigurations().flatMap(votingSets);
    return sets.every((ids) => ids.every((id) => this.#world.isWhole(id)));
  }
}
