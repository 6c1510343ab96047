/**
 * How fast this machine is just now. A virtual machine that shares its cores with others may do half
 * as much in one minute as in the next: figures of two runs compare only where this one is alike.
 */

import process from "node:process";

const WORK_BYTES = 1 << 20;
const ROUNDS = 20;
const data = Uint8Array.from({ length: WORK_BYTES }, (_, at) => at * 7);

/** CPU time of a fixed piece of work, in ms: waiting for a core does not count. */
export function paceMs(): number {
  const before = process.cpuUsage();
  let sum = 0;
  for (let round = 0; round < ROUNDS; round++) {
    for (const byte of data) sum = Math.imul(sum ^ byte, 0x01000193);
  }
  const { user, system } = process.cpuUsage(before);
  if (sum === 0) throw new Error("Cannot measure the pace: the work was left out");
  return (user + system) / 1000;
}
