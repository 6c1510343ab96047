/**
 * Does what the members in the log ask of this node: keeps links to them, refuses those that were
 * removed, raises the feature level when all members support more, and tells the others when this
 * node has moved. Who is a member is the core's business.
 */

import { type Logger, NewerFormatError, type NodeId, parseHostPort } from "../base/mod.ts";
import type { PeerHello } from "../network/mod.ts";
import type { Clock } from "../platform/mod.ts";
import {
  type Configuration,
  EMPTY_CONFIGURATION,
  isJoint,
  memberOf,
  type RaftMessage,
  votersOf,
} from "../raft/mod.ts";
import type { ChangeOutcome, MemberChangeRequest } from "./actions.ts";
import type { Counters } from "./counters.ts";
import { FeatureLevel, type FeatureLevelOptions } from "./feature_level.ts";
import type { RaftNodeOptions } from "./options.ts";

export interface MembershipOptions extends FeatureLevelOptions {
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

export class Membership {
  readonly #options: MembershipOptions;
  readonly #level: FeatureLevel;
  #newest: Configuration = EMPTY_CONFIGURATION;
  #committed: Configuration = EMPTY_CONFIGURATION;
  #nextMoveMs = 0;

  constructor(options: MembershipOptions) {
    this.#options = options;
    this.#level = new FeatureLevel(options);
  }

  onHello(peer: NodeId, hello: PeerHello): void {
    this.#level.onHello(peer, hello);
  }

  /** The highest level that `id` said it supports; undefined before it was heard. */
  featureLevelOf(id: NodeId): number | undefined {
    return this.#level.supportedBy(id);
  }

  /** A message for the core. One in a format of a later release ends the node. */
  step(message: RaftMessage): void {
    const { raft, end } = this.#options;
    try {
      raft.step({ kind: "message", message });
    } catch (error) {
      if (!(error instanceof NewerFormatError)) throw error;
      end({ kind: "outdated", text: error.message });
    }
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
    this.#level.check(configuration);
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
    if (this.#options.raft.role === "leader") this.#level.tick(nowMs);
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
}
