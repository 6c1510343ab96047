/** The counters behind `NetworkStats`. */

import type { PeerMessage } from "../raft/mod.ts";
import { MESSAGE_KINDS } from "./message_codec.ts";
import type { NetworkStats } from "./raft_network.ts";

type Counts = Record<PeerMessage["kind"], number>;

export class NetworkCounters implements NetworkStats {
  messagesSent = 0;
  messagesReceived = 0;
  bytesSent = 0;
  bytesReceived = 0;
  messagesDropped = 0;
  reconnects = 0;
  handshakesRefused = 0;
  damagedFrames = 0;
  silentLinks = 0;
  readonly sentByKind: Counts = zeroCounts();
  readonly receivedByKind: Counts = zeroCounts();

  /** Counts a message that was queued as `bytes`. */
  sent(kind: PeerMessage["kind"], bytes: number): void {
    this.messagesSent++;
    this.bytesSent += bytes;
    this.sentByKind[kind]++;
  }

  /** Counts a message that is being delivered; its bytes were counted when they arrived. */
  received(kind: PeerMessage["kind"]): void {
    this.messagesReceived++;
    this.receivedByKind[kind]++;
  }

  /** A copy that does not change any more. */
  snapshot(): NetworkStats {
    return {
      ...this,
      sentByKind: { ...this.sentByKind },
      receivedByKind: { ...this.receivedByKind },
    };
  }
}

function zeroCounts(): Counts {
  return Object.fromEntries(MESSAGE_KINDS.map((kind) => [kind, 0])) as Counts;
}
