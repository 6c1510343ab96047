/** Data types and the databases that hold them. */

export * from "./byte_string.ts";
export { Database } from "./database.ts";
export type { DeadlineMs } from "./deadline_heap.ts";
export * from "./glob.ts";
export * from "./hash_code.ts";
export * from "./hash_table.ts";
export * from "./hash_value.ts";
export * from "./int64.ts";
export * from "./keyspace.ts";
export * from "./long_double.ts";
export { dumpValue, restoreValue } from "./rdb/dump.ts";
export type { RestoreResult } from "./rdb/dump.ts";
export { RdbFileReader } from "./rdb/file_reader.ts";
export type { RdbVisitor } from "./rdb/file_reader.ts";
export { RdbFileWalk } from "./rdb/file_walk.ts";
export { RdbError } from "./rdb/rdb_error.ts";
export type { RdbProblem } from "./rdb/rdb_error.ts";
export * from "./string_value.ts";
export { Collection, copyOfValue, encodingOfValue, typeOfValue } from "./value.ts";
export type { Value } from "./value.ts";
