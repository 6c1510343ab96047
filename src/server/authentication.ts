/** Passwords of clients: compared in constant time, and slower after failures. */

import { bytesFromLatin1 } from "../base/mod.ts";
import type { Process } from "../platform/mod.ts";

const FREE_FAILURES = 3;
const FIRST_DELAY_MS = 50;
const DELAY_MS_MAX = 2000;
/** Hosts remembered; when full, the oldest is forgotten. */
const HOSTS_MAX = 4096;
/** Failures are forgotten after this long without another. */
const FORGET_MS = 60_000;

export class Authentication {
  readonly #process: Process;
  readonly #key: Uint8Array;
  readonly #digest: Uint8Array;
  readonly required: boolean;
  readonly #failures = new Map<string, { count: number; lastMs: number }>();

  constructor(password: string, process: Process) {
    this.#process = process;
    this.#key = process.randomBytes(32);
    this.#digest = process.hmacSha256(this.#key, bytesFromLatin1(password));
    this.required = password !== "";
  }

  /** Whether `password` (a byte string) is right. Compares digests, all bytes of them. */
  matches(password: string): boolean {
    const digest = this.#process.hmacSha256(this.#key, bytesFromLatin1(password));
    let difference = 0;
    for (let i = 0; i < digest.length; i++) difference |= digest[i] ^ this.#digest[i];
    return difference === 0;
  }

  /** Notes a wrong password and says how long its answer must wait, in ms. */
  noteFailure(hostname: string, nowMs: number): number {
    const known = this.#failures.get(hostname);
    const recent = known !== undefined && nowMs - known.lastMs < FORGET_MS;
    const count = recent ? known.count + 1 : 1;
    this.#failures.delete(hostname);
    this.#failures.set(hostname, { count, lastMs: nowMs });
    if (this.#failures.size > HOSTS_MAX) {
      this.#failures.delete(this.#failures.keys().next().value!);
    }
    if (count <= FREE_FAILURES) return 0;
    return Math.min(DELAY_MS_MAX, FIRST_DELAY_MS * 2 ** Math.min(10, count - FREE_FAILURES - 1));
  }

  noteSuccess(hostname: string): void {
    this.#failures.delete(hostname);
  }
}
