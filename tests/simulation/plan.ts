/**
 * What one seed decides before a run begins: cluster size, timing, knobs and the classes of faults
 * that are on. Not all at once: faults that are always on hide each other's bugs.
 */

import { Prng } from "../../src/base/mod.ts";

export const FAULT_CLASSES = [
  "drop",
  "duplicate",
  "reorder",
  "slowLinks",
  "partition",
  "asymmetric",
  "partialMesh",
  "clog",
  "reset",
  "kill",
  "powerCut",
  "crashInDiskOperation",
  "crashAll",
  "crashLoop",
  "pause",
  "slowSync",
  "hungSync",
  "syncError",
  "diskFull",
  "tornTail",
  "logBitRot",
  "stateBitRot",
  "wallJump",
  "clockDrift",
  "lateTimers",
  "transfer",
  "swizzle",
  "damagedFrames",
  "secondProcess",
  "flood",
  "lostWrite",
  "misdirectedWrite",
  "missingFile",
  "misplacedFile",
  "snapshots",
  "takeSnapshot",
  "crashInSnapshot",
  "snapshotBitRot",
  "missingSnapshot",
  "addMember",
  "removeMember",
  "changeStanding",
  "replaceMember",
  "wipeNode",
  "shrinkAndGrow",
  "island",
  "restartRemoved",
  "transferInChange",
  "leases",
  "mixedVersions",
  "clientLinks",
  "faultInStart",
  "moveMember",
  "replay",
  "wallDrift",
  "timerBurst",
  "suspend",
  "freeze",
] as const;

/** Later classes are drawn apart from everything before, so that they change no other draw. */
const FIRST_CLASSES = 26;
const SECOND_CLASSES = 49;

export type FaultClass = typeof FAULT_CLASSES[number];

export const TIMINGS = {
  edge: { electionTimeoutMs: { min: 3000, max: 6000 }, heartbeatMs: 500 },
  lan: { electionTimeoutMs: { min: 300, max: 600 }, heartbeatMs: 50 },
};

/**
 * A calm run is many times longer than another one and has about as much in it, so that all that
 * follows from a fault comes before the next one: also what is tried again after half a minute.
 */
const CALM = { chance: 0.15, safetyFactor: 20, thinkFactor: 40, faultFactor: 20 };

export interface Plan {
  readonly seed: number;
  readonly size: number;
  readonly timing: "edge" | "lan";
  readonly calm: boolean;
  readonly faults: ReadonlySet<FaultClass>;
  readonly safetyMs: number;
  /** The mean time between two faults. */
  readonly faultEveryMs: number;
  /** Clients a node, and the mean time that each waits between two operations. */
  readonly clients: number;
  readonly thinkMs: number;
  readonly segmentBytes: number;
  readonly appendBytesMax: number;
  readonly inflightMessagesMax: number;
  readonly cacheBytesMax: number;
  readonly batchBytesMax: number;
  readonly dropChance: number;
  readonly delayMs: number;
  readonly reads: "linearizable" | "lease";
  /** A snapshot each so many bytes of log; never without snapshots. */
  readonly snapshotLogBytes: number;
  readonly snapshotChunkBytes: number;
  readonly snapshotRateBytes: number;
}

export interface PlanOptions {
  /** Overrides the pace of the clients. */
  readonly thinkMs?: number;
  /** Only the first so many classes of faults may be on. */
  readonly classes?: number;
  /** Drawn when `classes` is not given either; only with edge timing. */
  readonly calm?: boolean;
  /** Classes that are on whatever is drawn. */
  readonly besides?: readonly FaultClass[];
}

export function drawPlan(seed: number, options: PlanOptions = {}): Plan {
  const { thinkMs, classes, besides = [] } = options;
  const prng = new Prng(seed * 7919 + 13);
  const size = prng.pick([3, 3, 3, 3, 3, 5, 5, 1, 2, 4]);
  const share = prng.pick([0.1, 0.2, 0.35]);
  const first = FAULT_CLASSES.slice(0, FIRST_CLASSES);
  const faults = new Set<FaultClass>(first.filter(() => prng.chance(share)));
  const laterPrng = new Prng(seed * 7907 + 17);
  const lastClass = Math.min(classes ?? Infinity, SECOND_CLASSES);
  for (const kind of FAULT_CLASSES.slice(FIRST_CLASSES, lastClass)) {
    // Without snapshots there is nothing that the classes behind it could do.
    if (laterPrng.chance(kind === "snapshots" ? 0.6 : share)) faults.add(kind);
  }
  const newestPrng = new Prng(seed * 7901 + 19);
  for (const kind of FAULT_CLASSES.slice(SECOND_CLASSES, classes)) {
    if (newestPrng.chance(share)) faults.add(kind);
  }
  if (prng.chance(0.04)) faults.clear();
  for (const kind of besides) faults.add(kind);
  const timing = prng.pick(["edge", "edge", "lan"] as const);
  const drawn: Plan = {
    seed,
    size,
    timing,
    calm: timing === "edge" && (options.calm ?? (classes === undefined && drawCalm(seed))),
    faults,
    safetyMs: timing === "edge" ? prng.between(40_000, 90_000) : prng.between(8_000, 20_000),
    faultEveryMs: timing === "edge" ? prng.pick([1500, 4000, 9000]) : prng.pick([200, 600, 1500]),
    clients: prng.between(1, 2),
    thinkMs: thinkMs ?? (timing === "edge" ? prng.pick([300, 1000, 2500]) : prng.pick([40, 150])),
    segmentBytes: prng.pick([1024, 4096, 65536]),
    appendBytesMax: prng.pick([1, 1024, 65536]),
    inflightMessagesMax: prng.pick([1, 4, 16]),
    cacheBytesMax: prng.pick([1, 2048, 65536]),
    batchBytesMax: prng.pick([64, 1024, 16384]),
    dropChance: prng.pick([0.02, 0.1, 0.3]),
    delayMs: timing === "edge" ? prng.pick([1, 10, 60]) : prng.pick([0.2, 2, 8]),
    reads: faults.has("leases") ? "lease" : "linearizable",
    ...drawSnapshots(laterPrng, faults.has("snapshots")),
  };
  return drawn.calm ? calmed(drawn, thinkMs) : drawn;
}

/** Apart from everything else, so that it changes no other draw. */
function drawCalm(seed: number): boolean {
  return new Prng(seed * 7883 + 23).chance(CALM.chance);
}

function calmed(plan: Plan, thinkMs = plan.thinkMs * CALM.thinkFactor): Plan {
  const safetyMs = plan.safetyMs * CALM.safetyFactor;
  return { ...plan, safetyMs, thinkMs, faultEveryMs: plan.faultEveryMs * CALM.faultFactor };
}

function drawSnapshots(prng: Prng, areTaken: boolean) {
  return {
    snapshotLogBytes: areTaken ? prng.pick([300, 2000, 8000, 30_000]) : Infinity,
    snapshotChunkBytes: prng.pick([100, 700, 1 << 18]),
    snapshotRateBytes: prng.pick([2000, 50_000, Infinity]),
  };
}

export function describePlan(plan: Plan): string {
  const { faults, ...knobs } = plan;
  const texts = Object.entries(knobs).map(([name, value]) => `${name}=${value}`);
  return `${texts.join(" ")} faults=${[...faults].join(",") || "none"}`;
}
