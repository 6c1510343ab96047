/** Numbers of the RDB format (Redis 7.0 `rdb.h`), and the names of its types. */

import { RdbError } from "./rdb_error.ts";

/** What Logboat writes, and the newest that it reads: Redis 7.0. */
export const RDB_VERSION = 10;
/** Files of older versions end without a checksum. */
export const RDB_VERSION_WITH_CHECKSUM = 5;

/** Largest string of a file, as in Redis (`proto-max-bulk-len`). */
export const RDB_STRING_BYTES_MAX = 512 * 1024 * 1024;

export const OPCODE = {
  slotInfo: 0xf4,
  function2: 0xf5,
  functionPreRelease: 0xf6,
  moduleAux: 0xf7,
  idle: 0xf8,
  frequency: 0xf9,
  aux: 0xfa,
  resizeDb: 0xfb,
  deadlineMs: 0xfc,
  deadlineSeconds: 0xfd,
  selectDb: 0xfe,
  end: 0xff,
} as const;

export const TYPE = {
  string: 0,
  list: 1,
  set: 2,
  zset: 3,
  hash: 4,
  zset2: 5,
  module: 6,
  module2: 7,
  hashZipmap: 9,
  listZiplist: 10,
  setIntset: 11,
  zsetZiplist: 12,
  hashZiplist: 13,
  listQuicklist: 14,
  stream: 15,
  hashListpack: 16,
  zsetListpack: 17,
  listQuicklist2: 18,
  stream2: 19,
  setListpack: 20,
  stream3: 21,
} as const;

/** What TYPE answers for a value of this type in Redis; undefined for one that is not known. */
export function nameOfType(type: number): string | undefined {
  return TYPE_NAMES[type];
}

const TYPE_NAMES: Readonly<Record<number, string>> = {
  [TYPE.string]: "string",
  [TYPE.list]: "list",
  [TYPE.listZiplist]: "list",
  [TYPE.listQuicklist]: "list",
  [TYPE.listQuicklist2]: "list",
  [TYPE.set]: "set",
  [TYPE.setIntset]: "set",
  [TYPE.setListpack]: "set",
  [TYPE.zset]: "zset",
  [TYPE.zset2]: "zset",
  [TYPE.zsetZiplist]: "zset",
  [TYPE.zsetListpack]: "zset",
  [TYPE.hash]: "hash",
  [TYPE.hashZipmap]: "hash",
  [TYPE.hashZiplist]: "hash",
  [TYPE.hashListpack]: "hash",
  [TYPE.stream]: "stream",
  [TYPE.stream2]: "stream",
  [TYPE.stream3]: "stream",
  [TYPE.module]: "module",
  [TYPE.module2]: "module",
};

/** How the first two bits of a length say where the rest is. */
export const LENGTH_FORM = { bits6: 0, bits14: 1, wide: 2, encoded: 3 } as const;
export const LENGTH_32 = 0x80;
export const LENGTH_64 = 0x81;

/** Strings that are not plain bytes. */
export const ENCODED = { int8: 0xc0, int16: 0xc1, int32: 0xc2, lzf: 0xc3 } as const;

/** The bytes are nonsense. */
export function damaged(what: string): RdbError {
  return new RdbError("damaged", `Cannot read RDB data: ${what}`);
}
