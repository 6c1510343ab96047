/**
 * A rolling 64-bit hash of what a machine has applied and holds (architecture P5), in two 32-bit
 * lanes: every entry's checksum, every reply, and, every 256th entry, one of 4096 slices of hash space,
 * so that the whole state has its turn within 2^20 entries. Members compare it while they run. Not
 * cryptographic: it finds divergence by mistake, not by intent.
 */

import type { Keyspace } from "../keyspace/mod.ts";
import {
  type Reply,
  RespDouble,
  RespError,
  RespMap,
  RespPairs,
  RespSet,
  SimpleString,
} from "../resp/mod.ts";

/** A slice is folded in at every index that this divides; members compare their hashes there. */
export const STATE_HASH_INTERVAL = 256;
const SLICES = 4096;
const SLICE_WIDTH = 2 ** 32 / SLICES;

/** Of a long text or list so much at either end counts, and its length. */
const ENDS_LENGTH = 32;

export class StateHash {
  #first = 0x9368e53c | 0;
  #second = 0x586dcd20 | 0;

  /** 16 hexadecimal digits. */
  get text(): string {
    return hex(this.#first) + hex(this.#second);
  }

  /** Goes on from the hash of a snapshot: 16 hexadecimal digits. */
  restore(text: string): void {
    this.#first = parseInt(text.slice(0, 8), 16) | 0;
    this.#second = parseInt(text.slice(8), 16) | 0;
  }

  /** Adds a 32-bit word. */
  word(word: number): void {
    let first = Math.imul(this.#first ^ word, 0xcc9e2d51);
    first ^= first >>> 15;
    this.#first = (Math.imul(first, 5) + 0xe6546b64) | 0;
    let second = Math.imul(this.#second ^ word, 0x1b873593);
    second ^= second >>> 13;
    this.#second = (Math.imul(second, 5) + 0x38b34ae5) | 0;
  }

  /** Adds a number that may need more than 32 bits. */
  number(value: number): void {
    this.word(value | 0);
    if (value !== (value | 0)) this.word(Math.floor(value / 0x1_0000_0000) | 0);
  }

  reply(reply: Reply): void {
    if (reply === null) return this.word(1);
    if (typeof reply === "number") {
      this.word(2);
      return this.number(reply);
    }
    if (typeof reply === "string") return this.#text(3, reply);
    if (reply instanceof SimpleString) return this.#text(4, reply.text);
    if (reply instanceof Uint8Array) return this.#bytes(reply);
    if (Array.isArray(reply)) return this.#list(5, reply);
    if (typeof reply === "bigint") return this.#text(6, reply.toString());
    if (reply instanceof RespError) return this.#text(7, reply.text);
    if (reply instanceof RespMap || reply instanceof RespPairs) return this.#list(8, reply.flat);
    if (reply instanceof RespSet) return this.#list(9, reply.members);
    if (reply instanceof RespDouble) return this.#text(10, String(reply.value));
    // The others are answers about a connection or a constant: no write command has them.
    this.word(11);
  }

  /** Folds in the slice of the keyspace whose turn it is at `index`. */
  slice(index: number, keyspace: Keyspace): void {
    const turn = Math.floor(index / STATE_HASH_INTERVAL);
    const from = (turn % SLICES) * SLICE_WIDTH;
    const { first, second } = keyspace.summarize(
      from,
      from + SLICE_WIDTH,
      Math.floor(turn / SLICES),
    );
    this.word(first);
    this.word(second);
  }

  #list(kind: number, items: readonly Reply[]): void {
    this.word(kind);
    this.word(items.length);
    const head = Math.min(items.length, ENDS_LENGTH);
    for (let i = 0; i < head; i++) this.reply(items[i]);
    for (let i = Math.max(head, items.length - ENDS_LENGTH); i < items.length; i++) {
      this.reply(items[i]);
    }
  }

  #text(kind: number, text: string): void {
    this.word(kind);
    this.word(text.length);
    const head = Math.min(text.length, ENDS_LENGTH);
    let word = 0;
    for (let i = 0; i < head; i++) word = Math.imul(word ^ text.charCodeAt(i), 0x01000193);
    for (let i = Math.max(head, text.length - ENDS_LENGTH); i < text.length; i++) {
      word = Math.imul(word ^ text.charCodeAt(i), 0x01000193);
    }
    this.word(word);
  }

  /** As the text of the same bytes: which of the two a value is may differ between members. */
  #bytes(bytes: Uint8Array): void {
    this.word(3);
    this.word(bytes.length);
    const head = Math.min(bytes.length, ENDS_LENGTH);
    let word = 0;
    for (let i = 0; i < head; i++) word = Math.imul(word ^ bytes[i], 0x01000193);
    for (let i = Math.max(head, bytes.length - ENDS_LENGTH); i < bytes.length; i++) {
      word = Math.imul(word ^ bytes[i], 0x01000193);
    }
    this.word(word);
  }
}

function hex(lane: number): string {
  return (lane >>> 0).toString(16).padStart(8, "0");
}
