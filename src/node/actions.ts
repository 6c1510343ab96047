/** What an operator may ask of the node (admin API, signals). */
export interface NodeActions {
  /** Hands leadership to `to`, or to the most caught-up voter; resolves when somebody else leads. */
  transferLeadership(to: number | undefined): Promise<TransferOutcome>;
  /**
   * Changes the members, through the leader. Resolves when the change is finished or refused, or when
   * it is not known in time what became of it. A new voter counts as added when it is a joining member.
   */
  changeMembers(change: MemberChangeRequest): Promise<ChangeOutcome>;
  /** The keys as of now, as an RDB file that Redis and `logboat restore` load. */
  backup(): Promise<BackupOutcome>;
  /** Takes a snapshot now; resolves when it is durable and the log behind it may go. */
  takeSnapshot(): Promise<SnapshotOutcome>;
}

/** What became of handing leadership over. */
export type TransferOutcome =
  | { readonly kind: "done"; readonly leaderId: number }
  | { readonly kind: "refused"; readonly reason: string };

/** A change of the members; addresses are `host:port`, as others reach the member. */
export type MemberChangeRequest =
  | {
    readonly kind: "add";
    /** Undefined: the leader gives the next one that no member ever had. */
    readonly id?: number;
    readonly raftAddress: string;
    readonly redisAddress: string;
    /** A voter joins first and votes when it has caught up. */
    readonly as: "voter" | "learner";
    /** The voter that leaves when the new one begins to vote. */
    readonly replaces?: number;
  }
  | { readonly kind: "remove" | "promote" | "demote"; readonly id: number }
  | {
    readonly kind: "move";
    readonly id: number;
    readonly raftAddress: string;
    readonly redisAddress: string;
  };

/** What became of a change of members; `text` is a sentence for people. */
export type ChangeOutcome =
  | { readonly kind: "done"; readonly text: string; readonly id: number }
  /** Nothing was begun. `passing`: what stands against it is over in a moment. */
  | { readonly kind: "refused"; readonly text: string; readonly passing?: boolean }
  /** It may still happen: look at the members before asking again. */
  | { readonly kind: "unknown"; readonly text: string };

/** A backup on its way, or why there is none. */
export type BackupOutcome =
  | {
    readonly kind: "started";
    /** The last entry of the log whose effect is in it. */
    readonly index: number;
    /** The file, to be read to its end or left early; throws when it cannot go on. */
    readonly chunks: AsyncIterable<Uint8Array>;
  }
  | { readonly kind: "refused"; readonly text: string };

/** The snapshot that was taken, or why there is none. */
export type SnapshotOutcome =
  | { readonly kind: "done"; readonly index: number; readonly bytes: number }
  | { readonly kind: "refused"; readonly text: string };
