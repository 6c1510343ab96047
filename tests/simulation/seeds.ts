import type { FaultClass } from "./plan.ts";

export interface FailedSeed {
  readonly seed: number;
  readonly showed: string;
  /** How many classes of faults there were. */
  readonly classes: number;
  /** Whether the run was a calm one. */
  readonly calm?: boolean;
  /** Classes that were on whatever was drawn. */
  readonly besides?: readonly FaultClass[];
}

/** Seeds that have failed once, each with what it showed. They are run again with every test. */
export const FAILED_SEEDS: readonly FailedSeed[] = [
  {
    seed: 1,
    classes: 26,
    showed: "a follower on a full disk cuts an entry that others have committed: allowed",
  },
  {
    seed: 2,
    classes: 26,
    showed: "a process that dies with a sync must not outlive it in the simulation",
  },
  {
    seed: 20,
    classes: 26,
    showed: "a bit flipped behind the last mark cannot be told from a torn write",
  },
  { seed: 60, classes: 26, showed: "as 20, with five nodes and lost messages" },
  {
    seed: 1124,
    classes: 26,
    showed: "two nodes: a leader that crashed and came back was counted as refusing for ever",
  },
  {
    seed: 467389,
    classes: 26,
    showed: "one entry a round trip: a follower far behind needs the time that its entries take",
  },
  {
    seed: 646462,
    classes: 34,
    showed: "failed once while wrong writes and lost files were brought in",
  },
  { seed: 647618, classes: 34, showed: "as 646462" },
  {
    seed: 53,
    classes: 48,
    showed: "a demoted leader alone had the demotion: it never campaigned, and nobody could win",
  },
  {
    seed: 145,
    classes: 48,
    showed: "a round of reads waited for a member that was removed meanwhile, for ever",
  },
  {
    seed: 113,
    classes: 49,
    showed: "a snapshot passed over a node's own removal: applied writes were said to have failed",
  },
  {
    seed: 652520,
    classes: 49,
    showed: "a node without a state waited for ever for the snapshot of a leader that had fallen",
  },
  {
    seed: 653320,
    classes: 49,
    showed: "a damaged snapshot may still say of its node that it was removed: allowed",
  },
  {
    seed: 8029,
    classes: 49,
    showed: "reads that waited were asked for ever more often, and repeated batches filled the log",
  },
  {
    seed: 654418,
    classes: 49,
    showed: "a leader alone ends a change and begins the next within a step: allowed",
  },
  {
    seed: 654836,
    classes: 49,
    showed: "two newcomers were given one id, by a fallen leader in vain and by its successor",
  },
  {
    seed: 514,
    classes: 49,
    showed: "a snapshot for a lost state took back members that were committed behind it",
  },
  {
    seed: 543,
    classes: 49,
    showed:
      "a repair moved records within their range, and they were looked for where they had been",
  },
  {
    seed: 1726,
    classes: 49,
    showed:
      "a process that dies between a cut of the log and its sync may leave the log cut: allowed",
  },
  {
    seed: 731203,
    classes: 49,
    showed: "a start ends a compaction although the snapshots have been lost since: allowed",
  },
  {
    seed: 731307,
    classes: 49,
    showed: "entries that a new leader replaced before they were written were acknowledged",
  },
  {
    seed: 20262,
    classes: 50,
    besides: ["mixedVersions"],
    showed: "a node repairs a write that went astray while it runs: it must not be put back then",
  },
  {
    seed: 20092,
    classes: 50,
    besides: ["mixedVersions"],
    showed: "a leader alone ends a change, begins the next, and has neither in memory: allowed",
  },
  {
    seed: 840579,
    classes: 49,
    showed: "a snapshot ahead of its node's log is damaged, and the log ends before it: allowed",
  },
  {
    seed: 950077,
    classes: 50,
    showed:
      "a node ends while it repairs a write that went astray: it still lacks the rest, allowed",
  },
  {
    seed: 841109,
    classes: 49,
    showed: "the time in a batch's header looked like a value, which was taken for applied",
  },
  {
    seed: 30203,
    classes: 51,
    besides: ["clientLinks"],
    showed: "a snapshot was lost that had what the log had not synced yet: allowed",
  },
  {
    seed: 40092,
    classes: 52,
    besides: ["faultInStart"],
    showed: "only one member was left to tell a node that it was removed: it waits for another one",
  },
  {
    seed: 80005,
    classes: 56,
    besides: ["faultInStart", "clientLinks"],
    showed:
      "a snapshot that cannot be opened once has a bad sector to the node: it refuses, allowed",
  },
  {
    seed: 1021,
    classes: 50,
    showed: "a snapshot that was taken away had what a follower said that it has: allowed",
  },
  {
    seed: 665175,
    classes: 58,
    showed: "a node with a new snapshot waited with its vote for an entry that nobody wrote",
  },
  {
    seed: 666624,
    classes: 58,
    showed:
      "a leader that was asked to demote itself before the calm begins hands over in it: allowed",
  },
  {
    seed: 668717,
    classes: 58,
    showed:
      "a write that went astray hit a segment's header, which no member can give back: allowed",
  },
  {
    seed: 668953,
    classes: 58,
    showed: "a run that cannot go on left out of its history what was still asked",
  },
  {
    seed: 669869,
    classes: 58,
    showed: "a removed node looked for all but one of the others where they were before: it waits",
  },
  {
    seed: 701087,
    classes: 58,
    showed: "a damaged snapshot had been ahead of its log, of which the node had promised nothing",
  },
  {
    seed: 725445,
    classes: 58,
    showed: "a record that went astray was found whole, and cut off where it should have been",
  },
  {
    seed: 724153,
    classes: 58,
    showed:
      "a request to take over was on its way for two seconds, and arrived in the calm: allowed",
  },
  {
    seed: 730488,
    classes: 58,
    calm: true,
    showed:
      "what went astray lay behind the end of the log, where no member can say what was: allowed",
  },
  {
    seed: 741215,
    classes: 58,
    showed:
      "a learner that moved while it was away, and all whom it knew had left: nobody can find it",
  },
  {
    seed: 741769,
    classes: 58,
    showed: "a record that went astray was put back, and looked for where it had strayed",
  },
  {
    seed: 741082,
    classes: 58,
    showed: "a record that went astray behind the end of the log was cut off there: allowed",
  },
  {
    seed: 745379,
    classes: 58,
    showed: "a node moved before where the others are was durable on it: nobody could find it",
  },
  {
    seed: 761604,
    classes: 58,
    showed: "a start met one fault after the other until the cluster was to be whole: allowed",
  },
  {
    seed: 672561,
    classes: 58,
    showed:
      "a leader committed a removal in the step in which its process ended: nobody had noted it",
  },
  {
    seed: 689645,
    classes: 58,
    showed: "a lone leader committed, took a snapshot and ended in one step: nobody had noted it",
  },
  {
    seed: 680372,
    classes: 58,
    showed:
      "a node took over a snapshot of a feature level that it does not support, and then ended",
  },
  {
    seed: 875868325,
    classes: 58,
    showed:
      "a killed process had repaired an entry without a sync: a start found it well, power took it",
  },
  {
    seed: 742792487,
    classes: 58,
    showed:
      "a node moved, and a newcomer led that it did not know: it found others, who lead nobody",
  },
  {
    seed: 888633019,
    classes: 58,
    showed: "all had moved, and a node lost its snapshot: only an operator knew where it was",
  },
  {
    seed: 223120801,
    classes: 58,
    showed: "a repair put an entry before its old place and was killed: it counted as cut for ever",
  },
  {
    seed: 535731389,
    classes: 58,
    showed: "a voter that was alone led two terms that no crash would keep, and then an older one",
  },
  {
    seed: 633946317,
    classes: 58,
    showed:
      "a write in the place of the entry before was taken for the place to cut: one cut too many",
  },
  {
    seed: 188672429,
    classes: 58,
    showed: "a disk that failed while a needless snapshot was removed was nobody's to report",
  },
  {
    seed: 10865137,
    classes: 58,
    showed: "leaders that were started again left more uncommitted than one of them would take",
  },
  {
    seed: 675598488,
    classes: 58,
    showed: "a history that the checker could not decide: writes of unknown outcome, all at once",
  },
  {
    seed: 711449,
    classes: 58,
    showed: "copies of batches filled the log of a leader whose followers took one entry at a time",
  },
  {
    seed: 701618,
    classes: 58,
    showed: "a damaged snapshot was ahead of an empty log, of which the node had promised nothing",
  },
];
