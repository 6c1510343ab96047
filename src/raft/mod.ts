/** The Raft protocol, pure: events in, `Ready` out. */

export * from "./log_entry.ts";
export * from "./message.ts";
export * from "./options.ts";
export * from "./ready.ts";
