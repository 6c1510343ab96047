/** The command line program. */

export { runCli } from "./cli.ts";
