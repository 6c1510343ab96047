/** Replies that many commands share. Texts are Redis 7.0's, byte for byte. */

import { RespError } from "../resp/mod.ts";

export const WRONG_TYPE = new RespError(
  "WRONGTYPE Operation against a key holding the wrong kind of value",
);
export const SYNTAX_ERROR = new RespError("ERR syntax error");
export const NOT_AN_INTEGER = new RespError("ERR value is not an integer or out of range");
export const NOT_A_FLOAT = new RespError("ERR value is not a valid float");
export const OUT_OF_RANGE = new RespError("ERR value is out of range");
export const NO_SUCH_KEY = new RespError("ERR no such key");
export const SAME_OBJECT = new RespError("ERR source and destination objects are the same");
export const DB_OUT_OF_RANGE = new RespError("ERR DB index is out of range");
export const OVERFLOW = new RespError("ERR increment or decrement would overflow");
export const NAN_OR_INFINITY = new RespError("ERR increment would produce NaN or Infinity");
export const STRING_TOO_LONG = new RespError(
  "ERR string exceeds maximum allowed size (proto-max-bulk-len)",
);
export const INVALID_CURSOR = new RespError("ERR invalid cursor");

/** The wrong number of arguments for a command; `name` as declared. */
export function arityError(name: string): RespError {
  return new RespError(`ERR wrong number of arguments for '${name}' command`);
}

export function invalidExpireTime(name: string): RespError {
  return new RespError(`ERR invalid expire time in '${name}' command`);
}

/** A text of the client's inside an error: line ends would split the reply (Redis trims them). */
export function oneLine(text: string): string {
  return text.replace(/[\r\n]+$/, "").replace(/[\r\n]/g, " ");
}
