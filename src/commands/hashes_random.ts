/** HRANDFIELD: fields drawn at random. */

import { type HashValue, INT64_MAX, INT64_MIN, stringReply } from "../keyspace/mod.ts";
import { type Reply, RespError, RespPairs } from "../resp/mod.ts";
import { int64At, keyAt, optionAt } from "./arguments.ts";
import { type DataCommand, defineCommand } from "./define.ts";
import { NOT_AN_INTEGER, OUT_OF_RANGE, SYNTAX_ERROR } from "./errors.ts";
import { hashAt } from "./hashes_lookup.ts";

const COUNT_OUT_OF_RANGE = new RespError(
  "ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807",
);

/**
 * Elements that a negative count may ask for. Redis builds whatever is asked, 2^63 elements too,
 * until it is out of memory (CVE-2023-22458 is of that kind); here it is an error.
 */
const REPEATED_COUNT_MAX = 1_000_000;

const hrandfield = defineCommand({
  name: "hrandfield",
  arity: -2,
  flags: ["readonly"],
  keys: { first: 1, last: 1, step: 1 },
  group: "hash",
  since: "6.2.0",
  summary: "Answers random fields: distinct ones for a positive count, any for a negative one.",
  complexity: "O(N) where N is the number of fields answered or held",
  execute(context, request) {
    if (request.length === 2) {
      const hash = hashAt(context, keyAt(request, 1));
      if (hash instanceof RespError) return hash;
      return hash === undefined ? null : hash.sample(() => context.random.unit())[0];
    }
    const count = int64At(request, 2);
    if (count === undefined) return NOT_AN_INTEGER;
    if (count === INT64_MIN) return COUNT_OUT_OF_RANGE;
    const withValues = request.length === 4 && optionAt(request, 3) === "withvalues";
    if (request.length > 3 && !withValues) return SYNTAX_ERROR;
    if (withValues && (count > INT64_MAX / 2n || count < -INT64_MAX / 2n)) return OUT_OF_RANGE;
    const hash = hashAt(context, keyAt(request, 1));
    if (hash instanceof RespError) return hash;
    if (hash === undefined || count === 0) return [];
    if (count < -REPEATED_COUNT_MAX) return OUT_OF_RANGE;
    const unit = () => context.random.unit();
    const flat = count < 0
      ? repeated(hash, -Number(count), withValues, unit)
      : distinct(hash, Number(count), withValues, unit);
    return withValues ? new RespPairs(flat) : flat;
  },
});

function repeated(
  hash: HashValue,
  count: number,
  withValues: boolean,
  unit: () => number,
): Reply[] {
  const flat: Reply[] = [];
  for (let i = 0; i < count; i++) {
    const [field, value] = hash.sample(unit);
    flat.push(field);
    if (withValues) flat.push(stringReply(value));
  }
  return flat;
}

/** `count` fields in the hash's order, each set of them equally likely (Knuth 3.4.2, algorithm S). */
function distinct(
  hash: HashValue,
  count: number,
  withValues: boolean,
  unit: () => number,
): Reply[] {
  const flat: Reply[] = [];
  let left = hash.size;
  let wanted = Math.min(count, left);
  hash.forEach((value, field) => {
    if (unit() * left-- < wanted) {
      wanted--;
      flat.push(field);
      if (withValues) flat.push(stringReply(value));
    }
  });
  return flat;
}

export const HASH_RANDOM: readonly DataCommand[] = [hrandfield];
