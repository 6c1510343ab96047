/** What the events of every family of faults have in common. */

import type { NodeId } from "../../src/base/mod.ts";
import { CorruptionError, StorageError } from "../../src/storage/mod.ts";
import type { MemoryDisk } from "../support/memory_disk.ts";
import { type FaultClass, TIMINGS } from "./plan.ts";
import { Violation } from "./violation.ts";
import type { World } from "./world.ts";

/** What happens when a class of faults has its turn. */
export type Events = Partial<Record<FaultClass, () => void>>;

export class FaultContext {
  readonly world: World;
  /** Faults last for a few of these: the shortest election timeout. */
  readonly unitMs: number;
  active = true;

  constructor(world: World) {
    this.world = world;
    this.unitMs = TIMINGS[world.plan.timing].electionTimeoutMs.min;
  }

  anyLive(): NodeId | undefined {
    const ids = [...this.world.live.keys()].sort((a, b) => a - b);
    return ids.length === 0 ? undefined : this.world.prng.pick(ids);
  }

  /** Runs `action` within `factor` units, unless the time of faults is over then. */
  after(factor: number, action: () => void): void {
    this.at(this.unitMs * factor * this.world.prng.unit(), action);
  }

  at(delayMs: number, action: () => void): void {
    this.world.clock.setTimer(delayMs, () => {
      if (this.active && !this.world.hasFailed) action();
    });
  }

  crash(crash: (disk: MemoryDisk) => MemoryDisk, downFactor = 4): void {
    const id = this.anyLive();
    if (id === undefined) return;
    this.world.stop(id, crash);
    this.restartLater(id, downFactor);
  }

  restartLater(id: NodeId, factor: number): void {
    this.after(factor, () => {
      void this.world.start(id).then((error) => {
        if (error !== undefined) this.#startAgain(id, error, factor);
      });
    });
  }

  /** A disk that is full, or fails again at once: as an operator would, once more. */
  #startAgain(id: NodeId, error: unknown, factor: number): void {
    const { world } = this;
    world.count("start refused");
    if (error instanceof CorruptionError || (error as StorageError).kind === "stateLost") {
      world.fail(new Violation("CC", `node ${id} does not start: ${error}`));
      return;
    }
    if ((error as StorageError).kind === "newerFormat") {
      world.count("older release refused at its start");
      world.releases.update(id);
    }
    // Its power was cut in the middle of it.
    const isCut = world.disks.get(id)!.crashed;
    const half = (disk: MemoryDisk) => disk.crash(() => world.prng.chance(0.5));
    world.replaceDisk(id, isCut ? half : undefined);
    this.restartLater(id, factor);
  }
}
