/**
 * CLUSTER without its questions about keys, READONLY, READWRITE: the Raft cluster as one shard that
 * owns all slots, its leader as the master. Works in both ways of serving on followers, so that
 * cluster clients find the leader.
 */

import { slotOf, SLOTS } from "../commands/mod.ts";
import type { MemberView, NodeView } from "../node/mod.ts";
import { OK, type Reply, RespMap, RespVerbatim, SimpleString } from "../resp/mod.ts";
import { addressOf, memberId, splitAddress } from "./member.ts";
import type { Session } from "./session.ts";
import { defineSessionCommand, type SessionCommand } from "./session_command.ts";

function clusterCommand(
  name: string,
  part: Pick<SessionCommand, "arity" | "flags" | "since" | "summary" | "execute">,
): SessionCommand {
  return defineSessionCommand({
    name: `cluster|${name}`,
    group: "cluster",
    complexity: "O(N) with N the number of members",
    ...part,
  });
}

export const clusterCommands: readonly SessionCommand[] = [
  clusterCommand("info", {
    arity: 2,
    flags: ["stale"],
    since: "3.0.0",
    summary: "State of the cluster.",
    execute: (session) => new RespVerbatim(clusterInfo(session)),
  }),
  clusterCommand("myid", {
    arity: 2,
    flags: ["stale"],
    since: "3.0.0",
    summary: "This node's id.",
    execute: (session) => {
      const view = session.server.gateway.view();
      return memberId(session.server, view, view.nodeId);
    },
  }),
  clusterCommand("nodes", {
    arity: 2,
    flags: ["stale"],
    since: "3.0.0",
    summary: "The members, a line each.",
    execute: (session) => {
      const view = session.server.gateway.view();
      return new RespVerbatim(
        view.members.map((member) => memberLine(session, view, member)).join(""),
      );
    },
  }),
  clusterCommand("slots", {
    arity: 2,
    flags: ["stale"],
    since: "3.0.0",
    summary: "Which members serve which hash slots: the leader all of them.",
    execute: clusterSlots,
  }),
  clusterCommand("shards", {
    arity: 2,
    flags: ["stale"],
    since: "7.0.0",
    summary: "The one shard with its members.",
    execute: clusterShards,
  }),
  clusterCommand("keyslot", {
    arity: 3,
    flags: ["stale"],
    since: "3.0.0",
    summary: "The hash slot of a key.",
    execute: (_session, request) => slotOf(request.text(2)),
  }),
  clusterCommand("help", {
    arity: 2,
    flags: ["loading", "stale"],
    since: "5.0.0",
    summary: "Lists the subcommands.",
    execute: () => HELP,
  }),
  defineSessionCommand({
    name: "readonly",
    arity: 1,
    flags: ["loading", "stale", "fast"],
    group: "cluster",
    since: "3.0.0",
    summary:
      "Answers reads of this connection from what this node has, within redis.staleness-ms-max.",
    complexity: "O(1)",
    execute: (session) => {
      session.lane.readsLocally = true;
      return OK;
    },
  }),
  defineSessionCommand({
    name: "readwrite",
    arity: 1,
    flags: ["loading", "stale", "fast"],
    group: "cluster",
    since: "3.0.0",
    summary: "Ends READONLY.",
    complexity: "O(1)",
    execute: (session) => {
      session.lane.readsLocally = false;
      return OK;
    },
  }),
];

function clusterInfo(session: Session): string {
  const view = session.server.gateway.view();
  const served = leaderOf(view) !== undefined;
  const lines: [string, string | number][] = [
    ["cluster_enabled", 1],
    ["cluster_state", served ? "ok" : "fail"],
    ["cluster_slots_assigned", SLOTS],
    ["cluster_slots_ok", served ? SLOTS : 0],
    ["cluster_slots_pfail", 0],
    ["cluster_slots_fail", served ? 0 : SLOTS],
    ["cluster_known_nodes", view.members.length],
    ["cluster_size", 1],
    ["cluster_current_epoch", view.term],
    ["cluster_my_epoch", view.term],
    ["cluster_stats_messages_sent", view.network.messagesSent],
    ["cluster_stats_messages_received", view.network.messagesReceived],
    ["total_cluster_links_buffer_limit_exceeded", 0],
  ];
  return lines.map(([name, value]) => `${name}:${value}\r\n`).join("");
}

function leaderOf(view: NodeView): MemberView | undefined {
  return view.members.find((member) => member.id === view.leaderId);
}

/** The leader first, then its replicas: voters and learners, not those that come or go. */
function leaderAndReplicas(view: NodeView): MemberView[] {
  const leader = leaderOf(view);
  if (leader === undefined) return [];
  return [leader, ...view.members.filter((member) => member !== leader && isReplica(member))];
}

function isReplica({ standing }: MemberView): boolean {
  return standing === "voter" || standing === "learner";
}

function memberLine(session: Session, view: NodeView, member: MemberView): string {
  const { host, port } = addressOf(session, view, member);
  const raftPort = splitAddress(member.raftAddress).port;
  const leads = member.id === view.leaderId;
  const own = member.id === view.nodeId ? "myself," : "";
  const leader = view.leaderId === undefined || leads
    ? "-"
    : memberId(session.server, view, view.leaderId);
  const id = memberId(session.server, view, member.id);
  const wallMs = Math.floor(session.server.clock.wallMs());
  const heardMs = own !== "" || member.lastContactMs === undefined
    ? 0
    : wallMs - Math.round(member.lastContactMs);
  const link = member.connected ? "connected" : "disconnected";
  const slots = leads ? ` 0-${SLOTS - 1}` : "";
  return `${id} ${host}:${port}@${raftPort} ${own}${leads ? "master" : "slave"} ${leader} 0 ` +
    `${heardMs} ${view.term} ${link}${slots}\n`;
}

function clusterSlots(session: Session): Reply {
  const view = session.server.gateway.view();
  const nodes = leaderAndReplicas(view).map((member): Reply => {
    const { host, port } = addressOf(session, view, member);
    return [host, port, memberId(session.server, view, member.id), []];
  });
  return nodes.length === 0 ? [] : [[0, SLOTS - 1, ...nodes]];
}

function clusterShards(session: Session): Reply {
  const view = session.server.gateway.view();
  const members = leaderAndReplicas(view);
  const nodes = members.map((member): Reply => {
    const { host, port } = addressOf(session, view, member);
    const isLeader = member.id === view.leaderId;
    const offset = member.id === view.nodeId ? view.appliedIndex : member.matchIndex ?? 0;
    return new RespMap([
      "id",
      memberId(session.server, view, member.id),
      "port",
      port,
      "ip",
      host,
      "endpoint",
      host,
      "role",
      isLeader ? "master" : "replica",
      "replication-offset",
      offset,
      "health",
      member.connected ? "online" : "fail",
    ]);
  });
  return [new RespMap(["slots", nodes.length === 0 ? [] : [0, SLOTS - 1], "nodes", nodes])];
}

const HELP: Reply = [
  "CLUSTER <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
  "COUNTKEYSINSLOT <slot>",
  "    The number of keys in <slot>.",
  "GETKEYSINSLOT <slot> <count>",
  "    Names of at most <count> keys in <slot>.",
  "INFO",
  "    State of the cluster.",
  "KEYSLOT <key>",
  "    The hash slot for <key>.",
  "MYID",
  "    The node id.",
  "NODES",
  "    The members, a line each.",
  "SHARDS",
  "    The one shard with its members.",
  "SLOTS",
  "    Slot ranges and the members that serve them.",
  "HELP",
  "    Print this help.",
].map((line) => new SimpleString(line));
