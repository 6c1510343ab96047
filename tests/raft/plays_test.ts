/**
 * Runs the text plays in `plays/`. With LOGBOAT_REWRITE=1, or `-- --rewrite`, what follows from each
 * command is written anew: read the difference before keeping it.
 */

import { Play } from "./lab/play.ts";
import { assertEquals } from "../support/assert.ts";

const DIRECTORY = new URL("./plays/", import.meta.url);
const rewrite = Deno.env.get("LOGBOAT_REWRITE") === "1" || Deno.args.includes("--rewrite");

/** Comments and commands as they are; behind each command what follows from it. */
function perform(text: string): string {
  const play = new Play();
  const blocks: string[] = [];
  for (const block of text.trim().split(/\n\n+/)) {
    const lines = block.split("\n").filter((line) => line.startsWith("#") || line.startsWith(">"));
    const played = lines.flatMap((line) =>
      line.startsWith(">") ? [line, ...play.run(line.slice(1).trim())] : [line]
    );
    blocks.push(played.join("\n"));
  }
  return blocks.join("\n\n") + "\n";
}

for (const { name } of [...Deno.readDirSync(DIRECTORY)].sort((a, b) => a.name < b.name ? -1 : 1)) {
  Deno.test(`play ${name.replace(/\.txt$/, "")}`, () => {
    const file = new URL(name, DIRECTORY);
    const text = Deno.readTextFileSync(file);
    const played = perform(text);
    if (rewrite && played !== text) Deno.writeTextFileSync(file, played);
    else assertEquals(text, played);
  });
}
