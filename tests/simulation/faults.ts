/** Puts faults into a run, of the classes that its plan has on, and takes them all away again. */

import type { NodeId } from "../../src/base/mod.ts";
import { CorruptionError, StorageError } from "../../src/storage/mod.ts";
import { readRecordHeader } from "../../src/raft/mod.ts";
import {
  looksLikeMark,
  MARK_BYTES,
  markSeedOf,
  readMark,
  SEGMENT_HEADER_BYTES,
} from "../../src/storage/segment_format.ts";
import type { MemoryDisk } from "../support/memory_disk.ts";
import { CLOCK_RATE_MIN } from "./deadlines.ts";
import { FAULT_CLASSES, type FaultClass, TIMINGS } from "./plan.ts";
import { Violation } from "./violation.ts";
import type { World } from "./world.ts";

/** Classes that are conditions rather than events: they show in the counters of what they do. */
const STANDING: readonly FaultClass[] = [
  "drop",
  "duplicate",
  "reorder",
  "slowLinks",
  "slowSync",
  "clockDrift",
  "lateTimers",
];

/** What a long run must have counted: the events, and what conditions and events do. */
export const FIRED: readonly string[] = [
  ...FAULT_CLASSES.filter((kind) => !STANDING.includes(kind)),
  "message dropped",
  "message duplicated",
  "message delayed",
  "message clogged",
  "message cut off",
  "queue full",
  "clock too fast or slow",
  "timer late",
  "disk crashAfter",
  "disk error",
  "disk full",
  "disk hang",
  "damage refused",
  "damage survived",
  "fatal diskFailed",
  "fatal diskHung",
  "start refused",
];

/** From one node to another. */
type Way = readonly [NodeId, NodeId];

export class Faults {
  readonly #world: World;
  readonly #unitMs: number;
  #active = true;

  constructor(world: World) {
    this.#world = world;
    this.#unitMs = TIMINGS[world.plan.timing].electionTimeoutMs.min;
  }

  /** Standing conditions at once; events one after the other until `stop`. */
  begin(): void {
    const { plan, hub, prng } = this.#world;
    const on = (kind: FaultClass) => plan.faults.has(kind);
    if (on("drop")) hub.rules.drop = plan.dropChance;
    if (on("duplicate")) hub.rules.duplicate = prng.pick([0.05, 0.3]);
    if (on("reorder")) hub.rules.reorder = true;
    if (on("slowLinks")) hub.rules.delayMs *= 10;
    if (on("clog")) hub.rules.queueMax = prng.pick([2, 20, 10_000]);
    for (const id of this.#world.ids) {
      const clock = this.#world.clocks.get(id)!;
      if (on("clockDrift")) {
        this.#world.count("clock too fast or slow");
        clock.rate = CLOCK_RATE_MIN + 0.4 * prng.unit();
      }
      if (on("lateTimers")) {
        const most = this.#unitMs * prng.unit();
        clock.lateness = () => {
          if (!prng.chance(0.05)) return 0;
          this.#world.count("timer late");
          return most * prng.unit();
        };
      }
      if (on("slowSync") && prng.chance(0.6)) {
        const most = this.#unitMs * prng.pick([0.01, 0.1, 0.4]);
        this.#world.syncMs.set(id, () => most * prng.unit());
      }
    }
    this.#next();
  }

  #next(): void {
    const { plan, prng, clock } = this.#world;
    const events = FAULT_CLASSES.filter((kind) => plan.faults.has(kind) && kind in this.#events);
    if (events.length === 0) return;
    clock.setTimer(plan.faultEveryMs * 2 * prng.unit(), () => {
      if (!this.#active || this.#world.hasFailed) return;
      const kind = prng.pick(events);
      this.#world.count(kind);
      this.#world.trace.add("fault", kind, 0, 0, 0, 0);
      this.#events[kind]!();
      this.#next();
    });
  }

  /** Links and clocks are good from now on, and every node of `core` runs. */
  async stop(core: readonly NodeId[]): Promise<void> {
    this.#active = false;
    const { hub, ids, clocks, plan, live } = this.#world;
    Object.assign(hub.rules, { drop: 0, duplicate: 0, reorder: false, delayMs: plan.delayMs });
    hub.rules.queueMax = 10_000;
    hub.heal();
    this.#world.syncMs.clear();
    this.#world.diskFaults.clear();
    for (const id of ids) {
      const clock = clocks.get(id)!;
      clock.lateness = () => 0;
      this.#world.disks.get(id)!.capacityBytes = Infinity;
      if (!core.includes(id)) this.#world.stop(id, (disk) => disk.kill());
    }
    // What hung or slept ends by itself.
    await this.#world.runUntil(() => false, 6 * this.#unitMs);
    for (const id of core) if (!live.has(id)) await this.#startOrFail(id);
    hub.reconnectAll();
  }

  async #startOrFail(id: NodeId): Promise<void> {
    const error = await this.#world.start(id);
    if (error !== undefined) this.#world.fail(new Violation("CC", `node ${id}: ${error}`));
  }

