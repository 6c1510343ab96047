/**
 * The hash that decides a key's place. It has no seed, so that a SCAN cursor means the same on every
 * member and after a restart. Keys made to collide cost their owner a slower SCAN, nothing else:
 * look-ups inside a bucket use the runtime's own seeded hash (see `HashTable`).
 */

/** 32 bits, unsigned: one multiply a byte and the finalizer of MurmurHash3. */
export function hashCode(text: string): number {
  let hash = text.length;
  for (let i = 0; i < text.length; i++) {
    hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
    hash ^= hash >>> 15;
  }
  hash ^= hash >>> 16;
  hash = Math.imul(hash, 0x85ebca6b);
  hash ^= hash >>> 13;
  hash = Math.imul(hash, 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}
