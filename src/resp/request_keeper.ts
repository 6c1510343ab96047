/**
 * Keeps requests beyond the decoder's next one. Their bytes are copied into shared blocks: a typed
 * array for each would cost more than the request itself. A block lives as long as any request in it.
 */

import { putBytes } from "../base/mod.ts";
import { Request } from "./request.ts";

const BLOCK_BYTES = 64 << 10;
/** Larger requests get memory of their own, so that one does not hold a whole block of others. */
const SHARED_BYTES_MAX = 1 << 10;

export class RequestKeeper {
  #block = new Uint8Array(0);
  #used = 0;

  /** A copy that nobody else changes. */
  keep(request: Request): Request {
    const { start, end } = request;
    const bytes = end - start;
    if (bytes > SHARED_BYTES_MAX) return request.copy();
    if (this.#used + bytes > this.#block.length) {
      this.#block = new Uint8Array(BLOCK_BYTES);
      this.#used = 0;
    }
    const at = this.#used;
    this.#used += bytes;
    putBytes(this.#block, at, request.buffer, start, end);
    const kept = new Request(this.#block);
    kept.start = at;
    kept.end = at + bytes;
    kept.canonical = request.canonical;
    kept.length = request.length;
    const shift = at - start;
    for (let i = 0; i < 2 * request.length; i++) kept.ranges.push(request.ranges[i] + shift);
    return kept;
  }
}
