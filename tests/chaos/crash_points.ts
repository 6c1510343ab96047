/**
 * E5: processes end at each step of the storage in turn: F1 to F3, F6, F7 and F11 to F16 of etcd's
 * failpoints. The rest are no steps of the storage. F4 and F5 (before a message is sent) and F10
 * (before a reply) come behind the sync of F3 and change nothing on disk; F8 and F9 do not exist on
 * disk: what was applied is not recorded there. All sixteen are walked in virtual time, in
 * `tests/simulation/failpoints_test.ts`.
 */

import { assertEquals } from "../support/assert.ts";
import type { TestNode } from "../support/cluster.ts";
import type { CrashStep } from "../support/crash_shim.ts";
import { within } from "../support/wait.ts";
import { type Arena, withArena } from "./arena.ts";
import { SHORT_SEGMENTS, takeSnapshot, writeSegments } from "./log_growth.ts";
import { freePlace, memberId, removeMember, settled } from "./member_changes.ts";
import type { Scenario, ScenarioContext } from "./scenario.ts";
import { shuffled } from "./shuffled.ts";

/** `returning`: gets a snapshot because the log that it misses is gone. */
type Role = "leader" | "follower" | "returning" | "joiner";

interface CrashPoint extends CrashStep {
  readonly name: string;
  readonly roles: readonly Role[];
  /** What makes a member that runs come to this step; nothing: any write. */
  readonly provoke?: (arena: Arena, node: TestNode) => Promise<void>;
}

const MEMBERS: readonly Role[] = ["leader", "follower"];

async function growLog(arena: Arena, node: TestNode): Promise<void> {
  await writeSegments(arena.random.pick(arena.others(node)));
}

async function growAndCompact(arena: Arena, node: TestNode): Promise<void> {
  for (let snapshot = 0; snapshot < 3; snapshot++) {
    await growLog(arena, node);
    await takeSnapshot(node);
  }
}

async function campaign(arena: Arena, node: TestNode): Promise<void> {
  const leader = await arena.cluster.leader();
  await leader.post("/api/v1/transfer", { to: await memberId(node) }, 20_000);
}

const POINTS: readonly CrashPoint[] = [
  { name: "F1", roles: [...MEMBERS, "joiner"], call: "write", when: "before", path: "/log/" },
  { name: "F1 half way", roles: MEMBERS, call: "write", when: "half", path: "/log/" },
  { name: "F2", roles: MEMBERS, call: "sync", when: "before", path: "/log/" },
  { name: "F3", roles: [...MEMBERS, "joiner"], call: "sync", when: "after", path: "/log/" },
  {
    name: "F6",
    roles: ["follower", "joiner"],
    ...{ call: "write", when: "before", path: "/state-a" },
    provoke: campaign,
  },
  {
    name: "F7",
    roles: ["follower", "joiner"],
    ...{ call: "sync", when: "after", path: "/state-a" },
    provoke: campaign,
  },
  {
    name: "F7 half way",
    roles: ["follower"],
    ...{ call: "write", when: "half", path: "/state-b" },
    provoke: campaign,
  },
  {
    name: "F11",
    roles: MEMBERS,
    ...{ call: "sync", when: "before", path: ".rdb.new" },
    provoke: growAndCompact,
  },
  {
    name: "F12, data",
    roles: [...MEMBERS, "returning"],
    ...{ call: "rename", when: "before", path: ".rdb" },
    provoke: growAndCompact,
  },
  {
    name: "F12, manifest",
    roles: MEMBERS,
    ...{ call: "rename", when: "before", path: ".manifest" },
    provoke: growAndCompact,
  },
  {
    name: "F13, data",
    roles: MEMBERS,
    ...{ call: "rename", when: "after", path: ".rdb" },
    provoke: growAndCompact,
  },
  {
    name: "F13, manifest",
    roles: [...MEMBERS, "returning", "joiner"],
    ...{ call: "rename", when: "after", path: ".manifest" },
    provoke: growAndCompact,
  },
  {
    name: "F15",
    roles: MEMBERS,
    ...{ call: "create", when: "after", path: "/log/" },
    provoke: growLog,
  },
  {
    name: "F16",
    roles: MEMBERS,
    ...{ call: "unlink", when: "after", path: "/log/" },
    provoke: growAndCompact,
  },
  { name: "F11", roles: ["returning"], call: "sync", when: "before", path: ".rdb.part" },
  { name: "F14", roles: ["returning"], call: "unlink", when: "before", path: "/log/" },
  { name: "F14, F16", roles: ["returning"], call: "unlink", when: "after", path: "/log/" },
  { name: "identity", roles: ["joiner"], call: "rename", when: "before", path: "/identity" },
  { name: "identity", roles: ["joiner"], call: "rename", when: "after", path: "/identity" },
];

