/**
 * Changes of the members that operators and newcomers ask for, on the node that leads: from the
 * request to the moment when the change is finished, or it is clear that it cannot be.
 */

import { assert, NODE_ID_MAX, NodeId } from "../base/mod.ts";
import type { JoinAnswer, JoinRequest } from "../network/mod.ts";
import type { Clock } from "../platform/mod.ts";
import {
  type Configuration,
  encodeConfiguration,
  isJoint,
  type Member,
  type MemberChange,
  memberOf,
  type Raft,
  votersOf,
} from "../raft/mod.ts";
import type { ChangeOutcome, MemberChangeRequest } from "./actions.ts";

export interface MemberChangesOptions {
  readonly clusterId: string;
  readonly raft: Raft;
  readonly clock: Clock;
  /** How long a change may take until nobody waits for it any more. */
  readonly timeoutMs: number;
  readonly schedule: () => void;
  /** Asks whoever leads, from here. */
  readonly askLeader: (change: MemberChangeRequest) => Promise<ChangeOutcome>;
}

const POLL_MS = 5;

export class MemberChanges {
  readonly #options: MemberChangesOptions;

  constructor(options: MemberChangesOptions) {
    this.#options = options;
  }

  /** On a leader. Resolves when the change is finished; waits for no other one. */
  async run(request: MemberChangeRequest): Promise<ChangeOutcome> {
    const { raft, clock, timeoutMs, schedule } = this.#options;
    const endMs = clock.nowMs() + timeoutMs;
    for (;;) {
      const change = changeOf(raft.configuration, request);
      const result = raft.step({ kind: "changeMembers", change });
      if (result.kind === "proposed") {
        schedule();
        return await this.#finish(change, endMs);
      }
      if (result.kind === "invalid") {
        const passing = isLeftBehind(raft.configuration, change);
        return { kind: "refused", text: result.text, passing };
      }
      assert(result.kind === "refused", `Cannot change members: found ${result.kind}`);
      // A new leader is ready in a moment.
      const wait = result.reason === "notReady" && clock.nowMs() < endMs;
      if (!wait) return { kind: "refused", text: whyRefused(result.reason), passing: true };
      await this.#pause();
    }
  }

  /** What is asked for is either in the configuration that is committed at the end, or not. */
  async #finish(change: MemberChange, endMs: number): Promise<ChangeOutcome> {
    const { raft, clock } = this.#options;
    const { term } = raft;
    while (clock.nowMs() < endMs) {
      const committed = raft.committedConfiguration;
      if (!isJoint(committed) && isDone(committed, change)) {
        const id = "id" in change ? change.id : 0;
        return { kind: "done", id, text: describeDone(committed, change) };
      }
      const isOver = raft.term === term && raft.role === "leader" &&
        raft.configuration === committed && !isJoint(committed);
      if (isOver) break;
      await this.#pause();
    }
    return {
      kind: "unknown",
      text:
        "The change was begun, and it is not known yet what became of it: look at the members " +
        "before you ask again",
    };
  }

  /**
   * On any node: a newcomer asks to become a member. A member that has its address and does not vote
   * is what an earlier attempt left behind, or has lost its data directory: the newcomer replaces it.
   * This node may not know the newest members: the leader decides.
   */
  async join(request: JoinRequest): Promise<JoinAnswer> {
    const { raft, askLeader, clusterId } = this.#options;
    const { configuration } = raft;
    if (request.featureLevel < configuration.featureLevel) {
      return {
        kind: "refused",
        text: `this release supports feature level ${request.featureLevel}, the cluster uses ` +
          `${configuration.featureLevel}: start a newer release`,
      };
    }
    const same = configuration.members.find(({ id, raftAddress }) =>
      raftAddress === request.raftAddress && id !== request.replaces
    );
    if (same !== undefined && !isVoting(same)) {
      const removed = await askLeader({ kind: "remove", id: same.id });
      if (removed.kind !== "done") return joinFailed(removed);
    }
    const outcome = await askLeader({
      kind: "add",
      ...(request.nodeId === undefined ? {} : { id: request.nodeId }),
      ...(request.replaces === undefined ? {} : { replaces: request.replaces }),
      raftAddress: request.raftAddress,
      redisAddress: request.redisAddress,
      as: request.as,
    });
    if (outcome.kind !== "done") {
      const answer = joinFailed(outcome);
      const isTaken = answer.kind === "refused" && same !== undefined && isVoting(same);
      return isTaken ? addressOfVoter(same) : answer;
    }
    return {
      kind: "joined",
      clusterId,
      nodeId: NodeId(outcome.id),
      members: encodeConfiguration(raft.configuration),
    };
  }

  #pause(): Promise<void> {
    return new Promise((resolve) => this.#options.clock.setTimer(POLL_MS, resolve));
  }
}

