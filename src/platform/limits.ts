/** Limits that both adapters keep. */

/** How long `close` waits for a peer that does not read before it gives the output up. */
export const CLOSE_FLUSH_MS_MAX = 10_000;
/** Largest body that the admin endpoint takes; a longer one is answered with 413. */
export const HTTP_BODY_BYTES_MAX = 1024 * 1024;
