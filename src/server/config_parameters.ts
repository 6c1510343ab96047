/** The parameters of CONFIG GET and SET: what each is here, and how a new value is read. */

import { parseInteger } from "./arguments.ts";
import type { RedisServer } from "./server.ts";
import { DATABASES } from "./settings.ts";

export interface ConfigParameter {
  readonly name: string;
  readonly get: (server: RedisServer) => string;
  /** Gives the change to make, or says in Redis's words why not. Missing: fixed while running. */
  readonly parse?: (text: string, server: RedisServer) => (() => void) | string;
}

const MIB = 1024 * 1024;
const U32_MAX = 4_294_967_295;
const I32_MAX = 2_147_483_647;
/** More would not fit the log's largest entry. */
const BULK_BYTES_MAX = 256 * MIB;

export const PARAMETERS: readonly ConfigParameter[] = [
  { name: "appendonly", get: () => "yes" },
  { name: "bind", get: (server) => server.hostname },
  {
    name: "client-output-buffer-limit",
    get: ({ settings }) =>
      `normal ${settings.outputBytesMax} ${settings.outputSoftBytes} ` +
      `${Math.round(settings.outputSoftMs / 1000)}`,
    parse: parseOutputLimit,
  },
  { name: "client-query-buffer-limit", get: ({ settings }) => String(settings.queryBytesMax) },
  { name: "cluster-enabled", get: (server) => server.redirects ? "yes" : "no" },
  { name: "databases", get: () => String(DATABASES) },
  {
    name: "maxclients",
    get: ({ settings }) => String(settings.maxClients),
    parse: (text, server) => {
      const value = integerBetween(text, 1, U32_MAX);
      if (typeof value === "string") return value;
      return () => server.settings.maxClients = value;
    },
  },
  { name: "maxmemory", get: () => "0" },
  { name: "maxmemory-policy", get: () => "noeviction" },
  { name: "port", get: (server) => String(server.port) },
  {
    name: "proto-max-bulk-len",
    get: ({ settings }) => String(settings.bulkBytesMax),
    parse: (text, server) => {
      const value = parseMemory(text);
      if (value === undefined) return "argument must be a memory value";
      if (value < MIB || value > BULK_BYTES_MAX) {
        return `argument must be between ${MIB} and ${BULK_BYTES_MAX} inclusive`;
      }
      return () => {
        server.settings.bulkBytesMax = value;
        server.decoderLimits.bulkBytesMax = value;
      };
    },
  },
  {
    name: "protected-mode",
    get: ({ settings }) => settings.protectedMode ? "yes" : "no",
    parse: (text, server) => {
      const answer = text.toLowerCase();
      if (answer !== "yes" && answer !== "no") return "argument must be 'yes' or 'no'";
      return () => server.settings.protectedMode = answer === "yes";
    },
  },
  { name: "save", get: () => "" },
  {
    name: "timeout",
    get: ({ settings }) => String(Math.round(settings.idleTimeoutMs / 1000)),
    parse: (text, server) => {
      const value = integerBetween(text, 0, I32_MAX);
      if (typeof value === "string") return value;
      return () => server.settings.idleTimeoutMs = value * 1000;
    },
  },
];

function integerBetween(text: string, min: number, max: number): number | string {
  const value = parseInteger(text);
  if (value === undefined) return "argument couldn't be parsed into an integer";
  if (value < min || value > max) return `argument must be between ${min} and ${max} inclusive`;
  return value;
}

const UNITS: Readonly<Record<string, number>> = {
  "": 1,
  b: 1,
  k: 1000,
  kb: 1024,
  m: 1_000_000,
  mb: MIB,
  g: 1_000_000_000,
  gb: 1024 * MIB,
};

function parseMemory(text: string): number | undefined {
  const parts = /^([0-9]{1,15})([a-z]*)$/.exec(text.toLowerCase());
  if (parts === null || !Object.hasOwn(UNITS, parts[2])) return undefined;
  const value = Number(parts[1]) * UNITS[parts[2]];
  return Number.isSafeInteger(value) ? value : undefined;
}

/** `normal <hard> <soft> <soft seconds>`; the other classes of Redis do not exist here. */
function parseOutputLimit(text: string, server: RedisServer): (() => void) | string {
  const parts = text.split(" ").filter((part) => part !== "");
  if (parts.length !== 4) return "Wrong number of arguments in buffer limit configuration.";
  if (parts[0].toLowerCase() !== "normal") {
    return "Invalid client class specified in buffer limit configuration.";
  }
  const hard = parseMemory(parts[1]);
  const soft = parseMemory(parts[2]);
  const seconds = parseInteger(parts[3]);
  if (hard === undefined || soft === undefined || seconds === undefined || seconds < 0) {
    return "Error in hard, soft or soft_seconds setting in buffer limit configuration.";
  }
  return () => {
    server.settings.outputBytesMax = hard;
    server.settings.outputSoftBytes = soft;
    server.settings.outputSoftMs = seconds * 1000;
  };
}
