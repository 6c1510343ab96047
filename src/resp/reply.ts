/**
 * What a command answers, before it is known whether the client speaks RESP2 or RESP3
 * (RESP3 spec; redis.io/docs/latest/develop/reference/protocol-spec). The encoder chooses the form.
 *
 * | value | RESP2 | RESP3 |
 * |---|---|---|
 * | `number`, `bigint` | integer | integer |
 * | `string` (byte string), `Uint8Array` | bulk string | bulk string |
 * | `null` | null bulk string | null |
 * | `NULL_ARRAY` | null array | null |
 * | `Reply[]` | array | array |
 * | `SimpleString`, `RespError` | the same | the same |
 * | `RespMap` | flat array | map |
 * | `RespSet` | array | set |
 * | `RespPairs` | flat array | array of pairs |
 * | `RespDouble` | bulk string | double |
 * | `RespBoolean` | integer 0 or 1 | boolean |
 * | `RespVerbatim` | bulk string | verbatim string |
 * | `RespPush` | array | push |
 * | `RespPinned` | in its own version | in its own version |
 */

/** The protocol of a reply: 2 or 3, as chosen by `HELLO`. */
export type RespVersion = 2 | 3;

export type Reply =
  | number
  | bigint
  | string
  | Uint8Array
  | null
  | readonly Reply[]
  | NullArray
  | SimpleString
  | RespError
  | RespMap
  | RespSet
  | RespPairs
  | RespDouble
  | RespBoolean
  | RespVerbatim
  | RespPush
  | RespPinned;

/** A status such as `OK`. No CR or LF inside. */
export class SimpleString {
  readonly text: string;
  constructor(text: string) {
    this.text = text;
  }
}

/** An error, its code first: `WRONGTYPE Operation against …`. A value, never thrown. */
export class RespError {
  readonly text: string;
  constructor(text: string) {
    this.text = text;
  }
}

/** Null where the RESP2 form is `*-1`. */
export class NullArray {}

/** Key, value, key, value … */
export class RespMap {
  readonly flat: readonly Reply[];
  constructor(flat: readonly Reply[]) {
    this.flat = flat;
  }
}

export class RespSet {
  readonly members: readonly Reply[];
  constructor(members: readonly Reply[]) {
    this.members = members;
  }
}

/** First, second, first, second …: flat in RESP2, an array of two-element arrays in RESP3. */
export class RespPairs {
  readonly flat: readonly Reply[];
  constructor(flat: readonly Reply[]) {
    this.flat = flat;
  }
}

export class RespDouble {
  readonly value: number;
  constructor(value: number) {
    this.value = value;
  }
}

export class RespBoolean {
  readonly value: boolean;
  constructor(value: boolean) {
    this.value = value;
  }
}

/** Text for people; `format` is `txt` or `mkd`. */
export class RespVerbatim {
  readonly text: string;
  readonly format: string;
  constructor(text: string, format = "txt") {
    this.text = text;
    this.format = format;
  }
}

export class RespPush {
  readonly items: readonly Reply[];
  constructor(items: readonly Reply[]) {
    this.items = items;
  }
}

/** A part of a reply that keeps the protocol of its moment: `HELLO` inside MULTI changes the rest. */
export class RespPinned {
  readonly reply: Reply;
  readonly version: RespVersion;
  constructor(reply: Reply, version: RespVersion) {
    this.reply = reply;
    this.version = version;
  }
}

export const OK = new SimpleString("OK");
export const PONG = new SimpleString("PONG");
export const QUEUED = new SimpleString("QUEUED");
export const NULL_ARRAY = new NullArray();
