/** INFO, TIME, ROLE, WAIT. */

import type { MemberView, NodeView } from "../node/mod.ts";
import { type Reply, type Request, RespError, RespVerbatim } from "../resp/mod.ts";
import { parseInteger } from "./arguments.ts";
import { NOT_AN_INTEGER } from "./errors.ts";
import { infoText } from "./info.ts";
import { addressOf } from "./member.ts";
import type { Session } from "./session.ts";
import { BLOCKED, defineSessionCommand, type SessionReply } from "./session_command.ts";

/** How often WAIT looks again. */
const WAIT_LOOK_MS = 5;

export const serverCommands = [
  defineSessionCommand({
    name: "info",
    arity: -1,
    flags: ["loading", "stale"],
    group: "server",
    since: "1.0.0",
    summary: "Facts and counters of this node, in sections.",
    complexity: "O(1)",
    afterPending: true,
    execute: (session, request) => {
      const sections: string[] = [];
      for (let i = 1; i < request.length; i++) sections.push(request.lower(i));
      return new RespVerbatim(infoText(session.server, sections));
    },
  }),
  defineSessionCommand({
    name: "time",
    arity: 1,
    flags: ["loading", "stale", "fast"],
    group: "server",
    since: "2.6.0",
    summary: "This node's own wall clock: seconds since 1970, and microseconds.",
    complexity: "O(1)",
    execute: (session) => {
      const nowMs = session.server.clock.wallMs();
      const seconds = Math.floor(nowMs / 1000);
      return [String(seconds), String(Math.floor((nowMs - seconds * 1000) * 1000))];
    },
  }),
  defineSessionCommand({
    name: "role",
    arity: 1,
    flags: ["noscript", "loading", "stale", "fast"],
    group: "server",
    since: "2.8.12",
    summary: "Whether this node leads (master) or follows (slave), with log positions.",
    complexity: "O(1)",
    execute: role,
  }),
  defineSessionCommand({
    name: "wait",
    arity: 3,
    flags: ["noscript"],
    group: "generic",
    since: "3.0.0",
    summary: "Waits until this connection's writes are on the given number of other members; an " +
      "answered write is on a majority already.",
    complexity: "O(1)",
    afterPending: true,
    execute: wait,
  }),
];

function role(session: Session): Reply {
  const view = session.server.gateway.view();
  if (view.role === "leader") {
    const followers = otherMembers(view).map((member): Reply => {
      const { host, port } = addressOf(session, view, member);
      return [host, String(port), String(member.matchIndex ?? 0)];
    });
    return ["master", view.commitIndex, followers];
  }
  const leader = view.members.find((member) => member.id === view.leaderId);
  if (leader === undefined) return ["slave", "", 0, "connect", view.appliedIndex];
  const { host, port } = addressOf(session, view, leader);
  return ["slave", host, port, leader.connected ? "connected" : "connect", view.appliedIndex];
}

function otherMembers(view: NodeView): readonly MemberView[] {
  return view.members.filter((member) => member.id !== view.nodeId);
}

/**
 * Other members that surely have everything applied here by `index`. The leader knows; a follower
 * knows only that an answered write is on a majority.
 */
function replicasWith(view: NodeView, index: number): number {
  const voters = view.members.filter(({ standing }) => standing === "voter").length;
  const majorityOthers = Math.floor(voters / 2);
  if (view.role !== "leader") return majorityOthers;
  const known = otherMembers(view).filter((member) => (member.matchIndex ?? 0) >= index).length;
  return Math.max(known, majorityOthers);
}

function wait(session: Session, request: Request): SessionReply {
  const wanted = parseInteger(request.text(1));
  if (wanted === undefined) return NOT_AN_INTEGER;
  const timeoutMs = parseInteger(request.text(2));
  if (timeoutMs === undefined) {
    return new RespError("ERR timeout is not an integer or out of range");
  }
  if (timeoutMs < 0) return new RespError("ERR timeout is negative");
  const { gateway, clock } = session.server;
  const index = gateway.view().appliedIndex;
  const count = () => replicasWith(gateway.view(), index);
  const now = count();
  if (now >= wanted || session.insideExec) return now;
  const deadlineMs = timeoutMs === 0 ? Infinity : clock.nowMs() + timeoutMs;
  const look = () => {
    const replicas = count();
    if (replicas >= wanted || clock.nowMs() >= deadlineMs) return session.unblock(replicas);
    timer = clock.setTimer(Math.min(WAIT_LOOK_MS, deadlineMs - clock.nowMs()), look);
  };
  let timer = clock.setTimer(Math.min(WAIT_LOOK_MS, timeoutMs || WAIT_LOOK_MS), look);
  session.onUnblocked = () => timer.cancel();
  session.interrupt = (reason) => {
    timer.cancel();
    session.unblock(reason === "timeout" ? count() : UNBLOCKED);
  };
  return BLOCKED;
}

const UNBLOCKED = new RespError("UNBLOCKED client unblocked via CLIENT UNBLOCK");
