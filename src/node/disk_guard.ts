/**
 * What a node does about its disk (architecture D9): hands leadership over and retries while there is
 * no room, gives leadership up while a sync does not end, and says when the process must end.
 */

import type { Logger, NodeId } from "../base/mod.ts";
import type { Clock } from "../platform/mod.ts";
import type { Raft } from "../raft/mod.ts";
import { StorageError } from "../storage/mod.ts";
import { DiskHealth, type DiskHealthLimits } from "./disk_health.ts";

export interface DiskGuardOptions {
  readonly id: NodeId;
  readonly raft: Raft;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly limits: DiskHealthLimits;
  /** How long handing over may take before leadership is given up without a successor. */
  readonly transferMs: number;
  readonly isRunning: () => boolean;
  /** Asks for a turn of the node. */
  readonly schedule: () => void;
  /** A sync has taken too long for the process to go on. */
  readonly onHung: (busyMs: number) => void;
}

/** How often a write is tried again on a full disk. */
const FULL_RETRY_MS = 250;

export class DiskGuard {
  readonly #options: DiskGuardOptions;
  readonly #health: DiskHealth;

  constructor(options: DiskGuardOptions) {
    this.#options = options;
    this.#health = new DiskHealth(options.limits);
  }

  /** With a full disk and nobody else to lead, a write could only wait in vain. */
  get whyNoWrites(): string | undefined {
    if (!this.#health.isFull) return undefined;
    const { id, raft } = this.#options;
    const alone = raft.leaderId === undefined || raft.leaderId === id;
    return alone ? "the disk is full; free some space, the node goes on by itself" : undefined;
  }

  /** What keeps the disk from taking writes, for people. */
  get trouble(): string | undefined {
    return this.#health.trouble;
  }

  /** A write and its sync have succeeded. */
  noteWritten(): void {
    if (!this.#health.noteWritten()) return;
    this.#options.logger.info("the disk has room again");
    this.#options.raft.step({ kind: "diskRoom", hasRoom: true });
  }

  /** A full disk is waited for; all other failures are the storage's to report. */
  writeFailed(error: unknown, retry: () => void): void {
    if (!(error instanceof StorageError) || error.kind !== "full") return;
    const { clock, logger, raft, schedule, isRunning } = this.#options;
    if (this.#health.noteFull()) {
      logger.error("the disk is full; writes wait or are refused until it has room", {
        why: error.message,
      });
      // A successor needs room: where nobody has any, this node serves reads on.
      raft.step({ kind: "diskRoom", hasRoom: false });
      raft.step({ kind: "transfer", to: undefined });
      schedule();
    }
    clock.setTimer(FULL_RETRY_MS, () => isRunning() && retry());
  }

  /** Judges the sync under way, `busyMs` old, 0 for none; called at each tick. */
  check(busyMs: number): void {
    const verdict = this.#health.check(busyMs);
    const { countedMs } = this.#health;
    if (verdict === "exit") this.#options.onHung(countedMs);
    if (verdict !== "stepDown") return;
    this.#options.logger.error("the disk does not answer", { busyMs: Math.round(countedMs) });
    this.#leaveHungDisk();
  }

  /** Hands over while it can, which is quicker for the others; then stops leading in any case. */
  #leaveHungDisk(): void {
    const { clock, raft, schedule, isRunning, transferMs } = this.#options;
    raft.step({ kind: "transfer", to: undefined });
    clock.setTimer(transferMs, () => {
      if (!isRunning() || !this.#health.isHung) return;
      raft.step({ kind: "stepDown", reason: "the disk does not answer" });
      schedule();
    });
  }
}