/** The process ends at the point, whatever becomes of what was to bring it there. */
async function endsAt(
  arena: Arena,
  node: TestNode,
  point: CrashPoint,
  provoke: () => void | Promise<void>,
): Promise<void> {
  const before = await arena.crashShim.firedCount(node);
  await arena.crashShim.set(node, point);
  const provoked = Promise.resolve(provoke()).catch(() => {});
  arena.expectEnd(node);
  const { signal } = await within("the end of the process", 20_000, node.process!.exited);
  assertEquals(signal, "SIGKILL", node.process!.tail(20));
  await provoked;
  arena.fired("crash points", await arena.crashShim.firedCount(node) - before);
  await arena.crashShim.set(node, undefined);
}

async function crashMember(arena: Arena, node: TestNode, point: CrashPoint): Promise<void> {
  await endsAt(arena, node, point, async () => await point.provoke?.(arena, node));
  await arena.progress(30, arena.others(node));
  await node.start();
  await arena.progress(30, [node]);
}

async function crashReturning(arena: Arena, point: CrashPoint): Promise<void> {
  const node = arena.random.pick(arena.others(await arena.cluster.leader()));
  await arena.kill(node);
  const others = arena.others(node);
  for (let snapshot = 0; snapshot < 3; snapshot++) {
    await writeSegments(others[0]);
    for (const other of others) await takeSnapshot(other);
  }
  await endsAt(arena, node, point, () => node.spawn());
  await node.start();
  await arena.progress(30, [node]);
}

async function crashJoiner(arena: Arena, point: CrashPoint): Promise<void> {
  const place = freePlace(arena);
  const through = arena.random.pick(arena.nodes);
  for (let snapshot = 0; snapshot < 3; snapshot++) {
    await writeSegments(through);
    for (const node of arena.nodes) await takeSnapshot(node);
  }
  await endsAt(arena, place, point, () => place.spawnToJoin({ through }));
  await place.start();
  await settled(arena);
  await arena.progress(30, [place]);
  await removeMember(arena, place);
}

async function crash(arena: Arena, role: Role, point: CrashPoint): Promise<void> {
  const leader = await arena.cluster.leader();
  switch (role) {
    case "leader":
      return await crashMember(arena, leader, point);
    case "follower":
      return await crashMember(arena, arena.random.pick(arena.others(leader)), point);
    case "returning":
      return await crashReturning(arena, point);
    case "joiner":
      return await crashJoiner(arena, point);
  }
}

const SHORT_FORM = 8;

async function allPoints(context: ScenarioContext): Promise<void> {
  const pairs = POINTS.flatMap((point) => point.roles.map((role) => ({ role, point })));
  const chosen = shuffled(pairs, context.random)
    .slice(0, context.long ? pairs.length : SHORT_FORM);
  const options = { shim: "crash", spares: 1, flags: SHORT_SEGMENTS } as const;
  await withArena(context, options, async (arena) => {
    for (const { role, point } of chosen) {
      const what = `${point.name} on a ${role} (${point.call} ${point.when} ${point.path})`;
      try {
        await crash(arena, role, point);
      } catch (error) {
        throw new Error(`${what}: ${(error as Error).message}`, { cause: error });
      }
    }
    context.note(chosen.map(({ role, point }) => `${point.name} ${role}`).join(", "));
  });
}

export const crashPoints: readonly Scenario[] = [
  {
    name: "E5",
    title: "processes end at steps of the storage: the next start needs nobody, nothing is lost",
    run: allPoints,
  },
];
