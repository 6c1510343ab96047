/**
 * The adapter on `node:` modules, for Bun. It runs on Deno's `node:` modules too, which is good for
 * tests and not for service: their listener does not survive the end of descriptors.
 */

import type { Platform } from "../ports.ts";
import { nodeClock } from "./clock.ts";
import { nodeDisk } from "./disk.ts";
import { nodeHttp } from "./http.ts";
import { nodeNet } from "./net.ts";
import { nodeProcess } from "./process.ts";

/** Everything on `node:` modules. One for the process. */
export function nodePlatform(): Platform {
  return {
    name: "node",
    clock: nodeClock,
    disk: nodeDisk,
    net: nodeNet,
    http: nodeHttp,
    process: nodeProcess(),
  };
}
