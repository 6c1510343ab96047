/**
 * The commands that the replicated machine executes. A family is a file of declarations and one
 * line in the list below.
 */

import { CommandTable } from "./lookup.ts";
import type { DataCommand } from "./define.ts";
import type { Request } from "../resp/mod.ts";
import { STRING_NUMBERS } from "./strings_numbers.ts";
import { STRING_READS } from "./strings_read.ts";
import { STRING_WRITES } from "./strings_write.ts";

export * from "./check.ts";
export * from "./define.ts";
export * from "./lookup.ts";
export { arityError, SYNTAX_ERROR, WRONG_TYPE } from "./errors.ts";

/** Every data command. */
export const DATA_COMMANDS: CommandTable<DataCommand> = new CommandTable<DataCommand>([
  ...STRING_NUMBERS,
  ...STRING_READS,
  ...STRING_WRITES,
]);

/** The data command of a request, or undefined when its name is none of them. */
export function lookupCommand(request: Request): DataCommand | undefined {
  return DATA_COMMANDS.lookup(request);
}
