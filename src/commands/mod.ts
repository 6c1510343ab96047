/**
 * The commands that the replicated machine executes. A family is a file of declarations and one
 * line in the list below.
 */

import type { Request } from "../resp/mod.ts";
import { CLUSTER } from "./cluster.ts";
import { DATABASES } from "./databases.ts";
import type { DataCommand } from "./define.ts";
import { HASH_RANDOM } from "./hashes_random.ts";
import { HASH_READS } from "./hashes_read.ts";
import { HASH_WRITES } from "./hashes_write.ts";
import { KEYS } from "./keys.ts";
import { KEYS_DUMP } from "./keys_dump.ts";
import { KEYS_EXPIRY } from "./keys_expiry.ts";
import { KEYS_OBJECT } from "./keys_object.ts";
import { KEYS_WALK } from "./keys_walk.ts";
import { CommandTable } from "./lookup.ts";
import { SORT } from "./sort.ts";
import { STRING_LCS } from "./strings_lcs.ts";
import { STRING_NUMBERS } from "./strings_numbers.ts";
import { STRING_READS } from "./strings_read.ts";
import { STRING_WRITES } from "./strings_write.ts";

export * from "./check.ts";
export * from "./define.ts";
export * from "./lookup.ts";
export * from "./slot.ts";
export {
  arityError,
  DB_OUT_OF_RANGE,
  NOT_AN_INTEGER,
  oneLine,
  SYNTAX_ERROR,
  WRONG_TYPE,
} from "./errors.ts";

/** Every data command. */
export const DATA_COMMANDS: CommandTable<DataCommand> = new CommandTable<DataCommand>([
  ...CLUSTER,
  ...DATABASES,
  ...HASH_RANDOM,
  ...HASH_READS,
  ...HASH_WRITES,
  ...KEYS,
  ...KEYS_DUMP,
  ...KEYS_EXPIRY,
  ...KEYS_OBJECT,
  ...KEYS_WALK,
  ...SORT,
  ...STRING_LCS,
  ...STRING_NUMBERS,
  ...STRING_READS,
  ...STRING_WRITES,
]);

/** The data command of a request, or undefined when its name is none of them. */
export function lookupCommand(request: Request): DataCommand | undefined {
  return DATA_COMMANDS.lookup(request);
}
