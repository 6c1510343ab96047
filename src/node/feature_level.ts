/**
 * Releases side by side (architecture: mixed versions). The feature level in the log says what all
 * members support: the leader raises it by itself, when every member is connected and supports more.
 * A node of an older release than the cluster uses ends before it applies anything.
 */

import type { NodeId } from "../base/mod.ts";
import type { PeerHello, RaftNetwork } from "../network/mod.ts";
import type { Configuration, Raft } from "../raft/mod.ts";
import type { FatalReason } from "./options.ts";

export interface FeatureLevelOptions {
  readonly id: NodeId;
  /** The highest that this program supports. */
  readonly featureLevel: number;
  readonly raft: Raft;
  readonly network: RaftNetwork;
  readonly end: (reason: FatalReason) => void;
}

/** How often the leader compares. */
const INTERVAL_MS = 1000;

export class FeatureLevel {
  readonly #options: FeatureLevelOptions;
  /** What the processes of the others said when their links came up. */
  readonly #supported = new Map<NodeId, number>();
  #nextMs = 0;

  constructor(options: FeatureLevelOptions) {
    this.#options = options;
  }

  onHello(peer: NodeId, { featureLevel }: PeerHello): void {
    this.#supported.set(peer, featureLevel);
  }

  /** The highest level that `id` said it supports; undefined before it was heard. */
  supportedBy(id: NodeId): number | undefined {
    return id === this.#options.id ? this.#options.featureLevel : this.#supported.get(id);
  }

  /** Ends the node when the log uses more than it supports. */
  check(configuration: Configuration): void {
    const why = whyOutdated(configuration, this.#options.featureLevel);
    if (why !== undefined) this.#options.end({ kind: "outdated", text: why });
  }

  /** Called at each tick of a leader. */
  tick(nowMs: number): void {
    if (nowMs < this.#nextMs) return;
    this.#nextMs = nowMs + INTERVAL_MS;
    const { raft } = this.#options;
    const { members, featureLevel } = raft.configuration;
    let to = this.#options.featureLevel;
    for (const { id } of members) to = Math.min(to, this.#nowSupportedBy(id));
    if (to <= featureLevel) return;
    // Refused while anything else is under way: then it is tried again.
    raft.step({ kind: "changeMembers", change: { kind: "raiseFeatureLevel", to } });
  }

  /** 0 while it is away: another release may come back in its place. */
  #nowSupportedBy(peer: NodeId): number {
    const { id, network } = this.#options;
    const isHere = peer === id || network.isConnected(peer);
    return isHere ? this.supportedBy(peer) ?? 0 : 0;
  }
}

/** Why a program that supports up to `supported` cannot be a member; undefined when it can. */
export function whyOutdated(
  { featureLevel }: Configuration,
  supported: number,
): string | undefined {
  if (featureLevel <= supported) return undefined;
  return `the cluster uses feature level ${featureLevel}, this release supports ${supported} at most`;
}
