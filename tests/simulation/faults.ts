/** Puts faults into a run, of the classes that its plan has on, and takes them all away again. */

import type { NodeId } from "../../src/base/mod.ts";
import { CLOCK_RATE_MIN } from "./deadlines.ts";
import { diskFaults } from "./disk_faults.ts";
import { type Events, FaultContext } from "./fault_context.ts";
import { memberFaults } from "./member_faults.ts";
import { networkFaults } from "./network_faults.ts";
import { quietRules } from "./network.ts";
import { FAULT_CLASSES, type FaultClass } from "./plan.ts";
import { processFaults } from "./process_faults.ts";
import { releaseFaults } from "./release_faults.ts";
import { snapshotFaults } from "./snapshot_faults.ts";
import { startFaults } from "./start_faults.ts";
import { Violation } from "./violation.ts";
import type { NodeClock } from "./node_clock.ts";
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
  "damagedFrames",
  "snapshots",
  "leases",
  "clientLinks",
  "wallDrift",
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
  "frame damaged",
  "clock too fast or slow",
  "timer late",
  "disk crashAfter",
  "disk error",
  "disk flippedBit",
  "disk full",
  "disk hang",
  "disk lost",
  "disk lostFile",
  "disk misdirected",
  "damage refused",
  "damage survived",
  "wrong write refused",
  "fatal diskFailed",
  "fatal diskHung",
  "fatal logDamaged",
  "restart in a loop",
  "second process refused",
  "start refused",
  "answered by lease",
  "entry repaired",
  "snapshot made",
  "snapshot taken by two",
  "snapshot loaded",
  "wounded",
  "healed",
  "node wiped",
  "join joined",
  "snapshot received",
  "removed node started",
  "fatal removed",
  "feature level risen",
  "older release refused at its start",
  "older release refused by a peer",
  "older newcomer refused",
  "fatal outdated",
  "move known",
  "wrong node refused",
  "old message delivered",
  "wall clock drifts",
  "start met error",
  "start met hang",
  "start met crashAfter",
  "client's request lost",
  "client's reply lost",
];

export class Faults {
  readonly #world: World;
  readonly #context: FaultContext;
  readonly #events: Events;

  constructor(world: World) {
    this.#world = world;
    this.#context = new FaultContext(world);
    this.#events = {
      ...networkFaults(this.#context),
      ...processFaults(this.#context),
      ...diskFaults(this.#context),
      ...snapshotFaults(this.#context),
      ...memberFaults(this.#context),
      ...releaseFaults(this.#context),
      ...startFaults(this.#context),
    };
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
    hub.keepsOld = on("replay");
    if (on("damagedFrames")) hub.rules.damage = prng.pick([0.002, 0.02]);
    for (const id of this.#world.ids) {
      const clock = this.#world.clocks.get(id)!;
      if (on("clockDrift")) {
        this.#world.count("clock too fast or slow");
        // Leases hold for clocks that differ by a tenth.
        const [least, range] = on("leases") ? [0.96, 0.09] : [CLOCK_RATE_MIN, 0.4];
        clock.rate = least + range * prng.unit();
      }
      // A wall clock that falls back meanwhile would hide from everybody that the machine slept.
      if (on("wallDrift") && !on("suspend")) this.#letDrift(clock);
      if (on("lateTimers")) {
        const most = this.#context.unitMs * prng.unit();
        clock.lateness = () => {
          if (!prng.chance(0.05)) return 0;
          this.#world.count("timer late");
          return most * prng.unit();
        };
      }
      if (on("slowSync") && prng.chance(0.6)) {
        const most = this.#context.unitMs * prng.pick([0.01, 0.1, 0.4]);
        this.#world.syncMs.set(id, () => most * prng.unit());
      }
    }
    this.#next();
  }

  /** Another error at each moment: growing, coming and going, or by chance. */
  #letDrift(clock: NodeClock): void {
    const { prng } = this.#world;
    const size = prng.pick([0.0005, 0.01, 0.3]);
    const periodMs = this.#context.unitMs * (1 + 20 * prng.unit());
    this.#world.count("wall clock drifts");
    clock.wallErrorMs = prng.pick([
      (nowMs: number) => size * nowMs,
      (nowMs: number) => size * periodMs * Math.sin(2 * Math.PI * nowMs / periodMs),
      (nowMs: number) => size * 1000 * Math.sin(nowMs * 12.9898),
    ]);
  }

  #next(): void {
    const { plan, prng, clock } = this.#world;
    const events = FAULT_CLASSES.filter((kind) => plan.faults.has(kind) && kind in this.#events);
    if (events.length === 0) return;
    clock.setTimer(plan.faultEveryMs * 2 * prng.unit(), () => {
      if (!this.#context.active || this.#world.hasFailed) return;
      const kind = prng.pick(events);
      this.#world.count(kind);
      this.#world.trace.add("fault", kind, 0, 0, 0, 0);
      this.#events[kind]!();
      this.#next();
    });
  }

  /** Links, disks and clocks are good from now on, and nobody begins anything new. */
  async stop(): Promise<void> {
    this.#context.active = false;
    this.#world.operators.active = false;
    const { hub, ids, clocks, plan } = this.#world;
    hub.rules = quietRules(plan.delayMs);
    hub.heal();
    this.#world.syncMs.clear();
    this.#world.diskFaults.clear();
    for (const id of ids) {
      const clock = clocks.get(id)!;
      clock.lateness = () => 0;
      clock.wallErrorMs = () => 0;
      this.#world.disks.get(id)!.capacityBytes = Infinity;
      // A disk on which something is not in its place is exchanged.
      if (this.#world.scars.has(id)) this.#world.stop(id, (disk) => disk.kill());
    }
    // What hung or slept ends by itself, and what is still under way arrives.
    const arrivesMs = hub.lastArrivalMs - this.#world.clock.nowMs();
    await this.#world.runUntil(() => false, Math.max(6 * this.#context.unitMs, arrivesMs));
  }

  /** Only the nodes of `core` run from now on, all of them. */
  async runOnly(core: readonly NodeId[]): Promise<void> {
    const { hub, ids, live, releases } = this.#world;
    releases.updateAll();
    for (const id of ids) {
      if (!core.includes(id)) this.#world.stop(id, (disk) => disk.kill());
    }
    for (const id of core) if (!live.has(id)) await this.#startOrFail(id);
    this.#world.connections.fill();
    hub.reconnectAll();
  }

  async #startOrFail(id: NodeId): Promise<void> {
    const error = await this.#world.start(id);
    if (error !== undefined) this.#world.fail(new Violation("CC", `node ${id}: ${error}`));
  }
}
