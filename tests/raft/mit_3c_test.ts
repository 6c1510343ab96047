/** The MIT 6.5840 labs, part 3C: persistence. Names and limits as there, in virtual time. */

import { ELECTION_MS, MitLab } from "./lab/mit_lab.ts";
import { unreliableLinks } from "./lab/network.ts";
import { assert, assertEquals, assertLessOrEqual } from "../support/assert.ts";

/** The labs give every test two minutes. */
const TEST_LIMIT_MS = 120_000;

function lab(name: string, size: number, seeds: number, play: (lab: MitLab) => void): void {
  Deno.test(name, () => {
    for (let seed = 1; seed <= seeds; seed++) {
      const lab = new MitLab(size, seed);
      play(lab);
      assertLessOrEqual(lab.nowMs, TEST_LIMIT_MS, `seed ${seed}: too slow`);
    }
  });
}

lab("TestPersist13C", 3, 10, (lab) => {
  lab.one("11", 3, true);
  for (let id = 1; id <= 3; id++) lab.crash(id);
  for (let id = 1; id <= 3; id++) lab.restart(id);
  lab.one("12", 3, true);

  lab.restart(lab.checkOneLeader().id);
  lab.one("13", 3, true);

  const leader = lab.checkOneLeader().id;
  lab.crash(leader);
  lab.one("14", 2, true);
  lab.restart(leader);
  lab.wait(4, 3, Infinity);

  const follower = 1 + lab.checkOneLeader().id % 3;
  lab.crash(follower);
  lab.one("15", 2, true);
  lab.restart(follower);
  lab.one("16", 3, true);
});

lab("TestPersist23C", 5, 5, (lab) => {
  let value = 11;
  for (let round = 0; round < 5; round++) {
    lab.one(String(value++), 5, true);
    const leader = lab.checkOneLeader().id;
    const [a, b, c, d] = [1, 2, 3, 4].map((offset) => 1 + (leader - 1 + offset) % 5);
    for (const id of [a, b]) lab.crash(id);
    lab.one(String(value++), 3, true);
    for (const id of [leader, c, d]) lab.crash(id);
    for (const id of [a, b]) lab.restart(id);
    lab.run(ELECTION_MS);
    lab.restart(c);
    lab.one(String(value++), 3, true);
    for (const id of [d, leader]) lab.restart(id);
  }
  lab.one("1000", 5, true);
});

lab("TestPersist33C", 3, 10, (lab) => {
  lab.one("101", 3, true);
  const leader = lab.checkOneLeader().id;
  const [next, cut] = [1, 2].map((offset) => 1 + (leader - 1 + offset) % 3);
  lab.disconnect(cut);
  lab.one("102", 2, true);
  for (const id of [leader, next]) lab.crash(id);
  lab.connect(cut);
  lab.restart(leader);
  lab.one("103", 2, true);
  lab.restart(next);
  lab.one("104", 3, true);
});

/** Mostly a moment, sometimes up to half an election: the labs' Figure 8 pace. */
function figure8PauseMs(lab: MitLab): number {
  return lab.prng.chance(0.1) ? lab.prng.between(0, ELECTION_MS / 2 - 1) : lab.prng.between(0, 12);
}

lab("TestFigure83C", 5, 3, (lab) => {
  lab.one("first", 1, true);
  let up = 5;
  for (let round = 0; round < 1000; round++) {
    let leader: number | undefined;
    for (const node of lab.nodes) {
      if (lab.start(node.id, `round ${round}`) !== undefined) leader = node.id;
    }
    lab.run(figure8PauseMs(lab));
    if (leader !== undefined) {
      lab.crash(leader);
      up--;
    }
    const random = lab.node(lab.prng.between(1, 5));
    if (up < 3 && !random.isUp) {
      random.start();
      up++;
    }
  }
  for (const node of lab.nodes) if (!node.isUp) node.start();
  lab.one("last", 5, true);
});

