/** What an operator may ask of the node (admin API, signals). */
export interface NodeActions {
  /** Hands leadership to `to`, or to the most caught-up voter; resolves when somebody else leads. */
  transferLeadership(to: number | undefined): Promise<TransferOutcome>;
}

export type TransferOutcome =
  | { readonly kind: "done"; readonly leaderId: number }
  | { readonly kind: "refused"; readonly reason: string };
