/** Waiting on conditions with a deadline; never a pause that hopes. */

export interface Deadline {
  readonly withinMs: number;
  /** Pause between two looks. */
  readonly everyMs?: number;
}

/**
 * Probes until the answer is neither `undefined` nor `false`, and returns it. At the deadline it
 * throws with `what` and the error of the last probe.
 */
export async function until<T>(
  what: string,
  { withinMs, everyMs = 10 }: Deadline,
  probe: () => T | undefined | false | Promise<T | undefined | false>,
): Promise<T> {
  const endMs = performance.now() + withinMs;
  let lastError: unknown;
  while (true) {
    try {
      const found = await probe();
      if (found !== undefined && found !== false) return found;
      lastError = undefined;
    } catch (error) {
      lastError = error;
    }
    if (performance.now() >= endMs) {
      const detail = lastError === undefined ? "" : ` (last error: ${describe(lastError)})`;
      throw new Error(`Cannot see "${what}": waited ${withinMs} ms${detail}`, { cause: lastError });
    }
    await pause(everyMs);
  }
}

/** Settles as `promise` does, or throws at the deadline. */
export async function within<T>(what: string, withinMs: number, promise: Promise<T>): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const deadline = new Promise<never>((_, reject) => {
    timer = setTimeout(
      () => reject(new Error(`Cannot see "${what}": waited ${withinMs} ms`)),
      withinMs,
    );
  });
  try {
    return await Promise.race([promise, deadline]);
  } finally {
    clearTimeout(timer);
  }
}

/** For pacing load and polling; an assertion must not depend on it. */
export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

function describe(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
