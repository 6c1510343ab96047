import * as fc from "fast-check";
import { DecodeError, NodeId } from "../../src/base/mod.ts";
import {
  beginChange,
  beginPromotion,
  type Configuration,
  decodeConfiguration,
  EMPTY_CONFIGURATION,
  encodeConfiguration,
  endJoint,
  FEATURE_LEVEL,
  firstConfiguration,
  hasVote,
  isJoint,
  isQuorum,
  type MemberChange,
  memberOf,
  type Standing,
  votersOf,
} from "../../src/raft/mod.ts";
import { bitFlips, truncations } from "../support/codec_cases.ts";
import { assert, assertEquals, assertMatch, assertThrows } from "../support/assert.ts";

const IDS_MAX = 9;

function addresses(id: number) {
  return { raftAddress: `10.0.0.${id}:7379`, redisAddress: `10.0.0.${id}:6379` };
}

function first(...ids: number[]): Configuration {
  return firstConfiguration(ids.map((id) => ({ id: NodeId(id), ...addresses(id) })));
}

function add(id: number, as: "voter" | "learner", replaces?: number): MemberChange {
  const replaced = replaces === undefined ? {} : { replaces: NodeId(replaces) };
  return { kind: "add", id: NodeId(id), ...addresses(id), as, ...replaced };
}

const id = fc.integer({ min: 1, max: IDS_MAX }).map((value) => NodeId(value));

const change: fc.Arbitrary<MemberChange> = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.tuple(id, fc.constantFrom("voter" as const, "learner" as const), fc.option(id))
      .map(([id, as, replaces]) => add(id, as, replaces ?? undefined)),
  },
  fc.record({
    kind: fc.constantFrom("remove" as const, "promote" as const, "demote" as const),
    id,
  }),
  fc.tuple(id, fc.integer({ min: 1, max: 99 })).map(([id, host]): MemberChange => ({
    kind: "move",
    id,
    ...addresses(host),
  })),
  fc.integer({ min: 0, max: 3 }).map((to): MemberChange => ({ kind: "raiseFeatureLevel", to })),
);

/** What a sequence does: an operator's change, or the leader's promotion of the n-th joining one. */
const actions = fc.array(
  fc.oneof(
    { weight: 3, arbitrary: change },
    fc.nat({ max: 3 }).map((nth) => ({ kind: "promoteNext" as const, nth })),
  ),
  { maxLength: 25 },
);

function begin(
  configuration: Configuration,
  action: MemberChange | { kind: "promoteNext"; nth: number },
): Configuration | undefined {
  if (action.kind === "promoteNext") {
    const joining = configuration.members.filter(({ standing }) => standing === "joining");
    const member = joining[action.nth % Math.max(1, joining.length)];
    return member === undefined ? undefined : beginPromotion(configuration, member.id);
  }
  const start = beginChange(configuration, action);
  if ("configuration" in start) return start.configuration;
  assertMatch(start.refused, /^Cannot /);
  return undefined;
}

/** Each quorum of `a` has somebody in common with each quorum of `b`. */
function assertOverlap(a: Configuration, b: Configuration): void {
  for (let set = 0; set < 1 << IDS_MAX; set++) {
    const has = (id: number) => (set >> (id - 1) & 1) === 1;
    if (!isQuorum(a, has)) continue;
    assert(!isQuorum(b, (id) => !has(id)), `disjoint quorums: ${JSON.stringify([a, b, set])}`);
  }
}

Deno.test("changes: quorums of configurations that follow each other overlap, ids are never reused", () => {
  fc.assert(
    fc.property(fc.subarray([1, 2, 3, 4, 5], { minLength: 1 }), actions, (ids, actions) => {
      let configuration = first(...ids);
      const everRemoved = new Set<number>();
      for (const action of actions) {
        const joint = begin(configuration, action);
        if (joint === undefined) continue;
        assert(isJoint(joint));
        assertEquals(joint.outgoing, votersOf(configuration));
        assert("refused" in beginChange(joint, action as MemberChange), "two changes at a time");
        const next = endJoint(joint);
        assert(!isJoint(next));
        assert(votersOf(next).length > 0);
        assertOverlap(configuration, joint);
        assertOverlap(joint, next);
        for (const member of [...configuration.members, ...joint.members]) {
          if (memberOf(next, member.id) === undefined) everRemoved.add(member.id);
        }
        assertEquals([...next.removed], [...everRemoved].sort((a, b) => a - b));
        for (const member of next.members) assert(!everRemoved.has(member.id));
        for (const step of [joint, next]) {
          assertEquals(decodeConfiguration(encodeConfiguration(step)), step);
        }
        configuration = next;
      }
    }),
    { numRuns: 400 },
  );
});

