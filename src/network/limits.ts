/** Every bound of the peer links, by name. */

import { assert } from "../base/mod.ts";

/** Bytes and milliseconds; all > 0. */
export interface NetworkLimits {
  /** Largest frame sent or accepted: above the largest entry and a full append. */
  readonly frameBytesMax: number;
  /** Output waiting on a link above which appends and batches are dropped. */
  readonly queueBytesMax: number;
  /** More room above that for votes, heartbeats and other short messages. */
  readonly queueReserveBytes: number;
  readonly connectTimeoutMs: number;
  /** From the connection to the end of the handshake, on both sides. */
  readonly handshakeTimeoutMs: number;
  readonly pingIntervalMs: number;
  /** A link is dead after this many ping intervals in which nothing was heard. */
  readonly silentIntervalsMax: number;
  /** The pause before a redial starts here, doubles each time, and is cut by up to half at random. */
  readonly redialDelayMinMs: number;
  readonly redialDelayMaxMs: number;
  /** Connections in a handshake; above it the oldest is closed. */
  readonly handshakesMax: number;
  /** The same as `queueBytesMax`, for what travels on the bulk link. */
  readonly bulkQueueBytesMax: number;
  /** A bulk link on which nothing was sent for this long is closed. */
  readonly bulkIdleMs: number;
  /** Joins under way at once; who asks then is told to try again. */
  readonly joinsMax: number;
  /** How long a join may take. */
  readonly joinTimeoutMs: number;
  /** Peers known by their handshake alone; more are refused. */
  readonly learnedPeersMax: number;
}

export const DEFAULT_NETWORK_LIMITS: NetworkLimits = {
  frameBytesMax: 64 * 1024 * 1024,
  queueBytesMax: 64 * 1024 * 1024,
  queueReserveBytes: 256 * 1024,
  connectTimeoutMs: 2000,
  handshakeTimeoutMs: 2000,
  pingIntervalMs: 500,
  silentIntervalsMax: 3,
  redialDelayMinMs: 20,
  redialDelayMaxMs: 1000,
  handshakesMax: 64,
  bulkQueueBytesMax: 16 * 1024 * 1024,
  bulkIdleMs: 10_000,
  joinsMax: 4,
  joinTimeoutMs: 30_000,
  learnedPeersMax: 64,
};

/** Fills in the defaults and checks how the limits relate. */
export function checkedLimits(limits: Partial<NetworkLimits> | undefined): NetworkLimits {
  const all = { ...DEFAULT_NETWORK_LIMITS, ...limits };
  for (const [name, value] of Object.entries(all)) {
    assert(value > 0, `Cannot use network limit ${name}: found ${value}, expected more than 0`);
  }
  assert(
    all.redialDelayMinMs <= all.redialDelayMaxMs,
    `Cannot use redialDelayMinMs ${all.redialDelayMinMs}: expected at most redialDelayMaxMs`,
  );
  assert(
    all.frameBytesMax < 0x1_0000_0000,
    `Cannot use frameBytesMax ${all.frameBytesMax}: expected less than 2^32`,
  );
  return all;
}
