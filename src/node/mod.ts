/** The driver: one Raft member, its disk, its links and its clients. */

export * from "./actions.ts";
export * from "./gateway.ts";
export * from "./observer.ts";
export { type FatalReason, type Member, RaftNode, type RaftNodeOptions } from "./raft_node.ts";
