/** The place of one reply in a connection's order, from dispatch until it is written. */

import type { Reply, RespVersion } from "../resp/mod.ts";
import type { Command } from "./command_set.ts";

/** Builds the reply of EXEC from what the node answered. */
export type ReplyMerge = (reply: Reply) => Reply;

export interface ReplySlot {
  readonly command: Command;
  /** The protocol at the time of the command: a later HELLO does not change it. */
  readonly version: RespVersion;
  readonly muted: boolean;
  readonly startedMs: number;
  readonly requestBytes: number;
  readonly merge: ReplyMerge | undefined;
  /** Known already, and waits only for its turn; undefined: the node has yet to answer. */
  readonly ready: { readonly reply: Reply } | undefined;
}
