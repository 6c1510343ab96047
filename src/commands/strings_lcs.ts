/** LCS: the longest common subsequence of two strings. */

import { isStringValue, stringText, type Value } from "../keyspace/mod.ts";
import { type Reply, type Request, RespError, RespMap } from "../resp/mod.ts";
import { int64At, keyAt, optionAt, STRING_BYTES_MAX } from "./arguments.ts";
import { type DataCommand, defineCommand } from "./define.ts";
import { NOT_AN_INTEGER, SYNTAX_ERROR } from "./errors.ts";

const NOT_STRINGS = new RespError("ERR The specified keys must contain string values");
const LEN_AND_IDX = new RespError(
  "ERR If you want both the length and indexes, please just use IDX.",
);
const TOO_LARGE = new RespError(
  "ERR Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len",
);

interface LcsOptions {
  idx: boolean;
  len: boolean;
  withMatchLen: boolean;
  minMatchLen: number;
}

const lcs = defineCommand({
  name: "lcs",
  arity: -3,
  flags: ["readonly"],
  keys: { first: 1, last: 2, step: 1 },
  group: "string",
  since: "7.0.0",
  summary: "Answers the longest common subsequence of two strings, its length or where it matches.",
  complexity: "O(N*M) where N and M are the lengths of the strings",
  execute(context, request) {
    const first = context.db.get(keyAt(request, 1));
    const second = context.db.get(keyAt(request, 2));
    if (!fits(first) || !fits(second)) return NOT_STRINGS;
    const options = parseOptions(request);
    if (options instanceof RespError) return options;
    if (options.idx && options.len) return LEN_AND_IDX;
    const a = text(first);
    const b = text(second);
    if ((a.length + 1) * (b.length + 1) * 4 > STRING_BYTES_MAX) return TOO_LARGE;
    const lengths = lengthTable(a, b);
    const length = lengths[lengths.length - 1];
    if (options.idx) {
      return new RespMap(["matches", matches(a, b, lengths, options), "len", length]);
    }
    return options.len ? length : subsequence(a, b, lengths);
  },
});

function fits(value: Value | undefined): boolean {
  return value === undefined || isStringValue(value);
}

function text(value: Value | undefined): string {
  return value !== undefined && isStringValue(value) ? stringText(value) : "";
}

function parseOptions(request: Request): LcsOptions | RespError {
  const options: LcsOptions = { idx: false, len: false, withMatchLen: false, minMatchLen: 0 };
  for (let i = 3; i < request.length; i++) {
    const name = optionAt(request, i);
    if (name === "idx") {
      options.idx = true;
    } else if (name === "len") {
      options.len = true;
    } else if (name === "withmatchlen") {
      options.withMatchLen = true;
    } else if (name === "minmatchlen" && i + 1 < request.length) {
      const given = int64At(request, ++i);
      if (given === undefined) return NOT_AN_INTEGER;
      options.minMatchLen = Math.max(0, Number(given));
    } else {
      return SYNTAX_ERROR;
    }
  }
  return options;
}

/** Cell [i, j], at i * (b.length + 1) + j: the length for the first i bytes of a and j of b. */
function lengthTable(a: string, b: string): Uint32Array {
  const width = b.length + 1;
  const lengths = new Uint32Array((a.length + 1) * width);
  for (let i = 1; i <= a.length; i++) {
    const code = a.charCodeAt(i - 1);
    const row = i * width;
    for (let j = 1; j <= b.length; j++) {
      if (b.charCodeAt(j - 1) === code) {
        lengths[row + j] = lengths[row - width + j - 1] + 1;
      } else {
        const up = lengths[row - width + j];
        const left = lengths[row + j - 1];
        lengths[row + j] = up > left ? up : left;
      }
    }
  }
  return lengths;
}

function subsequence(a: string, b: string, lengths: Uint32Array): string {
  const found: string[] = [];
  backtrack(a, b, lengths, (i) => void found.push(a[i]));
  return found.reverse().join("");
}

/** Ranges that match, from the end to the start, as Redis reports them. */
function matches(a: string, b: string, lengths: Uint32Array, options: LcsOptions): Reply[] {
  const found: Reply[] = [];
  let aStart = -1;
  let bStart = -1;
  let length = 0;
  const emit = () => {
    if (length > 0 && length >= options.minMatchLen) {
      const range: Reply[] = [
        [aStart, aStart + length - 1],
        [bStart, bStart + length - 1],
      ];
      if (options.withMatchLen) range.push(length);
      found.push(range);
    }
    length = 0;
  };
  backtrack(a, b, lengths, (i, j) => {
    if (length > 0 && (aStart !== i + 1 || bStart !== j + 1)) emit();
    aStart = i;
    bStart = j;
    length++;
  });
  emit();
  return found;
}

/** Walks the table from its end and visits each pair of equal bytes of the subsequence. */
function backtrack(
  a: string,
  b: string,
  lengths: Uint32Array,
  visit: (i: number, j: number) => void,
): void {
  const width = b.length + 1;
  let i = a.length;
  let j = b.length;
  while (i > 0 && j > 0) {
    if (a.charCodeAt(i - 1) === b.charCodeAt(j - 1)) {
      visit(--i, --j);
    } else if (lengths[(i - 1) * width + j] > lengths[i * width + j - 1]) {
      i--;
    } else {
      j--;
    }
  }
}

export const STRING_LCS: readonly DataCommand[] = [lcs];
