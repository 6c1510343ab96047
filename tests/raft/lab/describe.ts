/** Messages, entries, members and nodes as short text, for plays. */

import {
  commandOf,
  type Configuration,
  decodeConfiguration,
  type EntryId,
  isJoint,
  type LogEntry,
  type Raft,
  type RaftMessage,
} from "../../../src/raft/mod.ts";

const decoder = new TextDecoder();

export function describeId({ term, index }: EntryId): string {
  return `${term}/${index}`;
}

export function describeMembers(configuration: Configuration): string {
  const ids = (standing: string) =>
    configuration.members.filter((member) => member.standing === standing).map((member) =>
      member.replaces === undefined ? `${member.id}` : `${member.id} for ${member.replaces}`
    ).join(" ");
  const parts = [`voters ${ids("voter")}`];
  for (const standing of ["joining", "learner", "leaving"]) {
    if (ids(standing) !== "") parts.push(`${standing} ${ids(standing)}`);
  }
  if (isJoint(configuration)) parts.push(`outgoing ${configuration.outgoing.join(" ")}`);
  if (configuration.removed.length > 0) parts.push(`removed ${configuration.removed.join(" ")}`);
  return configuration.members.length === 0 ? "nobody" : parts.join("; ");
}

export function describeEntry(entry: LogEntry): string {
  const id = describeId(entry);
  switch (entry.kind) {
    case "noop":
      return id;
    case "command":
      return `${id} "${decoder.decode(commandOf(entry))}"`;
    case "configuration":
      return `${id} {${describeMembers(decodeConfiguration(commandOf(entry)))}}`;
  }
}

export function describeMessage(message: RaftMessage): string {
  return `${message.from}>${message.to} ${bodyOf(message)}, term ${message.term}`;
}

function bodyOf(message: RaftMessage): string {
  switch (message.kind) {
    case "requestVote": {
      const kind = message.preVote
        ? "pre-vote?"
        : message.transfer
        ? "vote for transfer?"
        : "vote?";
      return `${kind} last ${describeId(message.last)}`;
    }
    case "requestVoteReply":
      return `${message.preVote ? "pre-vote" : "vote"} ${message.granted ? "granted" : "refused"}`;
    case "appendEntries": {
      const entries = message.entries.map(describeEntry).join(", ");
      return `append behind ${
        describeId(message.prev)
      } [${entries}], commit ${message.commitIndex}`;
    }
    case "appendEntriesReply":
      return message.conflict === undefined
        ? `has ${message.index}`
        : `rejects ${message.index}, look at ${describeId(message.conflict)}`;
    case "heartbeat":
      return `heartbeat commit ${message.commitIndex}` +
        (message.readRound > 0 ? `, round ${message.readRound}` : "") +
        (message.wantsReply ? "" : ", no answer");
    case "heartbeatReply":
      return "heartbeat answer" + (message.readRound > 0 ? `, round ${message.readRound}` : "") +
        (message.leaseMs > 0 ? `, promises ${message.leaseMs} ms` : "");
    case "readIndex":
      return `read ${message.readId}?`;
    case "readIndexReply":
      return `read ${message.readId}: ${message.index ?? "ask again"}`;
    case "timeoutNow":
      return "campaign now";
  }
}

/** What a node is and has. */
export function describeNode(raft: Raft): string {
  const parts = [
    `${raft.role} term ${raft.term}`,
    `leader ${raft.leaderId ?? "none"}`,
    `last ${describeId(raft.lastEntry)}`,
    `commit ${raft.commitIndex}`,
  ];
  if (raft.logStart.index > 0) parts.push(`start ${describeId(raft.logStart)}`);
  if (raft.isRecovering) parts.push("recovering");
  return `${parts.join(", ")}, {${describeMembers(raft.configuration)}}`;
}

/** What a leader knows of each follower. */
export function describeProgress(raft: Raft): string[] {
  return raft.progress().map(({ peer, state, matchIndex, nextIndex }) =>
    `${peer}: ${state}, match ${matchIndex}, next ${nextIndex}`
  );
}
