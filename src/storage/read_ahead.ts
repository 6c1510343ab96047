/** Reads a file's parts in order, each while its taker still has the one before. */

/**
 * What `read` gives for 0 to `count` - 1. One read is under way at a time; it has ended when the
 * generator has. An error is thrown when it is its part's turn.
 */
export async function* readAhead<T>(
  count: number,
  read: (part: number) => Promise<T>,
): AsyncGenerator<T> {
  let next: Promise<T> | undefined;
  try {
    for (let part = 0; part < count; part++) {
      const found = await (next ?? read(part));
      next = part + 1 < count ? read(part + 1) : undefined;
      // Whoever stops here never asks for it.
      next?.catch(() => {});
      yield found;
    }
  } finally {
    await next?.catch(() => {});
  }
}
