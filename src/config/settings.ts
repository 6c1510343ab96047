/** What the rest of the program sees: typed, complete settings in camel case. */

import type { z } from "zod";
import { type settingsSchema, TIMING_PRESETS } from "./schema.ts";

type Camel<Name extends string> = Name extends `${infer Head}-${infer Tail}`
  ? `${Head}${Capitalize<Camel<Tail>>}`
  : Name;

type CamelKeys<Section> = {
  readonly [Name in keyof Section as Name extends string ? Camel<Name> : never]: Section[Name];
};

export type ParsedFile = z.output<typeof settingsSchema>;

type RaftSection = CamelKeys<ParsedFile["raft"]>;

/** Room for every header of an entry, with some to spare. */
const HEADERS_BYTES = 4096;

/** A member as configured. */
export type PeerSettings = Readonly<ParsedFile["raft"]["peer"][number]>;

/** Complete and valid. Secrets that are kept in files are not read yet. */
export interface Settings {
  readonly node: CamelKeys<ParsedFile["node"]>;
  readonly redis: CamelKeys<ParsedFile["redis"]>;
  /** With the preset's timing where nothing overrides it. */
  readonly raft: Omit<RaftSection, "electionTimeoutMs" | "heartbeatMs" | "peer"> & {
    readonly electionTimeoutMs: { readonly min: number; readonly max: number };
    readonly heartbeatMs: number;
    /** Largest entry of the log: a full batch that ends with the longest command. */
    readonly entryBytesMax: number;
    /** Sorted by id; empty for a cluster of one. */
    readonly peers: readonly PeerSettings[];
  };
  readonly storage: CamelKeys<ParsedFile["storage"]>;
  readonly admin: CamelKeys<ParsedFile["admin"]>;
  readonly log: CamelKeys<ParsedFile["log"]>;
  readonly process: CamelKeys<ParsedFile["process"]>;
}

/** Fills in what follows from other settings. */
export function settingsOf(file: ParsedFile): Settings {
  const { peer, ...raft } = camelKeys(file.raft);
  const preset = TIMING_PRESETS[raft.timing];
  return {
    node: camelKeys(file.node),
    redis: camelKeys(file.redis),
    raft: {
      ...raft,
      electionTimeoutMs: raft.electionTimeoutMs ?? preset.electionTimeoutMs,
      heartbeatMs: raft.heartbeatMs ?? preset.heartbeatMs,
      entryBytesMax: entryBytesMax(file),
      peers: [...peer].sort((a, b) => a.id - b.id),
    },
    storage: camelKeys(file.storage),
    admin: camelKeys(file.admin),
    log: camelKeys(file.log),
    process: camelKeys(file.process),
  };
}

/** A batch adds a byte to each command (at least 14 bytes long), and headers of its own. */
function entryBytesMax({ redis, storage }: ParsedFile): number {
  const commandBytes = Math.ceil(redis["query-bytes-max"] * 1.125);
  return commandBytes + storage["batch-bytes-max"] + HEADERS_BYTES;
}

function camelKeys<Section extends object>(section: Section): CamelKeys<Section> {
  const entries = Object.entries(section).map(([name, value]) => [
    name.replace(/-([a-z])/g, (_, letter: string) => letter.toUpperCase()),
    value,
  ]);
  return Object.fromEntries(entries) as CamelKeys<Section>;
}
