/**
 * What an operator may do to the members of a cluster, and the joint configuration that each such
 * change starts with (Raft thesis §4). Pure: whether the log and the leader are ready for a change
 * is the leader's business (`membership.ts`).
 */

import { NODE_ID_MAX, type NodeId, unreachable } from "../base/mod.ts";
import {
  ADDRESS_LENGTH_MAX,
  type Configuration,
  FEATURE_LEVEL,
  isJoint,
  type Member,
  memberOf,
  MEMBERS_MAX,
  type Standing,
  votersOf,
} from "./configuration.ts";

/** A change that an operator asks for. */
export type MemberChange =
  /**
   * A new member with an id that none ever had. A `voter` enters as `joining`; it may take the
   * place of `replaces`, which leaves in the change that makes the new one vote.
   */
  | {
    readonly kind: "add";
    readonly id: NodeId;
    readonly raftAddress: string;
    readonly redisAddress: string;
    readonly as: "voter" | "learner";
    readonly replaces?: NodeId | undefined;
  }
  /** Out for good: its id is never used again. */
  | { readonly kind: "remove"; readonly id: NodeId }
  /** A learner becomes `joining`: it votes as soon as it has caught up. */
  | { readonly kind: "promote"; readonly id: NodeId }
  /** Votes no more (or does not begin to), and goes on to receive everything. */
  | { readonly kind: "demote"; readonly id: NodeId }
  /** Other addresses. */
  | {
    readonly kind: "move";
    readonly id: NodeId;
    readonly raftAddress: string;
    readonly redisAddress: string;
  }
  | { readonly kind: "raiseFeatureLevel"; readonly to: number };

/** The joint configuration that a change starts with, or a text for the user: why it cannot be. */
export type ChangeStart =
  | { readonly configuration: Configuration }
  | { readonly refused: string };

/**
 * Begins `change`; a refusal says what to do instead. `supported` is the highest feature level that
 * this node supports.
 */
export function beginChange(
  configuration: Configuration,
  change: MemberChange,
  supported = FEATURE_LEVEL,
): ChangeStart {
  if (configuration.members.length === 0) {
    return { refused: "Cannot change members: this node is no member of a cluster yet" };
  }
  if (isJoint(configuration)) {
    return {
      refused: "Cannot change members: another change is under way; try again when it is done",
    };
  }
  if (change.kind === "add") return add(configuration, change);
  if (change.kind === "raiseFeatureLevel") {
    return raiseFeatureLevel(configuration, change.to, supported);
  }
  const member = memberOf(configuration, change.id);
  if (member === undefined) return { refused: unknownMember(configuration, change.id) };
  switch (change.kind) {
    case "remove":
      return remove(configuration, member);
    case "promote":
      return promote(configuration, member);
    case "demote":
      return demote(configuration, member);
    case "move":
      return move(configuration, member, change);
    default:
      return unreachable(change);
  }
}

/**
 * The change that the leader starts by itself when a joining member has caught up: it votes, and
 * the member that it replaces leaves.
 */
export function beginPromotion(configuration: Configuration, id: NodeId): Configuration {
  const joining = memberOf(configuration, id);
  const members: Member[] = [];
  for (const member of configuration.members) {
    if (member.id === id) members.push(withStanding(member, "voter"));
    else if (member.id === joining?.replaces) members.push(withStanding(member, "leaving"));
    else members.push(member);
  }
  return joint(configuration, members);
}

/** The configuration that a joint one leads to. */
export function endJoint(configuration: Configuration): Configuration {
  const leaving = new Set<NodeId>();
  for (const { id, standing } of configuration.members) if (standing === "leaving") leaving.add(id);
  const members = configuration.members.filter(({ id }) => !leaving.has(id));
  return {
    ...configuration,
    // Who was to replace a member that left anyway still joins.
    members: members.map((member) =>
      member.replaces !== undefined && leaving.has(member.replaces)
        ? withStanding(member, member.standing)
        : member
    ),
    outgoing: [],
    removed: [...configuration.removed, ...leaving].sort((a, b) => a - b),
  };
}

function add(
  configuration: Configuration,
  change: Extract<MemberChange, { kind: "add" }>,
): ChangeStart {
  const { id, raftAddress, redisAddress, replaces } = change;
  const what = `Cannot add node ${id}`;
  if (!(Number.isInteger(id) && id >= 1 && id <= NODE_ID_MAX)) {
    return { refused: `${what}: use an id from 1 to ${NODE_ID_MAX}` };
  }
  if (memberOf(configuration, id) !== undefined) {
    return { refused: `${what}: it is a member already; use another id` };
  }
  if (configuration.removed.includes(id)) {
    return { refused: `${what}: a member that was removed had this id; use a new one` };
  }
  if (configuration.members.length >= MEMBERS_MAX) {
    return { refused: `${what}: a cluster has at most ${MEMBERS_MAX} members` };
  }
  const problem = addressProblem(configuration, change, [id, replaces]) ??
    (replaces === undefined ? undefined : replaceProblem(configuration, change, replaces));
  if (problem !== undefined) return { refused: `${what}: ${problem}` };
  const standing = change.as === "voter" ? "joining" : "learner";
  const member: Member = {
    id,
    raftAddress,
    redisAddress,
    standing,
    ...(replaces === undefined ? {} : { replaces }),
  };
  const members = [...configuration.members, member].sort((a, b) => a.id - b.id);
  return { configuration: joint(configuration, members) };
}

