/** The replicated state machine: what committed batches do, and what reads see. */

export * from "./batch.ts";
export * from "./machine.ts";
export * from "./origin_table.ts";
export type { Reply } from "../resp/mod.ts";
export { Request, RequestKeeper } from "../resp/mod.ts";
