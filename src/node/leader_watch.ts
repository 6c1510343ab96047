/** Notices changes of role, term and leader once, and says them. */

import type { Logger } from "../base/mod.ts";
import type { Raft } from "../raft/mod.ts";
import type { NodeObserver } from "./observer.ts";

export class LeaderWatch {
  readonly #raft: Raft;
  readonly #logger: Logger;
  readonly #observer: NodeObserver;
  #role = "";
  #term = 0;
  #leaderId: number | undefined;

  constructor(raft: Raft, logger: Logger, observer: NodeObserver) {
    this.#raft = raft;
    this.#logger = logger;
    this.#observer = observer;
  }

  /** True when there is a leader, and it is another one, or leads another term, than before. */
  check(): boolean {
    const { role, term, leaderId } = this.#raft;
    if (role === this.#role && term === this.#term && leaderId === this.#leaderId) return false;
    const isNew = leaderId !== this.#leaderId || term !== this.#term;
    this.#role = role;
    this.#term = term;
    this.#leaderId = leaderId;
    this.#observer.roleChanged(role, term);
    this.#logger.info("role", { role, term, leader: leaderId ?? "none" });
    return isNew && leaderId !== undefined;
  }
}
