/** Data types and the databases that hold them. */

// deno-lint-ignore no-empty-interface
export interface Database {}
// deno-lint-ignore no-empty-interface
export interface Keyspace {}
