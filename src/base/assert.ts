/**
 * Assertions that stay on in production. A failed one is a bug in Logboat: the process must stop
 * before it answers anything (architecture D9), so nobody catches `AssertionError` to go on.
 */

/** A programming error in Logboat itself, never an outcome that a caller may handle. */
export class AssertionError extends Error {
  override readonly name = "AssertionError";
}

/** Stops with `message` unless `condition` holds. Message grammar: action, found, wanted. */
export function assert(condition: boolean, message: string): asserts condition {
  if (!condition) throw new AssertionError(message);
}

/** Ends a `switch` over a union: the compiler proves that no case is missing. */
export function unreachable(value: never): never {
  throw new AssertionError(`Cannot handle ${JSON.stringify(value)}: no case for it`);
}
