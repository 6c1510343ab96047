/** The program's entry: the command line on the adapter of this runtime. */

import { runCli } from "./cli/mod.ts";
import { runtimePlatform } from "./platform/runtime.ts";

await runCli(runtimePlatform());
