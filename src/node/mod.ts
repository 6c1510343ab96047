/** The driver: one Raft member, its disk, its links and its clients. */

export * from "./actions.ts";
export * from "./gateway.ts";
export { mayRepair } from "./log_repair.ts";
export * from "./observer.ts";
export * from "./options.ts";
export { RaftNode } from "./raft_node.ts";
