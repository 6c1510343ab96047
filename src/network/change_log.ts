/** Log lines about a state that is tried again and again: one for each change, none for a retry. */

import type { LogFields, Logger } from "../base/mod.ts";
import type { Clock } from "../platform/mod.ts";

/** Another text for the same key waits this long, so that strangers cannot fill the disk. */
const PAUSE_MS = 1000;

export class ChangeLog {
  readonly #logger: Logger;
  readonly #clock: Clock;
  readonly #last = new Map<string, { text: string; atMs: number }>();

  constructor(logger: Logger, clock: Clock) {
    this.#logger = logger;
    this.#clock = clock;
  }

  /** Warns with `text` unless that was the last line for `key`, or the last was a moment ago. */
  warn(key: string, text: string, fields?: LogFields): void {
    const nowMs = this.#clock.nowMs();
    const last = this.#last.get(key);
    if (last !== undefined && (last.text === text || nowMs - last.atMs < PAUSE_MS)) return;
    this.#last.set(key, { text, atMs: nowMs });
    this.#logger.warn(text, fields);
  }

  /** The state is over: the same text is news again. */
  clear(key: string): void {
    this.#last.delete(key);
  }
}
