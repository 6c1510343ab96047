/**
 * Snapshots that are being written: by this node, or chunk by chunk from a peer. Both write beside
 * the finished ones and count for nothing until `SnapshotStore` has published them.
 */

import { assert, crc32 } from "../base/mod.ts";
import { type Disk, type DiskFile, PlatformError } from "../platform/mod.ts";
import type { EntryId } from "../raft/mod.ts";
import { fullError } from "./disk_space.ts";
import { CorruptionError, StorageError } from "./errors.ts";
import { readAhead } from "./read_ahead.ts";
import { chunkLength, type SnapshotManifest } from "./snapshot_manifest.ts";

/**
 * Chunks between two syncs. Then none has long to do: neither the last one, which the log may wait
 * for, nor a sync of the log meanwhile, which may have to wait for what was written before it.
 */
const CHUNKS_A_SYNC = 64;

/** A file that is removed again when it cannot be written to the end. */
class TemporaryFile {
  readonly path: string;
  readonly #disk: Disk;
  readonly #file: DiskFile;
  #state: "open" | "sealed" | "abandoned" = "open";

  private constructor(disk: Disk, path: string, file: DiskFile) {
    this.#disk = disk;
    this.path = path;
    this.#file = file;
  }

  static async make(disk: Disk, path: string): Promise<TemporaryFile> {
    try {
      const file = await disk.open(path, "create");
      const temporary = new TemporaryFile(disk, path, file);
      await file.truncate(0);
      return temporary;
    } catch (error) {
      throw fullError(error) ?? error;
    }
  }

  get isOpen(): boolean {
    return this.#state === "open";
  }

  /** Removes the file when it fails; "full" when there was no space. */
  async write(bytes: Uint8Array, position: number): Promise<void> {
    this.#check();
    try {
      await this.#file.write(bytes, position);
    } catch (error) {
      await this.abandon();
      throw fullError(error) ?? error;
    }
  }

  /** What was written is durable; removes the file when it fails. "full" when there was no space. */
  async sync(): Promise<void> {
    this.#check();
    try {
      await this.#file.sync();
    } catch (error) {
      await this.abandon();
      throw fullError(error) ?? error;
    }
  }

  read(into: Uint8Array, position: number): Promise<number> {
    this.#check();
    return this.#file.read(into, position);
  }

  /** Everything is durable, the name excepted, and the file is closed. "full" may be tried again. */
  async seal(): Promise<void> {
    if (this.#state === "sealed") return;
    this.#check();
    try {
      await this.#file.sync();
    } catch (error) {
      throw fullError(error) ?? error;
    }
    this.#state = "sealed";
    await this.#file.close();
  }

  /** Removes the file, unless it got a name of its own. */
  async abandon(): Promise<void> {
    const state = this.#state;
    this.#state = "abandoned";
    if (state === "open") await this.#file.close();
    const isThere = state !== "abandoned" && await this.#disk.stat(this.path) !== undefined;
    if (isThere) await this.#disk.remove(this.path);
  }

  #check(): void {
    if (!this.isOpen) throw new StorageError("closed", `Cannot use ${this.path}: it was abandoned`);
  }
}

/** What makes a sealed temporary file a snapshot. */
export type Publish = (path: string, manifest: SnapshotManifest) => Promise<void>;

export interface SnapshotWriterOptions {
  readonly disk: Disk;
  readonly path: string;
  readonly last: EntryId;
  readonly configuration: Uint8Array;
  readonly chunkBytes: number;
  readonly publish: Publish;
}

/** A snapshot that this node takes. One call at a time. */
export class SnapshotWriter {
  readonly #last: EntryId;
  readonly #configuration: Uint8Array;
  readonly #file: TemporaryFile;
  readonly #publish: Publish;
  readonly #chunk: Uint8Array;
  readonly #checksums: number[] = [];
  #filled = 0;
  /** Of all, once it is sealed. */
  #bytes = 0;

  private constructor(options: SnapshotWriterOptions, file: TemporaryFile) {
    this.#last = options.last;
    this.#configuration = options.configuration;
    this.#publish = options.publish;
    this.#chunk = new Uint8Array(options.chunkBytes);
    this.#file = file;
  }

  static async make(options: SnapshotWriterOptions): Promise<SnapshotWriter> {
    return new SnapshotWriter(options, await TemporaryFile.make(options.disk, options.path));
  }

