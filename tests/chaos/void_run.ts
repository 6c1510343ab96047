/** When a run proves nothing: faults that did not happen, or hardly any traffic. */

export interface RunCounts {
  /** How often each fault took place. */
  readonly fired: ReadonlyMap<string, number>;
  /** Operations that were answered with success, and how many there must be. */
  readonly answers: number;
  readonly answersMin: number;
  /** Transactions that were committed. */
  readonly transactions: number;
}

const TRANSACTIONS_MIN = 20;

/** Why the run is void, or nothing. */
export function whyVoid(
  { fired, answers, answersMin, transactions }: RunCounts,
): string | undefined {
  if (fired.size === 0) return "no fault is known to have fired";
  for (const [name, count] of fired) {
    if (!(count > 0)) return `the fault "${name}" never fired`;
  }
  if (answers < answersMin) return `${answers} answers, expected at least ${answersMin}`;
  if (transactions < TRANSACTIONS_MIN) {
    return `${transactions} transactions, expected at least ${TRANSACTIONS_MIN}`;
  }
  return undefined;
}
