/** The Redis listener: sessions, dispatch, transactions, limits, and the commands about itself. */

export * from "./server.ts";
export { sessionCommands } from "./session_commands.ts";
export * from "./settings.ts";
