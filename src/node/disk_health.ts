/**
 * Whether the disk takes writes (architecture D9). A sync that does not end costs leadership and
 * then the process: a leader that cannot write stops nobody else from leading, and a process that is
 * stuck is better restarted. A full disk is waited for.
 */

export interface DiskHealthLimits {
  /** A sync that takes so long costs leadership. */
  readonly stepDownMs: number;
  /** One that takes so long ends the process. */
  readonly exitMs: number;
}

/**
 * Time between two looks counts up to this. A process that was stopped, or whose clock jumped, sees a
 * sync that seems to have taken as long; it may have ended meanwhile, which is known in a moment.
 */
const LOOK_GAP_MS_MAX = 500;

export type DiskVerdict = "fine" | "stepDown" | "exit";

export class DiskHealth {
  readonly #limits: DiskHealthLimits;
  #hung = false;
  #full = false;
  #lastBusyMs = 0;
  #countedMs = 0;

  constructor(limits: DiskHealthLimits) {
    this.#limits = limits;
  }

  /** From the verdict `stepDown` until that sync ends. */
  get isHung(): boolean {
    return this.#hung;
  }

  /** How long the sync under way has taken, without time in which this process did not run. */
  get countedMs(): number {
    return this.#countedMs;
  }

  get isFull(): boolean {
    return this.#full;
  }

  /** What keeps the disk from taking writes, for people. */
  get trouble(): string | undefined {
    if (this.#full) return "the disk is full";
    return this.#hung ? "the disk does not answer" : undefined;
  }

  /** A write found no room; true when that is news. */
  noteFull(): boolean {
    const isNews = !this.#full;
    this.#full = true;
    return isNews;
  }

  /** A write succeeded; true when the disk was full. */
  noteWritten(): boolean {
    const wasFull = this.#full;
    this.#full = false;
    return wasFull;
  }

  /** Judges the sync under way, `busyMs` old, 0 for none. `stepDown` comes once a hang. */
  check(busyMs: number): DiskVerdict {
    this.#count(busyMs);
    if (this.#countedMs >= this.#limits.exitMs) return "exit";
    if (this.#countedMs < this.#limits.stepDownMs) {
      this.#hung = false;
      return "fine";
    }
    if (this.#hung) return "fine";
    this.#hung = true;
    return "stepDown";
  }

  /** A sync that is younger than at the last look is another one. */
  #count(busyMs: number): void {
    const isSame = busyMs >= this.#lastBusyMs && this.#lastBusyMs > 0;
    const passedMs = isSame ? busyMs - this.#lastBusyMs : busyMs;
    this.#countedMs = (isSame ? this.#countedMs : 0) + Math.min(passedMs, LOOK_GAP_MS_MAX);
    this.#lastBusyMs = busyMs;
  }
}
