/** The network of a cluster of one: nobody to listen to, nobody to call. */

import type { PeerMessage } from "../raft/mod.ts";
import { NetworkCounters } from "./counters.ts";
import type { NetworkStats, RaftNetwork, RaftNetworkHandler } from "./raft_network.ts";

export class SoloRaftNetwork implements RaftNetwork {
  readonly listenPort = 0;
  readonly #counters = new NetworkCounters();

  start(_handler: RaftNetworkHandler): Promise<void> {
    return Promise.resolve();
  }

  setPeer(): void {}

  removePeer(): void {}

  setRemoved(): void {}

  setFeatureLevel(): void {}

  send(_message: PeerMessage): boolean {
    return false;
  }

  flush(): void {}

  isConnected(): boolean {
    return false;
  }

  stats(): NetworkStats {
    return this.#counters.snapshot();
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}