Deno.test("joint_idempotency: ending a joint configuration twice, and a change that is done, change nothing", () => {
  fc.assert(
    fc.property(fc.subarray([1, 2, 3, 4], { minLength: 1 }), actions, (ids, actions) => {
      let configuration = first(...ids);
      for (const action of actions) {
        const joint = begin(configuration, action);
        if (joint === undefined) continue;
        const next = endJoint(joint);
        assertEquals(endJoint(next), next);
        if (action.kind !== "promoteNext" && action.kind !== "promote") {
          assertEquals(begin(next, action), undefined, "the same change again is refused");
        }
        configuration = next;
      }
    }),
    { numRuns: 200 },
  );
});

function standings(configuration: Configuration): string {
  return configuration.members.map(({ id, standing }) => `${id} ${standing}`).join(", ");
}

Deno.test("each change, from every standing: what it begins or why it cannot", () => {
  const base: Configuration = {
    ...first(1, 2),
    members: [
      ...first(1, 2).members,
      { id: NodeId(3), ...addresses(3), standing: "learner" },
      { id: NodeId(4), ...addresses(4), standing: "joining", replaces: NodeId(2) },
    ],
    removed: [NodeId(7)],
  };
  const table: [
    MemberChange["kind"] & ("remove" | "promote" | "demote"),
    number,
    Standing | RegExp,
  ][] = [
    ["remove", 1, "leaving"],
    ["remove", 3, "leaving"],
    ["remove", 4, "leaving"],
    ["remove", 5, /Cannot change node 5: it is no member; the members are 1, 2, 3, 4/],
    ["remove", 7, /Cannot change node 7: it was removed already/],
    ["promote", 1, /Cannot promote node 1: it is a voter already/],
    ["promote", 3, "joining"],
    ["promote", 4, /Cannot promote node 4: it becomes a voter by itself when caught up/],
    ["promote", 6, /Cannot change node 6/],
    ["demote", 1, "learner"],
    ["demote", 3, /Cannot demote node 3: it is a learner already/],
    ["demote", 4, "learner"],
  ];
  for (const [kind, id, expected] of table) {
    const start = beginChange(base, { kind, id: NodeId(id) });
    if (typeof expected === "string") {
      assert("configuration" in start);
      assertEquals(memberOf(start.configuration, NodeId(id))?.standing, expected);
    } else {
      assert("refused" in start, `${kind} ${id}`);
      assertMatch(start.refused, expected);
    }
  }
});

