/**
 * The members of a cluster, as an entry of the log says them (Raft thesis §4). Every change goes
 * from a configuration to a joint one, in which a majority of both sets of voters decides (§4.3),
 * and from there to the next one: so any two configurations that follow each other have no two
 * majorities without a common voter, whatever the change. `membership_change.ts` has the changes.
 *
 * Invariants (`assertConfiguration`): ids rise; whoever is in `outgoing` is a member; `leaving` only
 * while joint; members, if there are any, have a voter among them; no member is among the removed.
 *
 * Format, little-endian; equal configurations have equal bytes:
 * ```
 * version (1), feature level (2)
 * members (2), each: id (4), standing (1), replaces or 0 (4), raft address, redis address
 * outgoing (2), each: id (4)
 * removed (4), each: id (4)
 * an address: length (2), latin-1
 * ```
 */

import {
  assert,
  ByteReader,
  ByteWriter,
  DecodeError,
  latin1FromBytes,
  NEWER_RELEASE_ADVICE,
  NewerFormatError,
  NODE_ID_MAX,
  type NodeId,
} from "../base/mod.ts";

/** The highest feature level that this release supports (mixed versions). */
export const FEATURE_LEVEL = 1;
/** The highest level that the format can hold. */
export const FEATURE_LEVEL_MAX = 0xffff;
/** Members of one cluster, learners included. */
export const MEMBERS_MAX = 1000;
/** Characters of an address, `host:port`. */
export const ADDRESS_LENGTH_MAX = 300;

const VERSION = 1;

/**
 * `voter` votes. `learner` receives everything and never votes. `joining` is a learner that becomes
 * a voter by itself when it has caught up. `leaving` is out when the joint configuration ends; until
 * then it votes if it is in `outgoing`.
 */
export type Standing = "voter" | "learner" | "joining" | "leaving";

const STANDINGS: readonly Standing[] = ["voter", "learner", "joining", "leaving"];

/** One member, as every node that has the configuration knows it. */
export interface Member {
  readonly id: NodeId;
  /** `host:port` of its peer listener. */
  readonly raftAddress: string;
  /** `host:port` of its Redis listener, for clients that ask where the others are. */
  readonly redisAddress: string;
  readonly standing: Standing;
  /** Joining only: the member that leaves in the same joint change that makes this one a voter. */
  readonly replaces?: NodeId | undefined;
}

/** Who the members are. See the file's header for the invariants. */
export interface Configuration {
  /** By rising id. */
  readonly members: readonly Member[];
  /** The voters of the configuration that a joint one leaves, by rising id; empty unless joint. */
  readonly outgoing: readonly NodeId[];
  /** Ids that were members and never will be again, rising. */
  readonly removed: readonly NodeId[];
  /** What all members support: from 1. */
  readonly featureLevel: number;
}

/** What a node knows that has not heard of its cluster yet. */
export const EMPTY_CONFIGURATION: Configuration = {
  members: [],
  outgoing: [],
  removed: [],
  featureLevel: 1,
};

/** The first configuration of a cluster: all of `members` vote. */
export function firstConfiguration(
  members: readonly Pick<Member, "id" | "raftAddress" | "redisAddress">[],
): Configuration {
  const voters = members.map(({ id, raftAddress, redisAddress }): Member => ({
    id,
    raftAddress,
    redisAddress,
    standing: "voter",
  }));
  voters.sort((a, b) => a.id - b.id);
  const configuration = { ...EMPTY_CONFIGURATION, members: voters, featureLevel: FEATURE_LEVEL };
  assertConfiguration(configuration);
  return configuration;
}

/** Whether a change is under way: two sets of voters decide. */
export function isJoint(configuration: Configuration): boolean {
  return configuration.outgoing.length > 0;
}

/** The member with this id, if there is one. */
export function memberOf(configuration: Configuration, id: NodeId): Member | undefined {
  return configuration.members.find((member) => member.id === id);
}

/** The voters of the configuration, while joint those of the one that it leads to; rising. */
export function votersOf(configuration: Configuration): NodeId[] {
  const ids: NodeId[] = [];
  for (const { id, standing } of configuration.members) if (standing === "voter") ids.push(id);
  return ids;
}

/** Whether `id` votes: in the configuration, or in the one that a joint configuration leaves. */
export function hasVote(configuration: Configuration, id: NodeId): boolean {
  return memberOf(configuration, id)?.standing === "voter" || configuration.outgoing.includes(id);
}

/** Whether those for whom `has` is true can decide: a majority of each set of voters (§4.3). */
export function isQuorum(configuration: Configuration, has: (id: NodeId) => boolean): boolean {
  const { outgoing } = configuration;
  return isMajority(votersOf(configuration), has) &&
    (outgoing.length === 0 || isMajority(outgoing, has));
}

function isMajority(ids: readonly NodeId[], has: (id: NodeId) => boolean): boolean {
  return ids.filter(has).length * 2 > ids.length;
}

