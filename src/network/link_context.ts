/** What all links of one node share. */

import type { Logger, NodeId, Prng } from "../base/mod.ts";
import type { Clock, Net, Process } from "../platform/mod.ts";
import type { ChangeLog } from "./change_log.ts";
import type { NetworkCounters } from "./counters.ts";
import type { Identity } from "./handshake_codec.ts";
import type { Lifetimes } from "./lifetimes.ts";
import type { NetworkLimits } from "./limits.ts";
import type { PeerConnection } from "./peer_connection.ts";
import type { PeerDirectory } from "./peer_directory.ts";

/** What a connection needs, whoever uses it. */
export interface ConnectionContext {
  /** Empty means none: the proofs then say nothing. */
  readonly secret: Uint8Array;
  readonly limits: NetworkLimits;
  readonly net: Net;
  readonly clock: Clock;
  readonly process: Pick<Process, "randomBytes" | "hmacSha256">;
  readonly counters: NetworkCounters;
  /** Established connections, for the ping timer. */
  readonly established: Set<PeerConnection>;
  /** Everything that `close` has to wait for. */
  readonly lifetimes: Lifetimes;
}

/** What the links between members need too. */
export interface LinkContext extends ConnectionContext {
  /** Its address is known once the network listens. */
  self: Identity & { readonly nodeId: NodeId };
  readonly logger: Logger;
  readonly changeLog: ChangeLog;
  readonly prng: Prng;
  readonly directory: PeerDirectory;
}