  #anyLive(): NodeId | undefined {
    const ids = [...this.#world.live.keys()].sort((a, b) => a - b);
    return ids.length === 0 ? undefined : this.#world.prng.pick(ids);
  }

  #after(factor: number, action: () => void): void {
    const { clock, prng } = this.#world;
    clock.setTimer(this.#unitMs * factor * prng.unit(), () => {
      if (this.#active && !this.#world.hasFailed) action();
    });
  }

  #crash(crash: (disk: MemoryDisk) => MemoryDisk, downFactor = 4): void {
    const id = this.#anyLive();
    if (id === undefined) return;
    this.#world.stop(id, crash);
    this.#restartLater(id, downFactor);
  }

  #restartLater(id: NodeId, factor: number): void {
    this.#after(factor, () => {
      void this.#world.start(id).then((error) => {
        // A disk that is full, or fails again at once: as an operator would, once more.
        if (error === undefined) return;
        this.#world.count("start refused");
        if (error instanceof CorruptionError || (error as StorageError).kind === "stateLost") {
          this.#world.fail(new Violation("CC", `node ${id} does not start: ${error}`));
        } else {
          this.#world.disks.set(id, this.#world.disks.get(id)!.kill());
          this.#world.shadows.get(id)!.crashed();
          this.#restartLater(id, factor);
        }
      });
    });
  }

  #cut(ways: readonly Way[], factor: number): void {
    const { hub } = this.#world;
    const links = ways.map(([from, to]) => hub.link(from, to));
    for (const link of links) link.isCut = true;
    this.#after(factor, () => {
      for (const link of links) link.isCut = false;
      hub.reconnectAll();
    });
  }

  /**
   * Flips a bit of what a stopped node's disk says to be durable. Behind the last mark of the last
   * segment damage looks like the rest of an unfinished write: nobody could tell.
   */
  #damage(pathEnd: (path: string) => boolean): void {
    const { prng } = this.#world;
    const id = this.#anyLive();
    if (id === undefined) return;
    this.#world.stop(id, (disk) => disk.kill());
    const disk = this.#world.disks.get(id)!;
    const paths = disk.paths().filter(pathEnd);
    const path = paths.length === 0 ? undefined : prng.pick(paths);
    const good = path === undefined ? new Uint8Array() : disk.contentOf(path);
    const isLast = path === paths.at(-1) && path?.endsWith(".log");
    const end = isLast ? markedBytes(good) : good.length;
    if (path === undefined || end === 0) return this.#restartLater(id, 1);
    const bad = good.slice();
    bad[prng.between(0, end - 1)] ^= 1 << prng.between(0, 7);
    disk.setContent(path, bad);
    void this.#world.start(id).then((error) => {
      this.#world.count(error === undefined ? "damage survived" : "damage refused");
      if (error === undefined) return;
      // The operator puts back what was there; the refusal has changed nothing.
      const next = this.#world.disks.get(id)!.kill();
      next.setContent(path, good);
      this.#world.disks.set(id, next);
      this.#world.shadows.get(id)!.crashed();
      this.#restartLater(id, 1);
    });
  }

  readonly #events: Partial<Record<FaultClass, () => void>> = {
    partition: () => {
      const { ids, prng } = this.#world;
      const one = new Set(ids.filter(() => prng.chance(0.5)));
      const ways = ids.flatMap((a) =>
        ids.filter((b) => one.has(a) !== one.has(b)).map((b): Way => [a, b])
      );
      this.#cut(ways, 6);
    },
    asymmetric: () => {
      const { ids, prng, leader } = this.#world;
      const alone = prng.chance(0.6) && leader !== undefined ? leader.id : prng.pick(ids);
      const outward = prng.chance(0.5);
      const others = ids.filter((id) => id !== alone);
      this.#cut(others.map((id) => outward ? [alone, id] : [id, alone]), 6);
    },
    partialMesh: () => {
      const { ids, prng } = this.#world;
      const [a, b] = [prng.pick(ids), prng.pick(ids)];
      if (a !== b) this.#cut([[a, b], [b, a]], 8);
    },
    clog: () => {
      const { ids, prng, hub, clock } = this.#world;
      const link = hub.link(prng.pick(ids), prng.pick(ids));
      link.cloggedUntilMs = clock.nowMs() + 2 * this.#unitMs * prng.unit();
    },
    reset: () => {
      const { ids, prng, hub } = this.#world;
      hub.reset(prng.pick(ids), prng.pick(ids));
    },
    kill: () => this.#crash((disk) => disk.kill()),
    powerCut: () => this.#crash((disk) => disk.crash(() => false)),
    tornTail: () => this.#crash((disk) => disk.crash(() => this.#world.prng.chance(0.5))),
    crashLoop: () => this.#crash((disk) => disk.kill(), 0.3),
    crashAll: () => {
      const { prng, live } = this.#world;
      const cuts = prng.chance(0.5);
      for (const id of [...live.keys()]) {
        this.#world.stop(id, (disk) => cuts ? disk.crash(() => prng.chance(0.5)) : disk.kill());
        this.#restartLater(id, 3);
      }
    },
    crashInDiskOperation: () => {
      const id = this.#anyLive();
      if (id === undefined) return;
      const { prng, diskFaults, clock } = this.#world;
      let left = prng.between(0, 12);
      diskFaults.set(id, () => {
        if (left-- > 0) return undefined;
        diskFaults.delete(id);
        clock.setImmediate(() => {
          this.#world.stop(id, (disk) => disk.crash(() => prng.chance(0.5)));
          this.#restartLater(id, 4);
        });
        return { kind: "crashAfter" };
      });
    },
    pause: () => {
      const id = this.#anyLive();
      if (id !== undefined) {
        this.#world.clocks.get(id)!.pause(4 * this.#unitMs * this.#world.prng.unit());
      }
    },
    hungSync: () => {
      const id = this.#anyLive();
      if (id === undefined) return;
      const { prng, syncMs } = this.#world;
      const before = syncMs.get(id);
      let left = prng.between(1, 3);
      syncMs.set(id, () => {
        if (--left <= 0) {
          if (before === undefined) syncMs.delete(id);
          else syncMs.set(id, before);
        }
        return 5 * this.#unitMs * prng.unit();
      });
    },
    syncError: () => {
      const id = this.#anyLive();
      if (id === undefined) return;
      const { diskFaults } = this.#world;
      diskFaults.set(id, (operation) => {
        if (operation.kind !== "sync") return undefined;
        diskFaults.delete(id);
        this.#restartLater(id, 6);
        return { kind: "error", code: "EIO" };
      });
    },
    diskFull: () => {
      const id = this.#anyLive();
      if (id === undefined) return;
      const disk = this.#world.disks.get(id)!;
      disk.capacityBytes = disk.usedBytes + this.#world.prng.between(0, 2000);
      this.#after(8, () => this.#world.disks.get(id)!.capacityBytes = Infinity);
    },
    logBitRot: () => this.#damage((path) => path.endsWith(".log")),
    stateBitRot: () => this.#damage((path) => path.includes("/state-")),
    wallJump: () => {
      const { ids, prng, clocks } = this.#world;
      const day = 86_400_000;
      clocks.get(prng.pick(ids))!.jumpWall(prng.pick([-day, day, -1000, 1000, -5000, 5000]));
    },
    transfer: () => void this.#world.leader?.node.operations.transferLeadership(undefined),
  };
}

/** How much of a segment its marks call durable. */
function markedBytes(file: Uint8Array): number {
  let durable = 0;
  if (file.length < SEGMENT_HEADER_BYTES) return 0;
  const seed = markSeedOf(file.subarray(0, SEGMENT_HEADER_BYTES));
  for (let at = SEGMENT_HEADER_BYTES; at + MARK_BYTES <= file.length;) {
    if (looksLikeMark(file, at)) {
      durable = readMark(file, at, { offset: at, seed })?.durableBytes ?? durable;
      at += MARK_BYTES;
      continue;
    }
    try {
      at += MARK_BYTES + readRecordHeader(file, at).payloadBytes;
    } catch {
      break;
    }
  }
  return durable;
}
