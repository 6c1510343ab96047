/** Commands that the session itself executes: they touch the connection or the server, no keys. */

import type { CommandDeclaration } from "../commands/mod.ts";
import type { Reply, Request } from "../resp/mod.ts";
import type { Session } from "./session.ts";

/** The reply comes later, through `Session.unblock`; the session reads nothing until then. */
export const BLOCKED: unique symbol = Symbol("blocked");
/** There is no reply at all (`CLIENT REPLY OFF`). */
export const NO_REPLY: unique symbol = Symbol("no reply");

export type SessionReply = Reply | typeof BLOCKED | typeof NO_REPLY;

export interface SessionCommand extends CommandDeclaration {
  /** Runs only when everything before it on the connection has been answered. */
  readonly afterPending?: boolean;
  /** Runs at once inside MULTI instead of being queued. */
  readonly notQueued?: boolean;
  readonly execute: (session: Session, request: Request) => SessionReply;
}

/** Declares a session command. */
export function defineSessionCommand(command: SessionCommand): SessionCommand {
  return command;
}
