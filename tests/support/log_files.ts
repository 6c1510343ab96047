/** Finding and damaging records in a data directory that no process has open. */

import { readRecordHeader, RECORD_HEADER_BYTES } from "../../src/raft/mod.ts";
import { assert } from "./assert.ts";

/** Of segment files: bytes before the first record, and of a mark, which byte 13 tells apart. */
const segmentHeaderBytes = 64;
const markBytes = 32;
const markKind = 0xff;

export interface RecordPlace {
  readonly file: string;
  readonly offset: number;
  readonly bytes: number;
  readonly index: number;
}

/** Paths of the segments, oldest first. */
export async function segmentsOf(dataDir: string): Promise<string[]> {
  const names: string[] = [];
  for await (const entry of Deno.readDir(`${dataDir}/log`)) {
    if (entry.name.endsWith(".log")) names.push(entry.name);
  }
  return names.sort().map((name) => `${dataDir}/log/${name}`);
}

/** Paths of the snapshots without the endings of their files, oldest first. */
export async function snapshotsOf(dataDir: string): Promise<string[]> {
  const ending = ".manifest";
  const names: string[] = [];
  for await (const { name } of Deno.readDir(`${dataDir}/snapshots`)) {
    if (name.endsWith(ending)) names.push(name.slice(0, -ending.length));
  }
  return names.sort().map((name) => `${dataDir}/snapshots/${name}`);
}

/** Every record of the whole log, in order. */
export async function recordsOfLog(dataDir: string): Promise<RecordPlace[]> {
  const records: RecordPlace[] = [];
  for (const file of await segmentsOf(dataDir)) records.push(...await recordsOfSegment(file));
  return records;
}

/** Every record of the newest segment, in order. */
export async function recordsOfLastSegment(dataDir: string): Promise<RecordPlace[]> {
  const file = (await segmentsOf(dataDir)).at(-1);
  assert(file !== undefined, `Cannot find a segment in ${dataDir}/log`);
  return await recordsOfSegment(file);
}

async function recordsOfSegment(file: string): Promise<RecordPlace[]> {
  const bytes = await Deno.readFile(file);
  const records: RecordPlace[] = [];
  let at = segmentHeaderBytes;
  while (at + RECORD_HEADER_BYTES <= bytes.length && bytes[at + 12] !== 0) {
    if (bytes[at + 13] === markKind) {
      at += markBytes;
      continue;
    }
    const header = readRecordHeader(bytes, at);
    const length = RECORD_HEADER_BYTES + header.payloadBytes;
    records.push({ file, offset: at, bytes: length, index: header.index });
    at += length;
  }
  return records;
}

/** Flips one bit of a file in place. */
export async function flipBit(file: string, offset: number, bit: number): Promise<void> {
  const handle = await Deno.open(file, { read: true, write: true });
  try {
    const byte = new Uint8Array(1);
    await handle.seek(offset, Deno.SeekMode.Start);
    await handle.read(byte);
    byte[0] ^= 1 << bit;
    await handle.seek(offset, Deno.SeekMode.Start);
    await handle.write(byte);
  } finally {
    handle.close();
  }
}

/** Copies a directory with everything in it; `to` must not exist. */
export async function copyDirectory(from: string, to: string): Promise<void> {
  await Deno.mkdir(to, { mode: 0o700 });
  for await (const entry of Deno.readDir(from)) {
    const [source, target] = [`${from}/${entry.name}`, `${to}/${entry.name}`];
    if (entry.isDirectory) await copyDirectory(source, target);
    else await Deno.copyFile(source, target);
  }
}
