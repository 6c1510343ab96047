/** Sizes: plain bytes, or a number with a unit, in powers of 1024 as in Redis's `64mb`. */

const UNIT_BYTES: Readonly<Record<string, number>> = {
  b: 1,
  kb: 1024,
  mb: 1024 ** 2,
  gb: 1024 ** 3,
};

/** Reads `1048576`, `64mb`, `64 MB`; undefined for anything else. */
export function parseBytes(text: string): number | undefined {
  const match = /^(\d{1,15})\s*(b|kb|mb|gb)?$/i.exec(text.trim());
  if (match === null) return undefined;
  const bytes = Number(match[1]) * UNIT_BYTES[(match[2] ?? "b").toLowerCase()];
  return Number.isSafeInteger(bytes) ? bytes : undefined;
}

/** A size for people: `64 MiB`, `1.5 GiB`, `900 bytes`. */
export function formatBytes(bytes: number): string {
  for (const [unit, size] of [["GiB", 1024 ** 3], ["MiB", 1024 ** 2], ["KiB", 1024]] as const) {
    if (bytes >= size) return `${Number((bytes / size).toFixed(2))} ${unit}`;
  }
  return `${bytes} bytes`;
}
