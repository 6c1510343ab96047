/**
 * A disk that does not answer costs leadership, and then the process (architecture D9): a leader
 * that cannot write stops nobody else from leading, and a process that is stuck is better restarted.
 */

export interface WatchdogLimits {
  readonly stepDownMs: number;
  readonly exitMs: number;
}

export type WatchdogVerdict = "fine" | "stepDown" | "exit";

export class DiskWatchdog {
  readonly #limits: WatchdogLimits;
  #steppedDown = false;

  constructor(limits: WatchdogLimits) {
    this.#limits = limits;
  }

  /** True from the verdict `stepDown` until a sync ends. */
  get isHung(): boolean {
    return this.#steppedDown;
  }

  /** Judges the sync under way, `busyMs` old, 0 for none. `stepDown` comes once a hang. */
  check(busyMs: number): WatchdogVerdict {
    if (busyMs >= this.#limits.exitMs) return "exit";
    if (busyMs < this.#limits.stepDownMs) {
      this.#steppedDown = false;
      return "fine";
    }
    if (this.#steppedDown) return "fine";
    this.#steppedDown = true;
    return "stepDown";
  }
}
