/** The options that SET and GETEX share, and turning their times into deadlines. */

import { type DeadlineMs, int64, INT64_MAX } from "../keyspace/mod.ts";
import type { Request, RespError } from "../resp/mod.ts";
import { int64At, optionAt } from "./arguments.ts";
import { invalidExpireTime, NOT_AN_INTEGER } from "./errors.ts";

/** How a time to live was given. */
export type ExpiryUnit = "ex" | "px" | "exat" | "pxat";

export interface StringOptions {
  /** nx or xx. */
  condition: "nx" | "xx" | undefined;
  get: boolean;
  keepTtl: boolean;
  persist: boolean;
  unit: ExpiryUnit | undefined;
  /** The argument that holds the time; 0 without a unit. */
  timeAt: number;
}

/**
 * Options from argument `from` on (Redis `parseExtendedStringArgumentsOrReply`); undefined for a
 * syntax error. In any order; of a repeated option the last one counts.
 */
export function parseStringOptions(
  request: Request,
  from: number,
  command: "set" | "getex",
): StringOptions | undefined {
  const options: StringOptions = {
    condition: undefined,
    get: false,
    keepTtl: false,
    persist: false,
    unit: undefined,
    timeAt: 0,
  };
  for (let i = from; i < request.length; i++) {
    const name = optionAt(request, i);
    switch (name) {
      case "nx":
      case "xx":
        if (command !== "set" || (options.condition ?? name) !== name) return undefined;
        options.condition = name;
        break;
      case "get":
        if (command !== "set") return undefined;
        options.get = true;
        break;
      case "keepttl":
        if (command !== "set" || options.unit !== undefined) return undefined;
        options.keepTtl = true;
        break;
      case "persist":
        if (command !== "getex" || options.unit !== undefined) return undefined;
        options.persist = true;
        break;
      case "ex":
      case "px":
      case "exat":
      case "pxat":
        if (options.keepTtl || options.persist || i + 1 === request.length) return undefined;
        if ((options.unit ?? name) !== name) return undefined;
        options.unit = name;
        options.timeAt = ++i;
        break;
      default:
        return undefined;
    }
  }
  return options;
}

/**
 * The deadline that argument `i` names, or an error: times must be positive and the deadline within
 * 64 bits (Redis `getExpireMillisecondsOrReply`). `command` is for the error's text.
 */
export function deadlineAt(
  request: Request,
  i: number,
  unit: ExpiryUnit,
  nowMs: number,
  command: string,
): DeadlineMs | RespError {
  const time = int64At(request, i);
  if (time === undefined) return NOT_AN_INTEGER;
  if (time <= 0) return invalidExpireTime(command);
  const inSeconds = unit === "ex" || unit === "exat";
  const relative = unit === "ex" || unit === "px";
  const fast = Number(time) * (inSeconds ? 1000 : 1) + (relative ? nowMs : 0);
  if (Number.isSafeInteger(fast) && typeof time === "number") return fast;
  const exact = BigInt(time) * (inSeconds ? 1000n : 1n) + (relative ? BigInt(nowMs) : 0n);
  return exact > INT64_MAX ? invalidExpireTime(command) : int64(exact);
}
