/** The replicated state machine. */

export type { Reply } from "../resp/mod.ts";
export { Request } from "../resp/mod.ts";
