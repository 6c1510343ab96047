/**
 * What can be wrong with an RDB file or a DUMP payload. Not a bug of ours: the bytes are not what
 * the format says, or are of a version or a type that Logboat does not have.
 */

/** Bytes changed on the way; a format of the future; nonsense; a type that Logboat does not have. */
export type RdbProblem = "badChecksum" | "newerVersion" | "damaged" | "unsupportedType";

/** `message` says what was found and where. */
export class RdbError extends Error {
  override readonly name = "RdbError";
  readonly problem: RdbProblem;
  constructor(problem: RdbProblem, message: string) {
    super(message);
    this.problem = problem;
  }
}
