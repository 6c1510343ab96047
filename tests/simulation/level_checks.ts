/**
 * Feature levels: what the cluster uses rises only while every member supports it, and a node applies
 * nothing that is behind what it does not support.
 */

import type { NodeId } from "../../src/base/mod.ts";
import type { RaftNode } from "../../src/node/mod.ts";
import { type Configuration, FEATURE_LEVEL } from "../../src/raft/mod.ts";
import { Violation } from "./violation.ts";

export class LevelChecks {
  /** The highest that any leader has asked for; it may not be committed. */
  used = FEATURE_LEVEL;
  /** A leader has just asked for a higher one. */
  onRaised: () => void = () => {};
  /** What the newest process of each node supports. */
  readonly #supported = new Map<NodeId, number>();

  started(id: NodeId, { options }: RaftNode): void {
    this.#supported.set(id, options.featureLevel);
  }

  /** Configuration `now` came behind `before`, of the leader itself when `leads`. */
  changed(id: NodeId, before: Configuration, now: Configuration, leads: boolean): void {
    this.used = Math.max(this.used, now.featureLevel);
    if (!leads || now.featureLevel <= before.featureLevel) return;
    for (const { id: member } of now.members) {
      const level = this.#supported.get(member) ?? 0;
      if (level >= now.featureLevel) continue;
      const text = `node ${id} raises the feature level to ${now.featureLevel}, ` +
        `node ${member} supports ${level}`;
      throw new Violation("CF", text);
    }
    this.onRaised();
  }

  applied(id: NodeId, { raft, options, appliedIndex }: RaftNode): void {
    const { configuration, configurationIndex } = raft;
    if (options.featureLevel >= configuration.featureLevel) return;
    if (appliedIndex < configurationIndex) return;
    const text = `node ${id} applies entry ${appliedIndex} of feature level ` +
      `${configuration.featureLevel}, it supports ${options.featureLevel}`;
    throw new Violation("SM", text);
  }
}