Deno.test("what cannot be added, moved or raised is refused with the reason", () => {
  const joint =
    (beginChange(first(1, 2), add(3, "voter")) as { configuration: Configuration }).configuration;
  const withJoining = endJoint(
    (beginChange(first(1, 2), add(3, "voter", 2)) as { configuration: Configuration })
      .configuration,
  );
  const removed: Configuration = { ...first(1, 2), removed: [NodeId(3)] };
  const at = (change: MemberChange, raftAddress: string): MemberChange =>
    ({ ...change, raftAddress }) as MemberChange;
  const move = (id: number, to: number): MemberChange => ({
    kind: "move",
    id: NodeId(id),
    ...addresses(to),
  });
  const table: [Configuration, MemberChange, RegExp][] = [
    [EMPTY_CONFIGURATION, add(1, "voter"), /this node is no member of a cluster yet/],
    [joint, add(4, "voter"), /another change is under way; try again/],
    [first(1, 2), add(2, "voter"), /node 2: it is a member already; use another id/],
    [removed, add(3, "learner"), /node 3: a member that was removed had this id; use a new one/],
    [first(1, 2), at(add(3, "voter"), "10.0.0.1:7379"), /node 1 has the address 10.0.0.1:7379/],
    [first(1, 2), at(add(3, "voter"), "nowhere"), /"nowhere" is no address; write it as host:port/],
    [first(1, 2), at(add(3, "voter"), "a b:1"), /is no address/],
    [first(1, 2), at(add(3, "voter"), "h:70000"), /is no address/],
    [first(1, 2), add(3, "learner", 2), /only a voter can replace a member/],
    [first(1, 2), add(3, "voter", 5), /node 5, which it is to replace, is no voter/],
    [withJoining, add(4, "voter", 2), /node 3 replaces node 2 already; remove node 3 first/],
    [first(1), { kind: "remove", id: NodeId(1) }, /it is the last voter; add another one first/],
    [first(1), { kind: "demote", id: NodeId(1) }, /it is the last voter; add another one first/],
    [first(1, 2), move(1, 1), /it has these addresses already/],
    [first(1, 2), move(1, 2), /node 2 has the address/],
    [first(1, 2), { kind: "raiseFeatureLevel", to: FEATURE_LEVEL }, /it is 1 and only rises/],
    [
      first(1, 2),
      { kind: "raiseFeatureLevel", to: FEATURE_LEVEL + 1 },
      /this node supports 1; update it/,
    ],
  ];
  for (const [configuration, change, expected] of table) {
    const start = beginChange(configuration, change);
    assert("refused" in start, JSON.stringify(change));
    assertMatch(start.refused, expected);
  }
});

Deno.test("a member is replaced in one change, at the same address if need be", () => {
  const change = { ...add(4, "voter", 3), ...addresses(3) } as MemberChange;
  const start = beginChange(first(1, 2, 3), change);
  assert("configuration" in start);
  const withJoining = endJoint(start.configuration);
  assertEquals(standings(withJoining), "1 voter, 2 voter, 3 voter, 4 joining");
  const joint = beginPromotion(withJoining, NodeId(4));
  assertEquals(standings(joint), "1 voter, 2 voter, 3 leaving, 4 voter");
  assertEquals(joint.outgoing, [1, 2, 3].map(NodeId));
  assert(hasVote(joint, NodeId(3)), "it votes on while joint");
  const next = endJoint(joint);
  assertEquals(standings(next), "1 voter, 2 voter, 4 voter");
  assertEquals(next.removed, [NodeId(3)]);
  assert(!hasVote(next, NodeId(3)));
});

Deno.test("a joining member whose predecessor was removed meanwhile still joins", () => {
  const start = beginChange(first(1, 2, 3), add(4, "voter", 3));
  assert("configuration" in start);
  const removal = beginChange(endJoint(start.configuration), { kind: "remove", id: NodeId(3) });
  assert("configuration" in removal);
  const next = endJoint(removal.configuration);
  assertEquals(standings(next), "1 voter, 2 voter, 4 joining");
  assertEquals(memberOf(next, NodeId(4))?.replaces, undefined);
});

Deno.test("a configuration as bytes: whole, cut short, bits flipped", () => {
  const start = beginChange(
    { ...first(1, 2, 300), removed: [NodeId(5), NodeId(9)] },
    add(4, "voter", 2),
  );
  assert("configuration" in start);
  const bytes = encodeConfiguration(start.configuration);
  assertEquals(decodeConfiguration(bytes), start.configuration);
  assertEquals(decodeConfiguration(encodeConfiguration(EMPTY_CONFIGURATION)), EMPTY_CONFIGURATION);
  for (const { name, bytes: short } of truncations(bytes)) {
    assert(isRefused(short), name);
  }
  for (const { name, bytes: flipped } of bitFlips(bytes)) {
    // Whoever stores it has a checksum; here a flip is refused or read as exactly what it says.
    let read: Configuration;
    try {
      read = decodeConfiguration(flipped);
    } catch (error) {
      assert(error instanceof DecodeError, `${name}: ${error}`);
      continue;
    }
    assertEquals(encodeConfiguration(read), flipped, name);
  }
  const newer = bytes.slice();
  newer[0] = 2;
  assertThrows(
    () => decodeConfiguration(newer),
    DecodeError,
    "start the release of Logboat that wrote it",
  );
});

function isRefused(bytes: Uint8Array): boolean {
  try {
    decodeConfiguration(bytes);
    return false;
  } catch (error) {
    return error instanceof DecodeError;
  }
}