/** The payload of a configuration entry; also what snapshots and first starts keep. */
export function encodeConfiguration(configuration: Configuration): Uint8Array<ArrayBuffer> {
  assertConfiguration(configuration);
  const { members, outgoing, removed, featureLevel } = configuration;
  const writer = new ByteWriter();
  writer.u8(VERSION);
  writer.u16(featureLevel);
  writer.u16(members.length);
  for (const member of members) {
    writer.u32(member.id);
    writer.u8(STANDINGS.indexOf(member.standing));
    writer.u32(member.replaces ?? 0);
    for (const address of [member.raftAddress, member.redisAddress]) {
      writer.u16(address.length);
      writer.latin1(address);
    }
  }
  writer.u16(outgoing.length);
  for (const id of outgoing) writer.u32(id);
  writer.u32(removed.length);
  for (const id of removed) writer.u32(id);
  return writer.take();
}

/**
 * Throws `DecodeError` unless `bytes` are what `encodeConfiguration` makes of a configuration,
 * `NewerFormatError` when a later release made them.
 */
export function decodeConfiguration(bytes: Uint8Array): Configuration {
  const reader = new ByteReader(bytes);
  const version = reader.u8();
  if (version !== VERSION) {
    const reason = `its format version is ${version}, expected ${VERSION}`;
    if (version < VERSION) throw new DecodeError(`Cannot read configuration: ${reason}`);
    throw new NewerFormatError(`Cannot read configuration: ${reason}; ${NEWER_RELEASE_ADVICE}`);
  }
  const featureLevel = reader.u16();
  const members: Member[] = [];
  for (let left = reader.u16(); left > 0; left--) members.push(readMember(reader));
  const outgoing: NodeId[] = [];
  for (let left = reader.u16(); left > 0; left--) outgoing.push(readId(reader));
  const removed: NodeId[] = [];
  for (let left = reader.u32(); left > 0; left--) removed.push(readId(reader));
  reader.expectEnd();
  const configuration = { members, outgoing, removed, featureLevel };
  const problem = problemOf(configuration);
  if (problem !== undefined) throw new DecodeError(`Cannot read configuration: ${problem}`);
  return configuration;
}

/** Throws `AssertionError` unless the invariants hold. */
export function assertConfiguration(configuration: Configuration): void {
  const problem = problemOf(configuration);
  if (problem !== undefined) assert(false, `Cannot use configuration: ${problem}`);
}

function readMember(reader: ByteReader): Member {
  const id = readId(reader);
  const standing = STANDINGS[reader.u8()];
  if (standing === undefined) {
    throw new DecodeError(`Cannot read configuration: node ${id} has no known standing`);
  }
  const replaces = reader.u32() as NodeId;
  const raftAddress = readAddress(reader);
  const redisAddress = readAddress(reader);
  const member = { id, raftAddress, redisAddress, standing };
  return replaces === 0 ? member : { ...member, replaces };
}

function readId(reader: ByteReader): NodeId {
  return reader.u32() as NodeId;
}

function readAddress(reader: ByteReader): string {
  return latin1FromBytes(reader.bytes(reader.u16()));
}

/** Which invariant does not hold. */
function problemOf(configuration: Configuration): string | undefined {
  const { members, outgoing, removed, featureLevel } = configuration;
  const ids = new Set<number>();
  for (const { id } of members) ids.add(id);
  if (!(Number.isInteger(featureLevel) && featureLevel >= 1 && featureLevel <= FEATURE_LEVEL_MAX)) {
    return `feature level ${featureLevel} is not from 1 to ${FEATURE_LEVEL_MAX}`;
  }
  if (members.length > MEMBERS_MAX) return `${members.length} members are too many`;
  if (!areIds([...ids]) || ids.size !== members.length) return "the members' ids do not rise";
  if (!areIds(outgoing)) return "the outgoing voters' ids do not rise";
  if (!areIds(removed)) return "the removed ids do not rise";
  for (const id of outgoing) if (!ids.has(id)) return `outgoing voter ${id} is no member`;
  for (const id of removed) if (ids.has(id)) return `node ${id} is a member and removed`;
  if (members.length > 0 && votersOf(configuration).length === 0) return "nobody votes";
  for (const member of members) {
    const problem = memberProblem(member, ids, outgoing.length > 0);
    if (problem !== undefined) return `node ${member.id} ${problem}`;
  }
  return undefined;
}

function memberProblem(
  { id, standing, replaces, raftAddress, redisAddress }: Member,
  ids: ReadonlySet<number>,
  joint: boolean,
): string | undefined {
  if (standing === "leaving" && !joint) return "leaves a configuration that is not joint";
  if (![raftAddress, redisAddress].every(isText)) return "has an address that is none";
  if (replaces === undefined) return undefined;
  if (standing !== "joining") return `replaces node ${replaces} without joining`;
  if (replaces === id || !ids.has(replaces)) {
    return `replaces node ${replaces}, which is no other member`;
  }
  return undefined;
}

/** Printable ASCII of a bounded length: what the format can hold. */
function isText(address: string): boolean {
  return address.length <= ADDRESS_LENGTH_MAX && /^[!-~]*$/.test(address);
}

function areIds(ids: readonly number[]): boolean {
  return ids.every((id, at) =>
    Number.isInteger(id) && id > (at === 0 ? 0 : ids[at - 1]) && id <= NODE_ID_MAX
  );
}
