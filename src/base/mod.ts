/** What every folder may use: no I/O, no clock, no knowledge of Raft or Redis. */

export * from "./address.ts";
export * from "./assert.ts";
export * from "./brand.ts";
export * from "./byte_reader.ts";
export * from "./byte_writer.ts";
export * from "./crc32.ts";
export * from "./latin1.ts";
export * from "./logger.ts";
export * from "./prng.ts";
export * from "./ring.ts";