/** The change for the core; a new member without an id gets the next one that none ever had. */
function changeOf(configuration: Configuration, request: MemberChangeRequest): MemberChange {
  if (request.kind !== "add") return { ...request, id: NodeId(request.id) };
  const { members, removed } = configuration;
  const highest = Math.max(0, members.at(-1)?.id ?? 0, removed.at(-1) ?? 0);
  const { raftAddress, redisAddress, as, replaces } = request;
  return {
    kind: "add",
    id: NodeId(request.id ?? Math.min(highest + 1, NODE_ID_MAX)),
    raftAddress,
    redisAddress,
    as,
    ...(replaces === undefined ? {} : { replaces: NodeId(replaces) }),
  };
}

function isDone(configuration: Configuration, change: MemberChange): boolean {
  if (change.kind === "raiseFeatureLevel") return configuration.featureLevel >= change.to;
  const member = memberOf(configuration, change.id);
  switch (change.kind) {
    case "add":
      // Another leader may have given the same id to somebody else, if this change was cut off.
      return isAt(member, change);
    case "remove":
      return member === undefined;
    case "promote":
      return member?.standing === "joining" || member?.standing === "voter";
    case "demote":
      return member?.standing === "learner";
    case "move":
      return isAt(member, change);
  }
}

function isAt(
  member: Member | undefined,
  { raftAddress, redisAddress }: Pick<Member, "raftAddress" | "redisAddress">,
): boolean {
  return member?.raftAddress === raftAddress && member.redisAddress === redisAddress;
}

function describeDone(configuration: Configuration, change: MemberChange): string {
  const voters = `the voters are ${votersOf(configuration).join(", ")}`;
  switch (change.kind) {
    case "add":
      if (change.as === "learner") return `node ${change.id} is a learner; ${voters}`;
      return `node ${change.id} is a member and becomes a voter by itself when it has caught up` +
        (change.replaces === undefined ? "" : `; node ${change.replaces} leaves then`);
    case "remove":
      return `node ${change.id} is no member any more; ${voters}`;
    case "promote":
      return `node ${change.id} becomes a voter by itself when it has caught up`;
    case "demote":
      return `node ${change.id} is a learner; ${voters}`;
    case "move":
      return `node ${change.id} is at ${change.raftAddress}, for clients at ${change.redisAddress}`;
    case "raiseFeatureLevel":
      return `the feature level is ${configuration.featureLevel}`;
  }
}

function whyRefused(reason: string): string {
  switch (reason) {
    case "notLeader":
      return "Cannot change members: this node leads no more; ask again";
    case "transferring":
      return "Cannot change members: leadership is being handed over; ask again in a moment";
    case "changePending":
      return "Cannot change members: another change is under way; try again when it is done";
    case "tooFewConnected":
      return "Cannot change members: too few of the voters that would be left are connected; " +
        "start or replace the others first";
    default:
      return "Cannot change members: the leader has committed nothing in its term yet; try again";
  }
}

function isVoting({ standing }: Member): boolean {
  return standing === "voter" || standing === "leaving";
}

/** Whether `change` meets what an earlier attempt of the same newcomer has left, which `join` removes. */
function isLeftBehind({ members }: Configuration, change: MemberChange): boolean {
  return change.kind === "add" &&
    members.some((member) => member.raftAddress === change.raftAddress && !isVoting(member));
}

function addressOfVoter({ id, raftAddress }: Member): JoinAnswer {
  return {
    kind: "refused",
    text:
      `node ${id} is a voter at ${raftAddress}: if its data is lost, join with --replace ${id} ` +
      "or remove it first; else give this node an address of its own",
  };
}

function joinFailed(outcome: Exclude<ChangeOutcome, { kind: "done" }>): JoinAnswer {
  const isPassing = outcome.kind === "unknown" || outcome.passing === true;
  return { kind: isPassing ? "tryAgain" : "refused", text: outcome.text };
}
