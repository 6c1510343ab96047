/** The replicated state machine: what committed batches do, and what reads see. */

export * from "./batch.ts";
export * from "./machine.ts";
export * from "./origin_table.ts";
export { RdbImport } from "./rdb_import.ts";
export { SnapshotLoader } from "./snapshot.ts";
export type { SnapshotHeader, SnapshotWalk } from "./snapshot.ts";
export { STATE_HASH_INTERVAL } from "./state_hash.ts";
export { RdbError } from "../keyspace/mod.ts";
export type { Reply } from "../resp/mod.ts";
export { Request, RequestKeeper } from "../resp/mod.ts";
