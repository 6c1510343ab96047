/**
 * Which release each node's program is of: the highest feature level that it supports. Levels above
 * the one of this program are pretended.
 */

import type { NodeId } from "../../src/base/mod.ts";
import { FEATURE_LEVEL } from "../../src/raft/mod.ts";
import { Violation } from "./violation.ts";
import type { World } from "./world.ts";

export class Releases {
  readonly #world: World;
  readonly #levels = new Map<NodeId, number>();

  constructor(world: World) {
    this.#world = world;
  }

  /** What the next process of the node supports. */
  levelOf(id: NodeId): number {
    return this.#levels.get(id) ?? FEATURE_LEVEL;
  }

  install(id: NodeId, level: number): void {
    this.#levels.set(id, level);
  }

  /** A node said that its release is too old: its operator does what it asks for. */
  update(id: NodeId): void {
    const { used } = this.#world.checks.levels;
    const level = this.levelOf(id);
    if (level >= used) {
      const text = `node ${id} supports feature level ${level} and ends as if ${used} were more`;
      this.#world.fail(new Violation("CC", text));
    }
    this.install(id, used);
  }

  /** Nothing that is older than what the cluster uses is left; those that ran are stopped. */
  updateAll(): void {
    const { ids, live, checks } = this.#world;
    for (const id of ids) {
      if (this.levelOf(id) >= checks.levels.used) continue;
      this.install(id, checks.levels.used);
      if (live.has(id)) this.#world.stop(id, (disk) => disk.kill());
    }
  }
}
