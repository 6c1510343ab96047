/** Results of a step. */

import type { RefusalReason, StepResult } from "./ready.ts";

export const DONE: StepResult = { kind: "done" };

/** An expected outcome that the caller has to deal with. */
export function refused(reason: RefusalReason): StepResult {
  return { kind: "refused", reason };
}

/** The event had no effect. */
export function ignored(reason: string): StepResult {
  return { kind: "ignored", reason };
}
