import { Prng, Term } from "../../src/base/mod.ts";
import { OriginTable } from "../../src/machine/mod.ts";
import { ProposedBatches } from "../../src/node/proposed_batches.ts";
import { assert, assertEquals } from "../support/assert.ts";

const id = (incarnation: number, sequence: number) => ({ origin: 1, incarnation, sequence });

Deno.test("a batch behind a missing one is needed again, a copy of one in order is not", () => {
  const batches = new ProposedBatches(() => new OriginTable());
  batches.add(id(1, 1), Term(1));
  batches.add(id(1, 3), Term(1));
  assert(batches.has(id(1, 1), Term(1)));
  assert(!batches.has(id(1, 2), Term(1)));
  assert(!batches.has(id(1, 3), Term(1)));
  batches.add(id(1, 2), Term(1));
  batches.add(id(1, 3), Term(1));
  assert(batches.has(id(1, 3), Term(1)));
  assert(!batches.has(id(2, 1), Term(1)), "of another process");
  assert(!batches.has(id(1, 3), Term(2)), "the log may have lost it before the next term");
});

Deno.test("whatever is repeated, lost or reordered, dropping copies costs no batch its effect", () => {
  for (let seed = 1; seed <= 300; seed++) {
    const prng = new Prng(seed);
    const applied = new OriginTable();
    const batches = new ProposedBatches(() => applied);
    const log: ReturnType<typeof id>[] = [];
    let term = 1;
    let incarnation = 1;
    let appliedCount = 0;
    const apply = (count: number) => {
      for (; count > 0 && appliedCount < log.length; count--) applied.admit(log[appliedCount++]);
    };
    for (let step = 0; step < 200; step++) {
      if (prng.chance(0.02)) incarnation++;
      if (prng.chance(0.02)) {
        // A new leader, without some of what was not committed.
        term++;
        log.length = prng.between(appliedCount, log.length);
      }
      const next = id(
        prng.chance(0.1) ? prng.between(1, incarnation) : incarnation,
        prng.between(1, 8),
      );
      if (!batches.has(next, Term(term))) {
        log.push(next);
        batches.add(next, Term(term));
      } else {
        // Dropped: once all is applied that is in the log, a copy would have no effect.
        const later = new OriginTable();
        for (const row of applied.rows()) later.restore(row);
        for (const entry of log.slice(appliedCount)) later.admit(entry);
        assertEquals(later.admissionOf(next), "repeated", `seed ${seed}, step ${step}`);
      }
      apply(prng.between(0, 2));
    }
  }
});
