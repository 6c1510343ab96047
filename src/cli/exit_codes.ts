/** Every way in which the program ends, as data: the program, its help and README.md read it. */

export interface ExitCode {
  readonly code: number;
  /** What happened. */
  readonly meaning: string;
  /** What the operator does. */
  readonly advice: string;
}

export const EXIT_CODES = {
  ok: { code: 0, meaning: "Done, or stopped as asked.", advice: "Nothing." },
  bug: {
    code: 1,
    meaning: "A bug in Logboat: it stopped before it could answer wrongly.",
    advice: "Start it again; report the lines it printed.",
  },
  usage: {
    code: 2,
    meaning: "A wrong subcommand, flag, variable or setting. Nothing was started.",
    advice: "Each problem is one line that says what was expected.",
  },
  cannotListen: {
    code: 3,
    meaning: "An address to listen on is in use, not this machine's, or not allowed.",
    advice: "Stop the other process or choose another address.",
  },
  locked: {
    code: 4,
    meaning: "Another process has the data directory open.",
    advice: "Stop it, or give this node a directory of its own.",
  },
  unusableData: {
    code: 5,
    meaning:
      "The data directory cannot be made, read or written, or is full; or a file to import " +
      "cannot be read.",
    advice: "The message names the path and what is wrong with it.",
  },
  damagedData: {
    code: 6,
    meaning: "Damage on disk that no crash explains, or in a file to import. Nothing was changed.",
    advice: "Keep a copy of the directory; the message names file and byte.",
  },
  diskFailed: {
    code: 7,
    meaning: "While running: a write or sync failed, or the disk did not answer in time.",
    advice: "Look at the disk before starting again.",
  },
  wrongIdentity: {
    code: 8,
    meaning: "The data directory belongs to another node or another cluster.",
    advice: "Set node.id, node.data-dir and the peers right.",
  },
  replaced: {
    code: 9,
    meaning: "The other members know another process as this node.",
    advice: "Find the second process, or the copied data directory.",
  },
  notHealthy: {
    code: 10,
    meaning: "The node that a subcommand asked does not answer, or is not ready.",
    advice: "The message gives the node's reason.",
  },
  demoFailed: {
    code: 11,
    meaning: "logboat demo: a node could not be started.",
    advice: "The node's own lines say why.",
  },
  importIncomplete: {
    code: 12,
    meaning: "logboat import, restore: not every key of the file is, or could be, taken in.",
    advice:
      "The message says how many and why; importing again is safe, and restore wrote nothing.",
  },
  removed: {
    code: 13,
    meaning: "The node was removed from its cluster.",
    advice: "Do not start it again: it can join anew, with an empty data directory.",
  },
  refused: {
    code: 14,
    meaning: "The cluster refused what was asked of it. Nothing was changed.",
    advice: "The message says why, and what would be accepted.",
  },
  unknownOutcome: {
    code: 15,
    meaning: "logboat cluster: it is not known whether the change was made; it may still be.",
    advice: "Look at `logboat cluster status` before asking again.",
  },
  backupIncomplete: {
    code: 16,
    meaning:
      "logboat backup: no whole, correct file arrived. An earlier file of that name is untouched.",
    advice: "The message says what was wrong; ask again, or another node.",
  },
  outdated: {
    code: 17,
    meaning: "The data, or the cluster, is of a later release than this program.",
    advice: "Start the newer release.",
  },
  interrupted: {
    code: 130,
    meaning: "A second SIGINT: stopped at once, as a crash would.",
    advice: "Nothing that was acknowledged is lost.",
  },
  terminated: {
    code: 143,
    meaning: "A second SIGTERM, or a stop that took longer than process.shutdown-grace-ms.",
    advice: "Nothing that was acknowledged is lost.",
  },
} as const satisfies Readonly<Record<string, ExitCode>>;

export type ExitName = keyof typeof EXIT_CODES;

/** For `--help`. */
export function exitCodesHelp(): string {
  return Object.values(EXIT_CODES)
    .map(({ code, meaning }) => `  ${String(code).padStart(3)}  ${meaning}\n`).join("");
}

/** For README.md. */
export function exitCodesTable(): string {
  const rows = Object.values(EXIT_CODES)
    .map(({ code, meaning, advice }) => `| ${code} | ${meaning} | ${advice} |`);
  return ["| code | meaning | what to do |", "| --- | --- | --- |", ...rows].join("\n") + "\n";
}
