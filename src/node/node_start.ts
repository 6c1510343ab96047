/** What a node begins with: the machine of its newest snapshot, and the members that it knows. */

import { NEWER_RELEASE_ADVICE, NewerFormatError } from "../base/mod.ts";
import { Machine } from "../machine/mod.ts";
import {
  type Configuration,
  decodeConfiguration,
  encodeConfiguration,
  ENTRY_ID_ZERO,
  type PlacedConfiguration,
  Raft,
} from "../raft/mod.ts";
import { StorageError } from "../storage/mod.ts";
import { whyOutdated } from "./feature_level.ts";
import { loadMachine, STARTING_SLICE_MS } from "./machine_loader.ts";
import type { RaftNodeOptions } from "./options.ts";
import type { ReplicaState } from "./replica.ts";

export interface NodeStart {
  readonly replica: ReplicaState;
  /** By rising index; the first is the one before the log. */
  readonly configurations: readonly PlacedConfiguration[];
}

/**
 * Loads the newest snapshot, if there is one. The configuration of the first start is kept on disk:
 * from then on the log says who the members are, whatever the settings say. Throws "newerFormat" when
 * what is there is of a later release, or the cluster uses what this one does not support.
 */
export async function recoverStart(options: RaftNodeOptions): Promise<NodeStart> {
  try {
    return await recover(options);
  } catch (error) {
    if (!(error instanceof NewerFormatError)) throw error;
    throw new StorageError("newerFormat", `Cannot start node ${options.id}: ${error.message}`);
  }
}

async function recover(options: RaftNodeOptions): Promise<NodeStart> {
  const { storage, clock, logger } = options;
  const { recovered } = storage;
  const first = await firstConfigurationOf(options);
  const startMs = clock.nowMs();
  const replica = recovered.snapshot === undefined
    ? { machine: new Machine(), last: ENTRY_ID_ZERO, configuration: first }
    : await loadMachine(storage.snapshots.readAll(recovered.snapshot), clock, STARTING_SLICE_MS);
  if (recovered.snapshot !== undefined) {
    const { index } = replica.last;
    logger.info("loaded a snapshot", { index, loadMs: Math.round(clock.nowMs() - startMs) });
  }
  const base = baseOf(options, replica);
  const later = recovered.configurations
    .filter(({ index }) => index > base.index)
    .map(({ index, payload }) => ({ index, configuration: decodeConfiguration(payload) }));
  const configurations = [base, ...later];
  const newest = configurations[configurations.length - 1].configuration;
  const outdated = whyOutdated(newest, options.featureLevel);
  if (outdated !== undefined) throw new NewerFormatError(`${outdated}; ${NEWER_RELEASE_ADVICE}`);
  if (recovered.snapshotDamaged !== undefined) {
    refuseAlone(options, newest, recovered.snapshotDamaged);
  }
  if (!isSameMembers(newest, options.bootstrap)) {
    logger.info("the members are those that the log names, not those of the settings", {
      members: newest.members.map(({ id }) => id).join(",") || "none yet",
    });
  }
  return { replica, configurations };
}

/** A snapshot that cannot be used may still say who the members were. */
function baseOf({ storage }: RaftNodeOptions, { last, configuration }: ReplicaState) {
  const { snapshotDamaged, snapshotConfiguration: found } = storage.recovered;
  return snapshotDamaged === undefined || found === undefined
    ? { index: last.index, configuration }
    : { index: found.index, configuration: decodeConfiguration(found.payload) };
}

/** The core as it was when the last process ended, as far as it is on disk. */
export function newRaft(options: RaftNodeOptions, start: NodeStart): Raft {
  const { recovered } = options.storage;
  return new Raft({
    id: options.id,
    configurations: start.configurations,
    hardState: recovered.hardState,
    start: recovered.logStart,
    last: recovered.last,
    termRuns: recovered.termRuns,
    appliedIndex: start.replica.last.index,
    mayVote: recovered.snapshotDamaged === undefined,
    leaseReads: options.reading.reads === "lease",
    electionTimeoutMs: options.electionTimeoutMs,
    heartbeatMs: options.heartbeatMs,
    limits: options.raftLimits,
    featureLevel: options.featureLevel,
    seed: options.seed,
    nowMs: options.clock.nowMs(),
  });
}

/** Only another member can have what is lost here. */
function refuseAlone({ id, logger }: RaftNodeOptions, members: Configuration, why: string): void {
  const isAlone = members.members.length === 1 && members.members[0].id === id;
  if (!isAlone) {
    logger.error("the state of this node is lost; it takes a snapshot of the leader", { why });
    return;
  }
  throw new StorageError(
    "damaged",
    `Cannot start node ${id}: ${why}. No other member has it: restore from a backup`,
  );
}

async function firstConfigurationOf(
  { storage, bootstrap }: RaftNodeOptions,
): Promise<Configuration> {
  const saved = storage.recovered.bootstrap;
  if (saved !== undefined) return decodeConfiguration(saved);
  await storage.saveBootstrap(encodeConfiguration(bootstrap));
  return bootstrap;
}

function isSameMembers(known: Configuration, settings: Configuration): boolean {
  // Settings without a list of members say nothing about others.
  if (settings.members.length <= 1) return true;
  return known.members.length === settings.members.length &&
    known.members.every((member, at) => {
      const other = settings.members[at];
      return member.id === other.id && member.raftAddress === other.raftAddress &&
        member.redisAddress === other.redisAddress;
    });
}