  /** Throws "full" when there is no space; then the writer is abandoned. */
  async write(bytes: Uint8Array): Promise<void> {
    for (let from = 0; from < bytes.length;) {
      const part = bytes.subarray(from, from + this.#chunk.length - this.#filled);
      this.#chunk.set(part, this.#filled);
      this.#filled += part.length;
      from += part.length;
      if (this.#filled === this.#chunk.length) await this.#writeChunk();
    }
  }

  /** All of it is durable when it resolves, and counts for nothing yet; abandoned on "full". */
  async seal(): Promise<void> {
    this.#bytes = this.#checksums.length * this.#chunk.length + this.#filled;
    assert(this.#bytes > 0, "Cannot finish a snapshot: nothing was written");
    if (this.#filled > 0) await this.#writeChunk();
    try {
      await this.#file.seal();
    } catch (error) {
      if (error instanceof StorageError) await this.#file.abandon();
      throw error;
    }
  }

  /** Durable and counting when it resolves; abandoned when it throws "full". */
  async finish(): Promise<SnapshotManifest> {
    if (this.#bytes === 0) await this.seal();
    const bytes = this.#bytes;
    const manifest = {
      last: this.#last,
      configuration: this.#configuration,
      bytes,
      chunkBytes: this.#chunk.length,
      checksums: this.#checksums,
    };
    try {
      await this.#publish(this.#file.path, manifest);
    } catch (error) {
      if (error instanceof StorageError) await this.#file.abandon();
      throw error;
    }
    return manifest;
  }

  abandon(): Promise<void> {
    return this.#file.abandon();
  }

  async #writeChunk(): Promise<void> {
    const chunk = this.#chunk.subarray(0, this.#filled);
    await this.#file.write(chunk, this.#checksums.length * this.#chunk.length);
    this.#checksums.push(crc32(chunk));
    if (this.#checksums.length % CHUNKS_A_SYNC === 0) await this.#file.sync();
    this.#filled = 0;
  }
}

/** A snapshot that comes from a peer, chunks in order. One call at a time. */
export class SnapshotReceiver {
  readonly manifest: SnapshotManifest;
  readonly #file: TemporaryFile;
  #received = 0;

  private constructor(manifest: SnapshotManifest, file: TemporaryFile) {
    this.manifest = manifest;
    this.#file = file;
  }

  static async make(
    disk: Disk,
    path: string,
    manifest: SnapshotManifest,
  ): Promise<SnapshotReceiver> {
    return new SnapshotReceiver(manifest, await TemporaryFile.make(disk, path));
  }

  /** The chunk to ask for; undefined when all are here. */
  get nextChunk(): number | undefined {
    return this.complete ? undefined : this.#received;
  }

  get complete(): boolean {
    return this.#received === this.manifest.checksums.length;
  }

  /** Whether it was neither abandoned nor made a snapshot. */
  get isOpen(): boolean {
    return this.#file.isOpen;
  }

  /** Takes chunk `nextChunk`. Throws `CorruptionError` and takes nothing when it is not whole. */
  async put(chunk: number, bytes: Uint8Array): Promise<void> {
    assert(chunk === this.nextChunk, `Cannot put chunk ${chunk}: expected ${this.nextChunk}`);
    const offset = chunk * this.manifest.chunkBytes;
    checkChunk(this.#file.path, this.manifest, chunk, bytes);
    await this.#file.write(bytes, offset);
    const received = chunk + 1;
    const isEnd = received === this.manifest.checksums.length;
    if (isEnd || received % CHUNKS_A_SYNC === 0) await this.#file.sync();
    this.#received = received;
  }

  /** All chunks of a complete one in order, verified. Throws `CorruptionError`. */
  readAll(): AsyncGenerator<Uint8Array> {
    return readAhead(this.manifest.checksums.length, (chunk) => this.#read(chunk));
  }

  async #read(chunk: number): Promise<Uint8Array> {
    assert(chunk < this.#received, `Cannot read chunk ${chunk}: it was not received`);
    const bytes = new Uint8Array(chunkLength(this.manifest, chunk));
    const length = await this.#file.read(bytes, chunk * this.manifest.chunkBytes);
    checkChunk(this.#file.path, this.manifest, chunk, bytes.subarray(0, length));
    return bytes;
  }

  /** Closes the file, durable but for its name, and returns its path. For the store alone. */
  async seal(): Promise<string> {
    assert(this.complete, "Cannot install a snapshot: some chunks were not received");
    await this.#file.seal();
    return this.#file.path;
  }

  abandon(): Promise<void> {
    return this.#file.abandon();
  }
}

/** The data of a finished snapshot, open for reading. */
export class SnapshotData {
  readonly #file: DiskFile;
  readonly #path: string;
  readonly #manifest: SnapshotManifest;

  constructor(file: DiskFile, path: string, manifest: SnapshotManifest) {
    this.#file = file;
    this.#path = path;
    this.#manifest = manifest;
  }

  /** A chunk, verified. Throws `CorruptionError` when it is damaged or the disk cannot read it. */
  async read(chunk: number): Promise<Uint8Array> {
    const manifest = this.#manifest;
    const offset = chunk * manifest.chunkBytes;
    const bytes = new Uint8Array(chunkLength(manifest, chunk));
    try {
      const length = await this.#file.read(bytes, offset);
      checkChunk(this.#path, manifest, chunk, bytes.subarray(0, length));
    } catch (error) {
      if (!(error instanceof PlatformError) || error.code !== "EIO") throw error;
      throw new CorruptionError(this.#path, offset, error.message);
    }
    return bytes;
  }

  close(): Promise<void> {
    return this.#file.close();
  }
}

/** Throws `CorruptionError` unless `bytes` are chunk `chunk`. */
function checkChunk(
  file: string,
  manifest: SnapshotManifest,
  chunk: number,
  bytes: Uint8Array,
): void {
  const expected = chunkLength(manifest, chunk);
  const offset = chunk * manifest.chunkBytes;
  if (bytes.length !== expected) {
    const reason = `chunk ${chunk} has ${bytes.length} bytes, expected ${expected}`;
    throw new CorruptionError(file, offset, reason);
  }
  if (crc32(bytes) !== manifest.checksums[chunk]) {
    throw new CorruptionError(file, offset, `the checksum of chunk ${chunk} does not match`);
  }
}
