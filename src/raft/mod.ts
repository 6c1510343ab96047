/** The Raft protocol, pure: events in, `Ready` out. */

export * from "./log_entry.ts";
export * from "./message.ts";
export * from "./options.ts";
export type { PeerProgress, ProgressState } from "./progress.ts";
export * from "./raft.ts";
export * from "./ready.ts";