function replaceProblem(
  configuration: Configuration,
  change: Extract<MemberChange, { kind: "add" }>,
  replaces: NodeId,
): string | undefined {
  if (change.as !== "voter") return "only a voter can replace a member; add it as a voter";
  if (memberOf(configuration, replaces)?.standing !== "voter") {
    return `node ${replaces}, which it is to replace, is no voter`;
  }
  const other = configuration.members.find((member) => member.replaces === replaces);
  if (other === undefined) return undefined;
  return `node ${other.id} replaces node ${replaces} already; remove node ${other.id} first`;
}

function remove(configuration: Configuration, member: Member): ChangeStart {
  const { id } = member;
  if (isLastVoter(configuration, member)) {
    return { refused: `Cannot remove node ${id}: it is the last voter; add another one first` };
  }
  return { configuration: joint(configuration, changed(configuration, id, "leaving")) };
}

function promote(configuration: Configuration, member: Member): ChangeStart {
  const { id, standing } = member;
  if (standing === "joining") {
    return { refused: `Cannot promote node ${id}: it becomes a voter by itself when caught up` };
  }
  if (standing !== "learner") {
    return { refused: `Cannot promote node ${id}: it is a voter already` };
  }
  return { configuration: joint(configuration, changed(configuration, id, "joining")) };
}

function demote(configuration: Configuration, member: Member): ChangeStart {
  const { id, standing } = member;
  if (standing === "learner") {
    return { refused: `Cannot demote node ${id}: it is a learner already` };
  }
  if (isLastVoter(configuration, member)) {
    return { refused: `Cannot demote node ${id}: it is the last voter; add another one first` };
  }
  return { configuration: joint(configuration, changed(configuration, id, "learner")) };
}

function move(
  configuration: Configuration,
  member: Member,
  change: Extract<MemberChange, { kind: "move" }>,
): ChangeStart {
  const { id, raftAddress, redisAddress } = change;
  if (member.raftAddress === raftAddress && member.redisAddress === redisAddress) {
    return { refused: `Cannot move node ${id}: it has these addresses already` };
  }
  const problem = addressProblem(configuration, change, [id, member.replaces]);
  if (problem !== undefined) return { refused: `Cannot move node ${id}: ${problem}` };
  const members = configuration.members.map((other) =>
    other.id === id ? { ...other, raftAddress, redisAddress } : other
  );
  return { configuration: joint(configuration, members) };
}

function raiseFeatureLevel(
  configuration: Configuration,
  to: number,
  supported: number,
): ChangeStart {
  const what = `Cannot raise the feature level to ${to}`;
  if (!Number.isInteger(to) || to <= configuration.featureLevel) {
    return { refused: `${what}: it is ${configuration.featureLevel} and only rises` };
  }
  if (to > supported) {
    return { refused: `${what}: this node supports ${supported}; update it first` };
  }
  return { configuration: { ...joint(configuration, configuration.members), featureLevel: to } };
}

/** From `configuration`, which is not joint, to one with `members`. */
function joint(configuration: Configuration, members: readonly Member[]): Configuration {
  return { ...configuration, members, outgoing: votersOf(configuration) };
}

function changed(configuration: Configuration, id: NodeId, standing: Standing): Member[] {
  return configuration.members.map((member) =>
    member.id === id ? withStanding(member, standing) : member
  );
}

/** Forgets whom it was to replace. */
function withStanding(member: Member, standing: Standing): Member {
  const { id, raftAddress, redisAddress } = member;
  return { id, raftAddress, redisAddress, standing };
}

function isLastVoter(configuration: Configuration, member: Member): boolean {
  return member.standing === "voter" && votersOf(configuration).length === 1;
}

function unknownMember(configuration: Configuration, id: NodeId): string {
  if (configuration.removed.includes(id)) return `Cannot change node ${id}: it was removed already`;
  const ids = configuration.members.map((member) => member.id).join(", ");
  return `Cannot change node ${id}: it is no member; the members are ${ids}`;
}

/** `besides` may have the same address: the member itself, and the one that it replaces. */
function addressProblem(
  configuration: Configuration,
  addresses: { readonly raftAddress: string; readonly redisAddress: string },
  besides: readonly (NodeId | undefined)[],
): string | undefined {
  const { raftAddress, redisAddress } = addresses;
  for (const address of [raftAddress, redisAddress]) {
    if (!isAddress(address)) return `"${address}" is no address; write it as host:port`;
  }
  for (const member of configuration.members) {
    if (besides.includes(member.id)) continue;
    for (const address of [raftAddress, redisAddress]) {
      if (member.raftAddress !== address && member.redisAddress !== address) continue;
      return `node ${member.id} has the address ${address}; use another one`;
    }
  }
  return undefined;
}

function isAddress(text: string): boolean {
  const port = Number(/^[!-~]+:(\d{1,5})$/.exec(text)?.[1]);
  return port >= 1 && port <= 65535 && text.length <= ADDRESS_LENGTH_MAX;
}
