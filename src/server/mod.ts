/** The Redis listener: sessions, dispatch, transactions, limits, and the commands about itself. */

export { MigrationTarget, TargetLost } from "./migration_target.ts";
export * from "./server.ts";
export { sessionCommands } from "./session_commands.ts";
export * from "./settings.ts";
