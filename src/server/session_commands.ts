/** Every command that a session executes itself. */

import { clientCommands } from "./client_commands.ts";
import { clusterCommands } from "./cluster_commands.ts";
import { commandCommands } from "./command_commands.ts";
import { configCommands } from "./config_commands.ts";
import { connectionCommands } from "./connection_commands.ts";
import { migrateCommands } from "./migrate_commands.ts";
import { serverCommands } from "./server_commands.ts";
import type { SessionCommand } from "./session_command.ts";
import { transactionCommands } from "./transaction_commands.ts";

export const sessionCommands: readonly SessionCommand[] = [
  ...connectionCommands,
  ...clientCommands,
  ...clusterCommands,
  ...commandCommands,
  ...configCommands,
  ...migrateCommands,
  ...serverCommands,
  ...transactionCommands,
];
