/** The MIT 6.5840 labs, part 3D: snapshots. Names and limits as there, in virtual time. */

import { MitLab } from "./lab/mit_lab.ts";
import { reliableLinks, unreliableLinks } from "./lab/network.ts";
import { assert, assertEquals, assertGreater, assertLess } from "../support/assert.ts";

const SEEDS = 25;
const SERVERS = 3;
const ROUNDS = 30;
/** A server takes a snapshot each time that it has applied so many entries. */
const SNAPSHOT_INTERVAL = 10;
const LOG_BYTES_MAX = 2000;
/** The labs give every test two minutes. */
const TEST_LIMIT_MS = 120_000;

interface Kind {
  readonly disconnect?: boolean;
  readonly crash?: boolean;
  readonly reliable: boolean;
}

class SnapshotLab extends MitLab {
  #commands = 0;

  constructor(seed: number, reliable: boolean) {
    super(SERVERS, seed, { links: reliable ? reliableLinks() : unreliableLinks() });
    for (const node of this.nodes) node.snapshotEntries = SNAPSHOT_INTERVAL;
  }

  command(): string {
    return `${++this.#commands}`;
  }

  agree(expected = SERVERS): number {
    return this.one(this.command(), expected, true);
  }

  crashAll(): void {
    for (const { id } of this.nodes) this.crash(id);
    for (const { id } of this.nodes) this.restart(id);
  }

  get installs(): number {
    return this.nodes.reduce((sum, { installs }) => sum + installs, 0);
  }

  checkLogSize(): void {
    for (const { id, disk } of this.nodes) {
      assertLess(disk.logBytes, LOG_BYTES_MAX, `seed ${this.seed}: the log of node ${id}`);
    }
  }
}

/** Returns how many snapshots were given to followers. */
function snapshotCommon(seed: number, { disconnect, crash, reliable }: Kind): number {
  const lab = new SnapshotLab(seed, reliable);
  lab.agree();
  let leader = lab.checkOneLeader().id as number;
  for (let round = 0; round < ROUNDS; round++) {
    const next = leader % SERVERS + 1;
    const [victim, sender] = round % 3 === 1 ? [leader, next] : [next, leader];
    if (disconnect) lab.disconnect(victim);
    if (crash) lab.crash(victim);
    if (disconnect || crash) lab.agree(SERVERS - 1);
    const count = SNAPSHOT_INTERVAL / 2 + lab.prng.between(0, SNAPSHOT_INTERVAL - 1);
    for (let entry = 0; entry < count; entry++) lab.start(sender, lab.command());
    lab.agree(disconnect || crash ? SERVERS - 1 : SERVERS);
    lab.checkLogSize();
    if (disconnect) lab.connect(victim);
    if (crash) lab.restart(victim);
    if (!disconnect && !crash) continue;
    lab.agree();
    leader = lab.checkOneLeader().id;
  }
  assertLess(lab.nowMs, TEST_LIMIT_MS, `seed ${seed}: too slow`);
  return lab.installs;
}

const KINDS: readonly (readonly [string, Kind])[] = [
  ["TestSnapshotBasic3D", { reliable: true }],
  ["TestSnapshotInstall3D", { disconnect: true, reliable: true }],
  ["TestSnapshotInstallUnreliable3D", { disconnect: true, reliable: false }],
  ["TestSnapshotInstallCrash3D", { crash: true, reliable: true }],
  ["TestSnapshotInstallUnCrash3D", { crash: true, reliable: false }],
];

for (const [name, kind] of KINDS) {
  Deno.test(name, () => {
    let installs = 0;
    for (let seed = 1; seed <= SEEDS; seed++) installs += snapshotCommon(seed, kind);
    if (kind.disconnect || kind.crash) assertGreater(installs, SEEDS, "snapshots were installed");
    else assertEquals(installs, 0, "nobody fell behind");
  });
}

Deno.test("TestSnapshotAllCrash3D", () => {
  for (let seed = 1; seed <= SEEDS; seed++) {
    const lab = new SnapshotLab(seed, false);
    lab.agree();
    for (let round = 0; round < 5; round++) {
      const count = SNAPSHOT_INTERVAL / 2 + lab.prng.between(0, SNAPSHOT_INTERVAL - 1);
      for (let entry = 0; entry < count; entry++) lab.agree();
      const before = lab.agree();
      lab.crashAll();
      const after = lab.agree();
      assertGreater(after, before, `seed ${seed}: the index fell`);
    }
    assert(lab.nodes.every(({ disk }) => disk.snapshot !== undefined), `seed ${seed}: snapshots`);
  }
});

Deno.test("TestSnapshotInit3D", () => {
  for (let seed = 1; seed <= SEEDS; seed++) {
    const lab = new SnapshotLab(seed, false);
    lab.agree();
    for (let entry = 0; entry <= SNAPSHOT_INTERVAL; entry++) lab.agree();
    lab.crashAll();
    lab.agree();
    lab.crashAll();
    lab.agree();
  }
});
