/** The adapter for Deno. */

import type { Platform } from "../ports.ts";
import { denoClock } from "./clock.ts";
import { denoDisk } from "./disk.ts";
import { denoHttp } from "./http.ts";
import { denoNet } from "./net.ts";
import { denoProcess } from "./process.ts";

/** Everything on `Deno.*` (and `node:fs` for positional files). One for the process. */
export function denoPlatform(): Platform {
  return {
    name: "deno",
    clock: denoClock,
    disk: denoDisk,
    net: denoNet,
    http: denoHttp,
    process: denoProcess(),
  };
}
