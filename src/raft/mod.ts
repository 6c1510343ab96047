/** The Raft protocol, pure: events in, `Ready` out. */

export * from "./configuration.ts";
export * from "./driver_message.ts";
export * from "./log_entry.ts";
export * from "./membership_change.ts";
export type { PlacedConfiguration } from "./members.ts";
export * from "./message.ts";
export * from "./options.ts";
export { isLateAcknowledgement, promisesOnlyHardState } from "./outbox.ts";
export type { PeerProgress, ProgressState } from "./progress.ts";
export * from "./raft.ts";
export * from "./ready.ts";
