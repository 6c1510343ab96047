/**
 * DUMP payloads (Redis `createDumpPayload`): the type, the body, the RDB version in two bytes, CRC-64.
 */

import { ByteWriter } from "../../base/mod.ts";
import { HashValue } from "../hash_value.ts";
import { isStringValue } from "../string_value.ts";
import type { Value } from "../value.ts";
import { type Program, readHash, skipBody } from "./body_reader.ts";
import { Crc64, CRC64_BYTES } from "./crc64.ts";
import { damaged, nameOfType, RDB_VERSION, TYPE } from "./format.ts";
import { RdbError } from "./rdb_error.ts";
import { NEED_MORE, RdbInput } from "./rdb_input.ts";
import { putLength, putListpackHash, putString } from "./value_writer.ts";

const FOOTER_BYTES = 2 + CRC64_BYTES;

/** The payload that DUMP answers; Redis restores it. */
export function dumpValue(value: Value): Uint8Array {
  const writer = new ByteWriter();
  putDumpBody(writer, value);
  writer.u16(RDB_VERSION);
  const crc = new Crc64();
  crc.update(writer.buffer, 0, writer.length);
  const at = writer.reserve(CRC64_BYTES);
  crc.putTo(writer.buffer, at);
  return writer.take();
}

function putDumpBody(writer: ByteWriter, value: Value): void {
  if (isStringValue(value)) {
    writer.u8(TYPE.string);
    return putString(writer, value);
  }
  if (!(value instanceof HashValue)) {
    throw new TypeError(`Cannot dump a ${value.typeName}: only strings and hashes have a format`);
  }
  if (value.form === "listpack") {
    writer.u8(TYPE.hashListpack);
    return putListpackHash(writer, value, new ByteWriter());
  }
  writer.u8(TYPE.hash);
  putLength(writer, value.size);
  value.forEach((fieldValue, field) => {
    putString(writer, field);
    putString(writer, fieldValue);
  });
}

/** What a payload holds, or what is wrong with it. `text` is for people. */
export type RestoreResult =
  | { readonly kind: "value"; readonly value: Value }
  | { readonly kind: "badChecksum"; readonly text: string }
  | { readonly kind: "newerVersion"; readonly version: number; readonly text: string }
  | { readonly kind: "damaged"; readonly text: string }
  | { readonly kind: "unsupportedType"; readonly typeName: string; readonly text: string };

/** Reads a payload of DUMP, of Logboat or of any Redis up to 7.0. */
export function restoreValue(payload: Uint8Array): RestoreResult {
  const end = payload.length - FOOTER_BYTES;
  if (end < 1) {
    return { kind: "damaged", text: `Cannot restore ${payload.length} bytes: the payload is cut` };
  }
  const version = payload[end] | (payload[end + 1] << 8);
  if (version > RDB_VERSION) {
    const text = `Cannot restore RDB version ${version}: want at most ${RDB_VERSION}`;
    return { kind: "newerVersion", version, text };
  }
  const crc = new Crc64();
  crc.update(payload, 0, end + 2);
  if (!crc.equals(payload, end + 2)) {
    return { kind: "badChecksum", text: "Cannot restore the payload: its checksum is wrong" };
  }
  return restoreBody(payload, end);
}

function restoreBody(payload: Uint8Array, end: number): RestoreResult {
  const input = new RdbInput();
  input.buffer = payload;
  input.end = end;
  const type = input.u8();
  try {
    const value = readDumped(input, type);
    if (input.at !== end) throw damaged(`${end - input.at} bytes are left over`);
    if (value !== undefined) return { kind: "value", value };
  } catch (error) {
    if (error === NEED_MORE) return { kind: "damaged", text: "Cannot restore: the value is cut" };
    if (!(error instanceof RdbError)) throw error;
    if (error.problem !== "unsupportedType") return { kind: "damaged", text: error.message };
  }
  const typeName = nameOfType(type) ?? `number ${type}`;
  const text = `Cannot restore a value of type ${typeName}: only strings and hashes are supported`;
  return { kind: "unsupportedType", typeName, text };
}

/** Undefined for a whole value of a type that Logboat does not have. */
function readDumped(input: RdbInput, type: number): Value | undefined {
  switch (type) {
    case TYPE.string:
      return input.value();
    case TYPE.hash:
    case TYPE.hashZipmap:
    case TYPE.hashZiplist:
    case TYPE.hashListpack:
      return runWhole(input, readHash(type, false));
    default:
      runWhole(input, skipBody(type, "the payload"));
      return undefined;
  }
}

/** Runs a program on bytes that are all there. */
function runWhole<T>(input: RdbInput, program: Program<T>): T {
  let step = program.next();
  while (!step.done) step = program.next(step.value(input));
  return step.value;
}
