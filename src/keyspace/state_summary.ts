/**
 * A cheap 64-bit summary of some keys, in two 32-bit lanes: what members compare while they run. The
 * elements are added up, so their order does not matter. Of a long string a window is summed up, of a
 * large hash a stretch of fields; they move on with `round`, so that all of it has its turn.
 */

import type { DeadlineMs } from "./deadline_heap.ts";
import { hashCode } from "./hash_code.ts";
import { HashValue } from "./hash_value.ts";
import { isStringValue, stringText, type StringValue } from "./string_value.ts";
import { typeOfValue, type Value } from "./value.ts";

/** Longer strings are summed up window by window. */
const WINDOW_BYTES = 4096;

export class StateSummary {
  readonly #round: number;
  #first = 0;
  #second = 0;

  constructor(round: number) {
    this.#round = round;
  }

  get first(): number {
    return this.#first;
  }

  get second(): number {
    return this.#second;
  }

  /** Adds a key, by its hash, with all that it holds. */
  addKey(db: number, hash: number, value: Value, deadlineMs: DeadlineMs | undefined): void {
    const deadline = deadlineMs === undefined ? 0 : wordOfNumber(deadlineMs);
    const held = isStringValue(value) ? this.#wordOfString(value) : this.#wordOfCollection(value);
    this.#add(Math.imul(hash ^ db, 0x9e3779b1) ^ deadline, held);
  }

  #add(key: number, held: number): void {
    const mixed = mix(mix(key) ^ held);
    this.#first = (this.#first + mixed) | 0;
    this.#second = (this.#second + mix(mixed ^ Math.imul(held, 0x85ebca6b))) | 0;
  }

  #wordOfCollection(value: Exclude<Value, StringValue>): number {
    let word = hashCode(typeOfValue(value)) ^ value.size;
    if (!(value instanceof HashValue)) return word;
    value.forSomeFields(this.#round, (fieldValue, field) => {
      word = (word + mix(hashCode(field) ^ mix(this.#wordOfString(fieldValue)))) | 0;
    });
    return mix(word);
  }

  #wordOfString(value: StringValue): number {
    if (typeof value === "number") return hashCode(String(value));
    const length = value.length;
    if (length <= WINDOW_BYTES) return hashCode(stringText(value));
    const windows = Math.ceil(length / WINDOW_BYTES);
    const from = (this.#round % windows) * WINDOW_BYTES;
    const window = typeof value === "string"
      ? hashCode(value.slice(from, from + WINDOW_BYTES))
      : hashCode(stringText(value.subarray(from, from + WINDOW_BYTES)));
    return mix(window ^ length);
  }
}

function wordOfNumber(value: DeadlineMs): number {
  if (typeof value === "bigint") return hashCode(value.toString());
  return mix((value | 0) ^ Math.imul(Math.floor(value / 0x1_0000_0000), 0xcc9e2d51)) | 1;
}

function mix(word: number): number {
  let mixed = Math.imul(word ^ (word >>> 16), 0x7feb352d);
  mixed = Math.imul(mixed ^ (mixed >>> 15), 0x846ca68b);
  return mixed ^ (mixed >>> 16);
}
