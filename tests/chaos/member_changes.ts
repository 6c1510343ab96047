/** What an operator does to the members of an arena: asks until it is done, whatever goes wrong. */

import { EXIT_CODES } from "../../src/cli/exit_codes.ts";
import { assert, assertEquals, assertMatch } from "../support/assert.ts";
import type { AdminAnswer, Joining, TestNode } from "../support/cluster.ts";
import { until, within } from "../support/wait.ts";
import type { Arena } from "./arena.ts";

const CHANGE = { withinMs: 60_000, everyMs: 100 };
/** A change that gets no answer for so long is asked for again, elsewhere. */
const ANSWER_MS = 15_000;
const END_MS = 30_000;

/** The id of the member that is in this place. */
export async function memberId(node: TestNode): Promise<number> {
  return (await node.status()).nodeId;
}

/** A place where nobody is. */
export function freePlace(arena: Arena): TestNode {
  const free = arena.cluster.nodes.filter((node) => !node.isPresent && !node.isRunning);
  assert(free.length > 0, "Cannot find a free place");
  return arena.random.pick(free);
}

/** Waits until those that are present, and nobody else, are voters, as all of them see it. */
export async function settled(arena: Arena): Promise<void> {
  await until("all members are voters, and know it", CHANGE, async () => {
    const seen = await Promise.all(arena.nodes.map((node) => node.status()));
    const wanted = seen.map(({ nodeId }) => nodeId).sort((a, b) => a - b)
      .map((id) => `${id} voter`).join();
    return seen.every(({ members, changingMembers }) =>
      !changingMembers && members.map(({ id, standing }) => `${id} ${standing}`).join() === wanted
    );
  });
}

/** Starts a node in a place and waits until it serves as a member. */
export async function join(
  arena: Arena,
  place: TestNode,
  joining: Omit<Joining, "through">,
): Promise<void> {
  const through = arena.random.pick(arena.others(place));
  place.spawnToJoin({ ...joining, through });
  await place.ready(CHANGE.withinMs);
  arena.fired("joins", 1);
}

/** Removes a member that runs; its process ends. */
export async function removeMember(arena: Arena, target: TestNode): Promise<void> {
  const id = await memberId(target);
  arena.expectEnd(target);
  await askToRemove(arena, target, id);
  const { code } = await within(`the end of node ${id}`, END_MS, target.process!.exited);
  assertEquals(code, EXIT_CODES.removed.code, target.process!.tail(20));
}

/** Asks one member after the other to remove the one in this place, until it is out. */
export async function askToRemove(arena: Arena, target: TestNode, id: number): Promise<void> {
  await until(`node ${id} is no member any more`, CHANGE, async () => {
    const asked = arena.random.pick(arena.others(target));
    const { status, body } = await asked.removeMember(id, ANSWER_MS);
    // It was, although nobody said so.
    return status === 200 || /it is no member|it was removed/.test(`${body.error}`);
  });
  target.isPresent = false;
  arena.fired("removals", 1);
}

/** Asks until a member is a learner, or is to become a voter. */
export async function setStanding(
  arena: Arena,
  target: TestNode,
  change: "promote" | "demote",
): Promise<void> {
  const id = await memberId(target);
  await until(`${change} node ${id}`, CHANGE, async () => {
    const asked = arena.random.pick(arena.others(target));
    const path = `/api/v1/members/${id}/${change}`;
    const { status, body } = await asked.post(path, {}, ANSWER_MS);
    return status === 200 || /already|by itself/.test(`${body.error}`);
  });
  arena.fired(change, 1);
}

/** The answer says no, and why. */
export function assertRefused({ status, body }: AdminAnswer, why: RegExp): void {
  assertEquals(status, 409, JSON.stringify(body));
  assertMatch(`${body.error}`, why);
}
