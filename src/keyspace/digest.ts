/**
 * A 128-bit digest of logical contents, for comparing replicas. Not cryptographic: it finds
 * divergence by mistake, not by intent. Four 32-bit lanes, each a running MurmurHash3-like mix;
 * unordered elements are mixed one by one and added up, so that their order does not matter.
 */

export type DigestLanes = [number, number, number, number];

const MULTIPLIERS = [0xcc9e2d51, 0x1b873593, 0x85ebca6b, 0xc2b2ae35] as const;

export function newDigest(): DigestLanes {
  return [0x9368e53c, 0x586dcd20, 0x8bf4abaa, 0x2d2816fe];
}

/** Adds an ordered 32-bit word. */
export function digestOfWord(word: number, lanes: DigestLanes): void {
  for (let lane = 0; lane < 4; lane++) {
    let mixed = Math.imul(lanes[lane] ^ word, MULTIPLIERS[lane]);
    mixed ^= mixed >>> 15;
    lanes[lane] = (Math.imul(mixed, 5) + 0xe6546b64 + lane) | 0;
  }
}

/** Adds an ordered byte string; its length separates it from what follows. */
export function digestOfText(text: string, lanes: DigestLanes): void {
  digestOfWord(text.length, lanes);
  let at = 0;
  for (; at + 4 <= text.length; at += 4) {
    digestOfWord(
      text.charCodeAt(at) | text.charCodeAt(at + 1) << 8 | text.charCodeAt(at + 2) << 16 |
        text.charCodeAt(at + 3) << 24,
      lanes,
    );
  }
  let rest = 0;
  for (; at < text.length; at++) rest = rest << 8 | text.charCodeAt(at);
  digestOfWord(rest, lanes);
}

/** Adds an element whose place does not matter; `element` is finished and used up. */
export function addUnordered(sum: DigestLanes, element: DigestLanes): void {
  for (let round = 0; round < 2; round++) {
    for (let lane = 0; lane < 4; lane++) {
      let mixed = element[lane] ^ element[(lane + 1) & 3];
      mixed = Math.imul(mixed ^ (mixed >>> 16), 0x85ebca6b);
      mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
      element[lane] = mixed ^ (mixed >>> 16);
    }
  }
  for (let lane = 0; lane < 4; lane++) sum[lane] = (sum[lane] + element[lane]) | 0;
}

/** 32 hexadecimal digits. */
export function digestText(lanes: DigestLanes): string {
  return lanes.map((lane) => (lane >>> 0).toString(16).padStart(8, "0")).join("");
}
