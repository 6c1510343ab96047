/** Fault tests of `tests/e2e` that need no network of their own: run as they are. */

import { assert } from "../support/assert.ts";
import type { Scenario } from "./scenario.ts";

const root = new URL("../../", import.meta.url).pathname;

function existing(name: string, file: string, title: string): Scenario {
  return {
    name: `${name}t`,
    title,
    async run({ note }) {
      const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
        args: ["test", "-A", "--no-check", "--filter", `/^${name}:/`, `${root}tests/e2e/${file}`],
        env: { NO_COLOR: "1" },
      }).output();
      const output = new TextDecoder().decode(stdout);
      const summary = /^(?:ok|FAILED) \| (\d+) passed.*/m.exec(output);
      assert(
        code === 0 && summary !== null && Number(summary[1]) > 0,
        `${output}\n${new TextDecoder().decode(stderr)}`,
      );
      note(summary[0]);
    },
  };
}

export const existingTests: readonly Scenario[] = [
  existing("E22", "disk_fault_test.ts", "a torn last record is cut off with one warning"),
  existing(
    "E23",
    "disk_fault_test.ts",
    "a damaged record stops a single node, is named and left as it is",
  ),
  existing("E29", "identity_test.ts", "a copied data directory gets no link"),
  existing("E30", "start_test.ts", "a second process on a data directory ends at once"),
];
