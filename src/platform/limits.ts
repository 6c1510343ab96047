/** Limits that both adapters keep. */

/** How long `close` waits for a peer that does not read before it gives the output up. */
export const CLOSE_FLUSH_MS_MAX = 10_000;
/** The pause after an error of `accept`: long enough to let descriptors come back. */
export const ACCEPT_PAUSE_MS = 50;
/** Longest timer; a longer delay would overflow to one millisecond. */
export const TIMER_DELAY_MS_MAX = 0x7fff_ffff;

/** Largest body that the admin endpoint takes; a longer one is answered with 413. */
export const HTTP_BODY_BYTES_MAX = 1024 * 1024;
/** Largest request line and headers together. */
export const HTTP_HEADER_BYTES_MAX = 16 * 1024;
/** Connections to the admin endpoint at a time. */
export const HTTP_CONNECTIONS_MAX = 256;
/**
 * A connection on which nothing moves for so long is closed, answers included: more than any answer
 * takes to begin, a backup's snapshot of many millions of keys included.
 */
export const HTTP_STALLED_MS_MAX = 300_000;
