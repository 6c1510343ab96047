/** MULTI, EXEC, DISCARD. The queue between them is in transaction.ts. */

import { OK, RespError } from "../resp/mod.ts";
import type { Session } from "./session.ts";
import { defineSessionCommand, NO_REPLY, type SessionReply } from "./session_command.ts";
import { Transaction } from "./transaction.ts";

export const transactionCommands = [
  defineSessionCommand({
    name: "multi",
    arity: 1,
    flags: ["noscript", "loading", "stale", "fast", "allow_busy"],
    group: "transactions",
    since: "1.2.0",
    summary: "Begins a transaction: commands are queued until EXEC.",
    complexity: "O(1)",
    notQueued: true,
    execute: (session) => {
      if (session.transaction !== undefined) {
        return new RespError("ERR MULTI calls can not be nested");
      }
      session.transaction = new Transaction(session.server.settings.queryBytesMax);
      return OK;
    },
  }),
  defineSessionCommand({
    name: "exec",
    arity: 1,
    flags: ["noscript", "loading", "stale", "skip_slowlog"],
    group: "transactions",
    since: "1.2.0",
    summary: "Runs the queued commands as one: all of them in one entry of the log, or none.",
    complexity: "Depends on the commands in the transaction",
    notQueued: true,
    execute: exec,
  }),
  defineSessionCommand({
    name: "discard",
    arity: 1,
    flags: ["noscript", "loading", "stale", "fast", "allow_busy"],
    group: "transactions",
    since: "2.0.0",
    summary: "Ends a transaction without running its commands.",
    complexity: "O(N) with N the number of queued commands",
    notQueued: true,
    execute: (session) => {
      if (session.transaction === undefined) return new RespError("ERR DISCARD without MULTI");
      session.transaction = undefined;
      return OK;
    },
  }),
];

function exec(session: Session): SessionReply {
  const transaction = session.transaction;
  if (transaction === undefined) return new RespError("ERR EXEC without MULTI");
  session.transaction = undefined;
  if (transaction.failed) {
    return new RespError("EXECABORT Transaction discarded because of previous errors.");
  }
  return transaction.run(session) ?? NO_REPLY;
}