lab("TestUnreliableAgree3C", 5, 3, (lab) => {
  lab.network.links = unreliableLinks();
  const ended: (() => boolean)[] = [];
  for (let round = 1; round < 50; round++) {
    for (let beside = 0; beside < 4; beside++) {
      ended.push(lab.spawn(lab.oneScript(String(100 * round + beside), 1, true)));
    }
    lab.one(String(round), 1, true);
  }
  lab.network.links = { ...unreliableLinks(), lossReply: 0, lossRequest: 0 };
  assert(lab.runUntil(() => ended.every((isEnded) => isEnded()), 20_000, 10), `seed ${lab.seed}`);
  lab.one("100", 5, true);
});

lab("TestFigure8Unreliable3C", 5, 3, (lab) => {
  lab.network.links = unreliableLinks();
  lab.one("first", 1, true);
  let up = 5;
  for (let round = 0; round < 1000; round++) {
    if (round === 200) lab.network.links.lateReply = 2 / 3;
    let leader: number | undefined;
    for (const node of lab.nodes) {
      const taken = lab.start(node.id, `round ${round}`) !== undefined;
      if (taken && lab.network.isConnected(node.id)) leader = node.id;
    }
    lab.run(figure8PauseMs(lab));
    if (leader !== undefined && lab.prng.chance(0.5)) {
      lab.disconnect(leader);
      up--;
    }
    const random = lab.node(lab.prng.between(1, 5));
    if (up < 3 && !lab.network.isConnected(random.id)) {
      lab.connect(random.id);
      up++;
    }
  }
  for (let id = 1; id <= 5; id++) lab.connect(id);
  lab.one("last", 5, true);
});

/** Submits random values until told to stop, and notes those that it saw committed. */
function* churnClient(lab: MitLab, me: number, seen: string[], isStopped: () => boolean) {
  for (let count = 0; !isStopped(); count++) {
    const value = `client ${me} value ${count}`;
    let ordinal = 0;
    for (const node of lab.nodes) {
      const submitted = lab.start(node.id, value);
      if (submitted !== undefined) ordinal = submitted.ordinal;
    }
    if (ordinal === 0) {
      yield 79 + me * 17;
      continue;
    }
    // Not long: the leader may be lost, and then nothing will come.
    for (const waitMs of [10, 20, 50, 100, 200]) {
      const { count, command } = lab.nCommitted(ordinal);
      if (count > 0) {
        if (command === value) seen.push(value);
        break;
      }
      yield waitMs;
    }
  }
}

function churn(lab: MitLab): void {
  let stopped = false;
  const seen: string[] = [];
  const clients = [0, 1, 2].map((me) => lab.spawn(churnClient(lab, me, seen, () => stopped)));
  for (let round = 0; round < 20; round++) {
    if (lab.prng.chance(0.2)) lab.disconnect(lab.prng.between(1, 5));
    if (lab.prng.chance(0.5)) {
      const id = lab.prng.between(1, 5);
      if (!lab.node(id).isUp) lab.restart(id);
      lab.connect(id);
    }
    if (lab.prng.chance(0.2)) lab.crash(lab.prng.between(1, 5));
    lab.run(ELECTION_MS * 7 / 10);
  }
  stopped = true;
  lab.run(ELECTION_MS);
  lab.network.links = { ...lab.network.links, lossReply: 0, lossRequest: 0 };
  for (let id = 1; id <= 5; id++) {
    if (!lab.node(id).isUp) lab.restart(id);
    lab.connect(id);
  }
  assert(clients.every((isEnded) => isEnded()), `seed ${lab.seed}: a client still runs`);
  lab.run(ELECTION_MS);
  const last = lab.one("last", 5, true);
  const log = new Set<string>();
  for (let ordinal = 1; ordinal <= last; ordinal++) {
    const command = lab.wait(ordinal, 5, Infinity);
    if (command !== undefined) log.add(command);
  }
  assert(seen.length > 0, `seed ${lab.seed}: no client saw anything committed`);
  assertEquals(seen.filter((value) => !log.has(value)), [], `seed ${lab.seed}: lost`);
}

lab("TestReliableChurn3C", 5, 5, churn);

lab("TestUnreliableChurn3C", 5, 5, (lab) => {
  lab.network.links = unreliableLinks();
  churn(lab);
});
