import type { Prng } from "../../src/base/mod.ts";

/** A copy in an order that the generator decides (Fisher and Yates). */
export function shuffled<T>(list: readonly T[], random: Prng): T[] {
  const copy = [...list];
  for (let i = copy.length - 1; i > 0; i--) {
    const j = random.between(0, i);
    [copy[i], copy[j]] = [copy[j], copy[i]];
  }
  return copy;
}
