/** Settings: one schema, three sources, one typed result or a list of problems. Pure. */

export {
  formatHostPort,
  type HostPort,
  isLoopback,
  isWildcard,
  parseHostPort,
} from "../base/mod.ts";
export * from "./cluster_seed.ts";
export * from "./flags.ts";
export * from "./keys.ts";
export * from "./load.ts";
export * from "./nearest.ts";
export * from "./render.ts";
export { TIMING_PRESETS } from "./schema.ts";
export type { PeerSettings, Settings } from "./settings.ts";
export * from "./size.ts";
