/** What a `RaftNode` is made from. */

import type { Logger, NodeId } from "../base/mod.ts";
import type { RaftNetwork } from "../network/mod.ts";
import type { Clock } from "../platform/mod.ts";
import type { Configuration, RaftLimits } from "../raft/mod.ts";
import type { RaftStorage } from "../storage/mod.ts";
import type { DiskHealthLimits } from "./disk_health.ts";
import type { NodeObserver } from "./observer.ts";
import type { ProposalLimits } from "./proposals.ts";
import type { ReadLimits } from "./reads.ts";

/** Why a node cannot go on; the process ends with an exit code of its own for each kind. */
export interface FatalReason {
  readonly kind: "diskFailed" | "diskHung" | "logDamaged" | "replaced" | "removed" | "outdated";
  readonly text: string;
}

/** How fresh reads are. */
export interface ReadingOptions {
  /**
   * The default of every connection. `linearizable`: the newest, as of a majority. `lease`: as long as
   * clocks run evenly, without asking a majority each time. `local`: what this node has.
   */
  readonly reads: "linearizable" | "lease" | "local";
  /** What a local read gives has every write that was acknowledged so long ago; else it is refused. */
  readonly stalenessMsMax: number;
}

/** Settings of the member, and the parts that it drives. */
export interface RaftNodeOptions {
  readonly clusterId: string;
  readonly id: NodeId;
  readonly incarnation: number;
  /**
   * The members of a first start, this one included; none on a node that joins. Later starts go by
   * what the log and its snapshots say.
   */
  readonly bootstrap: Configuration;
  /** The highest feature level that this program supports. */
  readonly featureLevel: number;
  /**
   * Where the settings say that members and clients find this node, as far as they do. When the log
   * says something else the node has it changed: so a node moves.
   */
  readonly advertise: {
    readonly raftAddress?: string | undefined;
    readonly redisAddress?: string | undefined;
  };
  readonly electionTimeoutMs: { readonly min: number; readonly max: number };
  readonly heartbeatMs: number;
  readonly raftLimits: RaftLimits;
  readonly proposalLimits: ProposalLimits;
  readonly readLimits: ReadLimits;
  readonly reading: ReadingOptions;
  readonly diskLimits: DiskHealthLimits;
  /** How long handing leadership over may take. */
  readonly transferTimeoutMs: number;
  /** A snapshot is taken when so many bytes of log were applied since the last one. */
  readonly snapshotLogBytes: number;
  /** Snapshots on their way to other members, bytes a second. */
  readonly snapshotRateBytes: number;
  readonly storage: RaftStorage;
  readonly network: RaftNetwork;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly observer: NodeObserver;
  /** Different on every member: spreads the election timeouts. */
  readonly seed: number;
  /** Called once; the node promises nothing more and the process is expected to end. */
  readonly onFatal: (reason: FatalReason) => void;
}
