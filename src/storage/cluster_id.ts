/** The cluster id: 32 lower-case hexadecimal digits in text, 16 bytes in files. Pure. */

import { assert } from "../base/mod.ts";

export const CLUSTER_ID_BYTES = 16;
const CLUSTER_ID = /^[0-9a-f]{32}$/;

export function isClusterId(text: string): boolean {
  return CLUSTER_ID.test(text);
}

export function putClusterId(into: Uint8Array, at: number, id: string): void {
  assert(isClusterId(id), `Cannot use cluster id "${id}": want 32 lower-case hexadecimal digits`);
  for (let byte = 0; byte < CLUSTER_ID_BYTES; byte++) {
    into[at + byte] = parseInt(id.slice(2 * byte, 2 * byte + 2), 16);
  }
}

export function clusterIdOf(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) text += byte.toString(16).padStart(2, "0");
  return text;
}
