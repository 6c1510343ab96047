/** The commands between MULTI and EXEC of one connection. */

import { assert } from "../base/mod.ts";
import type { TransactionItem } from "../node/mod.ts";
import { type Reply, type Request, RespError, RespPinned, type RespVersion } from "../resp/mod.ts";
import type { Command } from "./command_set.ts";
import type { Session } from "./session.ts";
import { BLOCKED, NO_REPLY } from "./session_command.ts";

interface QueuedCommand {
  readonly command: Command;
  readonly request: Request;
}

export class Transaction {
  readonly #queue: QueuedCommand[] = [];
  readonly #bytesMax: number;
  #bytes = 0;
  /** A command was refused: EXEC must not run the rest. */
  failed = false;
  /** At least one queued command writes. */
  writes = false;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  get length(): number {
    return this.#queue.length;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Queues a copy, or says why not. */
  add(command: Command, request: Request): RespError | undefined {
    const bytes = request.end - request.start;
    if (this.#bytes + bytes > this.#bytesMax) {
      return new RespError(
        `ERR Cannot queue the command: the transaction would be above ${this.#bytesMax} bytes; ` +
          "use smaller transactions",
      );
    }
    this.#bytes += bytes;
    if (command.route === "write") this.writes = true;
    this.#queue.push({ command, request: request.copy() });
    return undefined;
  }

  /**
   * Runs the queue as one unit and answers in one array. Session commands run here, in their order,
   * so that SELECT and HELLO count for what follows; those that report on the data run when the
   * data commands have.
   */
  run(session: Session): Reply | undefined {
    session.server.stats.commandsProcessed += this.#queue.length;
    const items: TransactionItem[] = [];
    const replies: (Reply | (() => Reply) | typeof FROM_NODE)[] = [];
    const versions: RespVersion[] = [];
    for (const { command, request } of this.#queue) {
      if (command.session === undefined) {
        items.push({ db: session.db, request });
        replies.push(FROM_NODE);
      } else if (command.session.afterPending === true) {
        replies.push(() => runHere(session, command, request));
      } else replies.push(runHere(session, command, request));
      versions.push(session.replies.version);
    }
    // What the whole reply is written in.
    const lastVersion = session.replies.version;
    const merge = (reply: Reply): Reply => {
      const answers = reply as readonly Reply[];
      let next = 0;
      return replies.map((own, at) => {
        let answer: Reply;
        if (own === FROM_NODE) answer = answers[next++];
        else answer = typeof own === "function" ? own() : own;
        return versions[at] === lastVersion ? answer : new RespPinned(answer, versions[at]);
      });
    };
    if (items.length === 0) return merge([]);
    for (const { command } of this.#queue) if (command.session === undefined) command.calls++;
    session.submit(items, this.writes, merge);
    return undefined;
  }
}

const FROM_NODE: unique symbol = Symbol("from node");

function runHere(session: Session, command: Command, request: Request): Reply {
  session.insideExec = true;
  const reply = command.session!.execute(session, request);
  session.insideExec = false;
  command.calls++;
  assert(reply !== BLOCKED, `Cannot block in ${command.name}: it runs inside EXEC`);
  return reply === NO_REPLY ? null : reply;
}
