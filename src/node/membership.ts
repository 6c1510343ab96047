/**
 * Does what the members in the log ask of this node: keeps links to them, refuses those that were
 * removed, raises the feature level when all members support more, and tells the others when this
 * node has moved. Who is a member is the core's business.
 */

import { type Logger, type NodeId, parseHostPort } from "../base/mod.ts";
import type { PeerHello, RaftNetwork } from "../network/mod.ts";
import type { Clock } from "../platform/mod.ts";
import {
  type Configuration,
  EMPTY_CONFIGURATION,
  FEATURE_LEVEL,
  isJoint,
  memberOf,
  type Raft,
  votersOf,
} from "../raft/mod.ts";
import type { ChangeOutcome, MemberChangeRequest } from "./actions.ts";
import type { Counters } from "./counters.ts";
import type { RaftNodeOptions } from "./options.ts";

export interface MembershipOptions {
  readonly id: NodeId;
  readonly raft: Raft;
  readonly network: RaftNetwork;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly counters: Counters;
  readonly advertise: RaftNodeOptions["advertise"];
  /** Asks whoever leads. */
  readonly changeMembers: (change: MemberChangeRequest) => Promise<ChangeOutcome>;
}

/** Whoever was removed is told so over its links before they are closed. */
const FAREWELL_MS = 1000;
/** So long after this node was not moved it is tried again. */
const MOVE_INTERVAL_MS = 10_000;
/** How often the leader compares feature levels. */
const LEVEL_INTERVAL_MS = 1000;

export class Membership {
  readonly #options: MembershipOptions;
  /** What members said of themselves. */
  readonly #hellos = new Map<NodeId, PeerHello>();
  #newest: Configuration = EMPTY_CONFIGURATION;
  #committed: Configuration = EMPTY_CONFIGURATION;
  #nextLevelMs = 0;
  #nextMoveMs = 0;

  constructor(options: MembershipOptions) {
    this.#options = options;
  }

  onHello(peer: NodeId, hello: PeerHello): void {
    this.#hellos.set(peer, hello);
  }

  /** The highest level that `id` said it supports; undefined before it was heard. */
  featureLevelOf(id: NodeId): number | undefined {
    return id === this.#options.id ? FEATURE_LEVEL : this.#hellos.get(id)?.featureLevel;
  }

  /** Follows the core; called after each turn, and cheap when nothing has changed. */
  follow(): void {
    const { configuration, committedConfiguration } = this.#options.raft;
    if (configuration !== this.#newest) this.#linkTo(configuration);
    if (committedConfiguration !== this.#committed) this.#commit(committedConfiguration);
  }

  #linkTo(configuration: Configuration): void {
    const { id, network, logger } = this.#options;
    for (const member of configuration.members) {
      const known = memberOf(this.#newest, member.id);
      if (member.id === id || known?.raftAddress === member.raftAddress) continue;
      const address = parseHostPort(member.raftAddress);
      if (address === undefined) {
        logger.error("a member's address is none; move it", {
          member: member.id,
          address: member.raftAddress,
        });
      } else network.setPeer({ id: member.id, ...address });
    }
    for (const member of this.#newest.members) {
      const isGone = memberOf(configuration, member.id) === undefined && member.id !== id;
      // Its entry was cut off again: it is no member, but was not removed either.
      if (isGone && !configuration.removed.includes(member.id)) {
        network.removePeer(member.id);
        network.setRemoved(this.#committed.removed);
      }
    }
    this.#newest = configuration;
    logger.info("members", {
      voters: votersOf(configuration).join(","),
      others: configuration.members
        .filter(({ standing }) => standing !== "voter")
        .map((member) => `${member.id} ${member.standing}`).join(",") || undefined,
      leaves: isJoint(configuration) ? configuration.outgoing.join(",") : undefined,
    });
  }

  #commit(configuration: Configuration): void {
    const { network, clock, counters } = this.#options;
    const isFirst = this.#committed === EMPTY_CONFIGURATION;
    const news = configuration.removed.length > this.#committed.removed.length;
    this.#committed = configuration;
    network.setFeatureLevel(configuration.featureLevel);
    if (!isFirst && !isJoint(configuration)) counters.memberChanges++;
    if (!news) return;
    if (isFirst) network.setRemoved(configuration.removed);
    else clock.setTimer(FAREWELL_MS, () => network.setRemoved(this.#committed.removed));
  }

  tick(nowMs: number): void {
    if (nowMs >= this.#nextMoveMs) this.#maybeMove(nowMs);
    if (nowMs < this.#nextLevelMs || this.#options.raft.role !== "leader") return;
    this.#nextLevelMs = nowMs + LEVEL_INTERVAL_MS;
    this.#maybeRaiseLevel();
  }

  /** Where the settings have this node counts; the others must hear of it. */
  #maybeMove(nowMs: number): void {
    const { id, raft, advertise, changeMembers, logger } = this.#options;
    const own = memberOf(raft.committedConfiguration, id);
    if (own === undefined || raft.leaderId === undefined) return;
    const raftAddress = advertise.raftAddress ?? own.raftAddress;
    const redisAddress = advertise.redisAddress ?? own.redisAddress;
    if (raftAddress === own.raftAddress && redisAddress === own.redisAddress) return;
    this.#nextMoveMs = nowMs + MOVE_INTERVAL_MS;
    void changeMembers({ kind: "move", id, raftAddress, redisAddress }).then((outcome) => {
      if (outcome.kind === "done") {
        logger.info("this node has moved", { raftAddress, redisAddress });
      } else logger.warn("the others cannot be told where this node is now", { why: outcome.text });
    });
  }

  /** What all members support is used from now on. */
  #maybeRaiseLevel(): void {
    const { raft } = this.#options;
    const { members, featureLevel } = raft.configuration;
    let to = FEATURE_LEVEL;
    for (const { id } of members) to = Math.min(to, this.featureLevelOf(id) ?? 0);
    if (to <= featureLevel) return;
    // Refused while anything else is under way: then it is tried again.
    raft.step({ kind: "changeMembers", change: { kind: "raiseFeatureLevel", to } });
  }
}
