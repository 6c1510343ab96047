/** Runs the contract on the node adapter and prints a JSON line for each case. For Bun. */

import process from "node:process";
import { nodePlatform } from "../../../src/platform/node/mod.ts";
import { contractCases, withDirectory } from "./mod.ts";

const platform = nodePlatform();
const blackHolePort = Number(platform.process.args[0]);
for (const { name, run } of contractCases) {
  let failure = "";
  try {
    await withDirectory((directory) => run({ platform, directory, blackHolePort }));
  } catch (error) {
    failure = error instanceof Error ? error.stack ?? error.message : String(error);
    if (error instanceof Error && !failure.includes(error.message)) {
      failure = `${error.message}\n${failure}`;
    }
  }
  const line = JSON.stringify({ runtime: platform.process.versions.runtime, name, failure });
  await platform.process.writeStdout(new TextEncoder().encode(`${line}\n`));
}
process.exit(0);
