/**
 * Which adapter serves this process. Only `main.ts` and the tests of processes ask; everything
 * else is given a `Platform`. The adapter that is not chosen is never called: `deno/` touches `Deno`
 * only when its platform is made.
 */

import { denoPlatform } from "./deno/mod.ts";
import { nodePlatform } from "./node/mod.ts";
import type { Platform } from "./ports.ts";

/** The adapter for the runtime that this process runs on. */
export function runtimePlatform(): Platform {
  return "Deno" in globalThis ? denoPlatform() : nodePlatform();
}
