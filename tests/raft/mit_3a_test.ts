/** The MIT 6.5840 labs, part 3A: elections. Names and limits as there, in virtual time. */

import { ELECTION_MS, MitLab } from "./lab/mit_lab.ts";
import { assertEquals, assertGreaterOrEqual } from "../support/assert.ts";

const SEEDS = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10];

function lab(name: string, size: number, play: (lab: MitLab) => void): void {
  Deno.test(name, () => {
    for (const seed of SEEDS) play(new MitLab(size, seed));
  });
}

lab("TestInitialElection3A", 3, (lab) => {
  lab.checkOneLeader();
  lab.run(50);
  const term = lab.checkTerms();
  assertGreaterOrEqual(term, 1);
  lab.run(2 * ELECTION_MS);
  // The labs only warn when the term changes without a failure.
  assertEquals(lab.checkTerms(), term, `seed ${lab.seed}: the term changed without a failure`);
  lab.checkOneLeader();
});

lab("TestReElection3A", 3, (lab) => {
  const first = lab.checkOneLeader();
  lab.disconnect(first.id);
  lab.checkOneLeader();
  lab.connect(first.id);
  const second = lab.checkOneLeader();

  const other = 1 + second.id % 3;
  lab.disconnect(second.id);
  lab.disconnect(other);
  lab.run(2 * ELECTION_MS);
  lab.checkNoLeader();

  lab.connect(other);
  lab.checkOneLeader();
  lab.connect(second.id);
  lab.checkOneLeader();
});

lab("TestManyElections3A", 7, (lab) => {
  lab.checkOneLeader();
  for (let round = 1; round < 10; round++) {
    const cut = [0, 1, 2].map(() => lab.prng.between(1, 7));
    for (const id of cut) lab.disconnect(id);
    lab.checkOneLeader();
    for (const id of cut) lab.connect(id);
  }
  lab.checkOneLeader();
});
