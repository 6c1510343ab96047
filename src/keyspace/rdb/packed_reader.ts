/**
 * Collections that an RDB file holds as one blob: listpack (Redis 7.0), ziplist (up to 6.2) and
 * zipmap (up to 2.4). Each is read as a flat list of its elements. Every length in them is checked
 * against the end of the blob, because a checksum does not protect from a wrong writer.
 */

import { ByteReader, DecodeError } from "../../base/mod.ts";
import { int64 } from "../int64.ts";
import { type StringValue, stringValue, stringValueOfInt64 } from "../string_value.ts";
import { damaged } from "./format.ts";
import { backLengthBytes } from "./listpack.ts";

/** Field, value, field, value … of a listpack. */
export function readListpack(blob: Uint8Array): StringValue[] {
  return guarded("listpack", () => {
    const reader = new ByteReader(blob);
    const bytes = reader.u32();
    const count = reader.u16();
    if (bytes !== blob.length) throw damaged(`a listpack says ${bytes} bytes, has ${blob.length}`);
    const items: StringValue[] = [];
    while (blob[reader.at] !== END || reader.at >= blob.length) {
      const start = reader.at;
      items.push(listpackItem(reader));
      const length = reader.at - start;
      reader.bytes(backLengthBytes(length));
    }
    reader.u8();
    reader.expectEnd();
    if (count !== COUNT_UNKNOWN && count !== items.length) {
      throw damaged(`a listpack says ${count} elements, has ${items.length}`);
    }
    return items;
  });
}

/** Field, value, field, value … of a ziplist. */
export function readZiplist(blob: Uint8Array): StringValue[] {
  return guarded("ziplist", () => {
    const reader = new ByteReader(blob);
    const bytes = reader.u32();
    reader.u32();
    const count = reader.u16();
    if (bytes !== blob.length) throw damaged(`a ziplist says ${bytes} bytes, has ${blob.length}`);
    const items: StringValue[] = [];
    while (blob[reader.at] !== END || reader.at >= blob.length) {
      if (reader.u8() === ZIPLIST_LONG) reader.u32();
      items.push(ziplistItem(reader));
    }
    reader.u8();
    reader.expectEnd();
    if (count !== COUNT_UNKNOWN && count !== items.length) {
      throw damaged(`a ziplist says ${count} elements, has ${items.length}`);
    }
    return items;
  });
}

/** Field, value, field, value … of a zipmap. */
export function readZipmap(blob: Uint8Array): StringValue[] {
  return guarded("zipmap", () => {
    const reader = new ByteReader(blob);
    reader.u8();
    const items: StringValue[] = [];
    while (blob[reader.at] !== END || reader.at >= blob.length) {
      items.push(stringValue(reader.bytes(zipmapLength(reader))));
      const length = zipmapLength(reader);
      const free = reader.u8();
      items.push(stringValue(reader.bytes(length)));
      reader.bytes(free);
    }
    reader.u8();
    reader.expectEnd();
    return items;
  });
}

const END = 0xff;
const COUNT_UNKNOWN = 0xffff;
const ZIPLIST_LONG = 0xfe;
const ZIPMAP_LONG = 0xfe;

function zipmapLength(reader: ByteReader): number {
  const first = reader.u8();
  if (first < ZIPMAP_LONG) return first;
  if (first === ZIPMAP_LONG) return reader.u32();
  throw damaged("a zipmap has a field without a value");
}

function listpackItem(reader: ByteReader): StringValue {
  const first = reader.u8();
  if (first < 0x80) return first;
  if (first < 0xc0) return stringValue(reader.bytes(first & 0x3f));
  if (first < 0xe0) return (((first & 0x1f) << 8) | reader.u8()) << 19 >> 19;
  if (first < 0xf0) return stringValue(reader.bytes(((first & 0x0f) << 8) | reader.u8()));
  switch (first) {
    case 0xf0:
      return stringValue(reader.bytes(reader.u32()));
    case 0xf1:
      return signed(reader, 2);
    case 0xf2:
      return signed(reader, 3);
    case 0xf3:
      return signed(reader, 4);
    case 0xf4:
      return signed64(reader);
    default:
      throw damaged(`a listpack has an element that begins with ${first}`);
  }
}

function ziplistItem(reader: ByteReader): StringValue {
  const first = reader.u8();
  if (first < 0x40) return stringValue(reader.bytes(first));
  if (first < 0x80) return stringValue(reader.bytes(((first & 0x3f) << 8) | reader.u8()));
  if (first >= 0xf1 && first <= 0xfd) return first - 0xf1;
  switch (first) {
    case 0x80: {
      const b = reader.bytes(4);
      return stringValue(reader.bytes(((b[0] << 24) | (b[1] << 16) | (b[2] << 8) | b[3]) >>> 0));
    }
    case 0xc0:
      return signed(reader, 2);
    case 0xd0:
      return signed(reader, 4);
    case 0xe0:
      return signed64(reader);
    case 0xf0:
      return signed(reader, 3);
    case 0xfe:
      return signed(reader, 1);
    default:
      throw damaged(`a ziplist has an element that begins with ${first}`);
  }
}

/** A little-endian integer of up to four bytes, with a sign. */
function signed(reader: ByteReader, bytes: 1 | 2 | 3 | 4): number {
  let value = 0;
  for (let i = 0; i < bytes; i++) value |= reader.u8() << (8 * i);
  const unused = 32 - 8 * bytes;
  return value << unused >> unused;
}

function signed64(reader: ByteReader): StringValue {
  const low = reader.u32();
  const high = reader.u32() | 0;
  return stringValueOfInt64(int64((BigInt(high) << 32n) | BigInt(low)));
}

/** A read past the end of the blob is damage like any other. */
function guarded<T>(what: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (error instanceof DecodeError) throw damaged(`a ${what} ends inside of an element`);
    throw error;
  }
}
