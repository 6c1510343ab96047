/**
 * The finished snapshots of a node, at most the two newest.
 *
 * A snapshot is two files, `NAME.rdb` and `NAME.manifest`; it counts from the moment its manifest
 * has its name durably. The order of steps makes a half one impossible to mistake for a whole one:
 * data and manifest synced; data renamed, directory synced; then the same with the manifest. A
 * snapshot is removed in the opposite order.
 */

import { assert, DecodeError, LogIndex } from "../base/mod.ts";
import { type Disk, PlatformError } from "../platform/mod.ts";
import type { EntryId } from "../raft/mod.ts";
import { prepareAside, renameAside, writeAside } from "./aside.ts";
import { CorruptionError, StorageError } from "./errors.ts";
import { readAhead } from "./read_ahead.ts";
import { SnapshotData, SnapshotReceiver, SnapshotWriter } from "./snapshot_files.ts";
import {
  encodeManifest,
  openManifest,
  SNAPSHOT_CHUNK_BYTES,
  snapshotIdOf,
  type SnapshotManifest,
  snapshotName,
} from "./snapshot_manifest.ts";

export const SNAPSHOTS_DIRECTORY_NAME = "snapshots";
const DATA = ".rdb";
const MANIFEST = ".manifest";
const DOUBT_NAME = "doubt";
const TEMPORARY: readonly string[] = [".new", ".part"];
const KEPT = 2;

/** A snapshot that is there but cannot be used. */
export interface DamagedSnapshot {
  /** As its file name says. */
  readonly last: EntryId;
  readonly reason: string;
  /** What its manifest says of the members, where only the data is damaged. */
  readonly configuration: Uint8Array | undefined;
}

/** The state of this node was found wrong: its snapshots may be of it. */
export interface Doubt {
  /** The entry behind which it was found. */
  readonly index: LogIndex;
  readonly why: string;
}

export class SnapshotStore {
  readonly #disk: Disk;
  readonly #directory: string;
  readonly #chunkBytes: number;
  /** Rising; those before the newest are verified when they are read. */
  #manifests: SnapshotManifest[] = [];
  #damaged: DamagedSnapshot[] = [];
  #receiver: SnapshotReceiver | undefined;
  #doubt: Doubt | undefined;

  private constructor(disk: Disk, directory: string, chunkBytes = SNAPSHOT_CHUNK_BYTES) {
    this.#disk = disk;
    this.#directory = directory;
    this.#chunkBytes = chunkBytes;
  }

  /**
   * Removes what unfinished writes left, and verifies every byte of the newest snapshot; when that
   * is damaged, of the one before. `path` is the data directory; `chunkBytes` is for the snapshots
   * that this node takes. Throws "newerFormat".
   */
  static async open(disk: Disk, path: string, chunkBytes?: number): Promise<SnapshotStore> {
    const store = new SnapshotStore(disk, `${path}/${SNAPSHOTS_DIRECTORY_NAME}`, chunkBytes);
    await disk.makeDirectory(store.#directory);
    const names = (await disk.list(store.#directory)).map(({ name }) => name);
    await store.#removeLeftovers(names);
    // A killed process may have left a name that only the system's memory has: a log begins behind it.
    await disk.syncDirectory(store.#directory);
    await store.#examineAll(names, false);
    if (names.includes(DOUBT_NAME)) {
      store.#doubt = doubtOf(await disk.readFile(`${store.#directory}/${DOUBT_NAME}`));
    }
    return store;
  }

  /** Verifies every byte of all snapshots of a stopped node and modifies nothing. */
  static async inspect(disk: Disk, path: string): Promise<SnapshotStore> {
    const store = new SnapshotStore(disk, `${path}/${SNAPSHOTS_DIRECTORY_NAME}`);
    if (await disk.stat(store.#directory) === undefined) return store;
    const names = (await disk.list(store.#directory)).map(({ name }) => name);
    await store.#examineAll(names, true);
    return store;
  }

  async #examineAll(names: readonly string[], verifyAll: boolean): Promise<void> {
    for (const id of manifestIds(names)) {
      const found = await this.#examine(id, verifyAll || this.#manifests.length === 0);
      if ("reason" in found) this.#damaged.push(found);
      else this.#manifests.unshift(found);
    }
  }

  /** Undefined when there is none that can be used. */
  get newest(): SnapshotManifest | undefined {
    return this.#manifests.at(-1);
  }

  /** Usable ones, rising. */
  get manifests(): readonly SnapshotManifest[] {
    return this.#manifests;
  }

  /** Found at the start, newest first; removed when two newer ones are there. */
  get damaged(): readonly DamagedSnapshot[] {
    return this.#damaged;
  }

  /** What an earlier process kept with `noteDoubt`. */
  get doubt(): Doubt | undefined {
    return this.#doubt;
  }

  /** Keeps a doubt over restarts; undefined when the state was found right. Throws "full". */
  async noteDoubt(doubt: Doubt | undefined): Promise<void> {
    if (doubt === undefined) {
      await this.#disk.remove(`${this.#directory}/${DOUBT_NAME}`);
      await this.#disk.syncDirectory(this.#directory);
      return;
    }
    const bytes = new TextEncoder().encode(`${doubt.index}\n${doubt.why}`);
    await writeAside(this.#disk, this.#directory, DOUBT_NAME, bytes);
  }

  /** Begins a snapshot that this node takes; it must be newer than the newest. */
  create(last: EntryId, configuration: Uint8Array): Promise<SnapshotWriter> {
    const newest = this.newest?.last.index ?? 0;
    assert(last.index > newest, `Cannot take snapshot ${last.index}: there is one of ${newest}`);
    return SnapshotWriter.make({
      disk: this.#disk,
      path: this.#path(last, `${DATA}.new`),
      last,
      configuration,
      chunkBytes: this.#chunkBytes,
      publish: (path, manifest) => this.#publish(path, manifest),
    });
  }

  /** Begins a snapshot from a peer, or goes on with the same one; another one is abandoned. */
  async receive(manifest: SnapshotManifest): Promise<SnapshotReceiver> {
    const current = this.#receiver;
    if (current?.isOpen) {
      if (isSame(current.manifest, manifest)) return current;
      await current.abandon();
    }
    const path = this.#path(manifest.last, `${DATA}.part`);
    this.#receiver = await SnapshotReceiver.make(this.#disk, path, manifest);
    return this.#receiver;
  }

  /** Makes a complete received snapshot one of this node's. After "full" it may be tried again. */
  async install(receiver: SnapshotReceiver): Promise<void> {
    const { manifest } = receiver;
    assert(
      manifest.last.index > (this.newest?.last.index ?? 0),
      `Cannot install snapshot ${manifest.last.index}: it is not newer than what is there`,
    );
    await this.#publish(await receiver.seal(), manifest);
  }

  /** A chunk, verified. Throws `CorruptionError`, or "closed" when the snapshot was removed. */
  async read(manifest: SnapshotManifest, chunk: number): Promise<Uint8Array> {
    const data = await this.#openData(manifest);
    try {
      return await data.read(chunk);
    } finally {
      await data.close();
    }
  }

  /** All chunks in order, verified. Throws what `read` throws. */
  async *readAll(manifest: SnapshotManifest): AsyncGenerator<Uint8Array> {
    const data = await this.#openData(manifest);
    try {
      yield* readAhead(manifest.checksums.length, (chunk) => data.read(chunk));
    } finally {
      await data.close();
    }
  }

  async #openData(manifest: SnapshotManifest): Promise<SnapshotData> {
    const path = this.#path(manifest.last, DATA);
    try {
      return new SnapshotData(await this.#disk.open(path, "readOnly"), path, manifest);
    } catch (error) {
      if (!(error instanceof PlatformError)) throw error;
      if (error.code === "EIO") throw new CorruptionError(path, 0, error.message);
      if (error.code !== "ENOENT") throw error;
      throw new StorageError("closed", `Cannot read ${path}: a newer snapshot replaced it`, error);
    }
  }

  #path(last: EntryId, ending: string): string {
    return `${this.#directory}/${snapshotName(last)}${ending}`;
  }

  async #removeLeftovers(names: readonly string[]): Promise<void> {
    for (const name of names) {
      const isTemporary = TEMPORARY.some((ending) => name.endsWith(ending));
      const isNameless = name.endsWith(DATA) &&
        !names.includes(`${name.slice(0, -DATA.length)}${MANIFEST}`);
      if (!isTemporary && !isNameless) continue;
      await this.#disk.remove(`${this.#directory}/${name}`);
    }
  }

  /** The manifest, or why the snapshot cannot be used. */
  async #examine(id: EntryId, verify: boolean): Promise<SnapshotManifest | DamagedSnapshot> {
    const found: { manifest?: SnapshotManifest } = {};
    const reason = await this.#problemOf(id, verify, found);
    if (reason === undefined) return found.manifest!;
    return { last: id, reason, configuration: found.manifest?.configuration };
  }

  /** Puts the manifest into `found` when it is whole. */
  async #problemOf(
    id: EntryId,
    verify: boolean,
    found: { manifest?: SnapshotManifest },
  ): Promise<string | undefined> {
    const path = this.#path(id, MANIFEST);
    try {
      const result = openManifest(await this.#disk.readFile(path));
      if (result.kind === "newer") {
        throw new StorageError(
          "newerFormat",
          `Cannot use ${path}: ${result.reason}. Start the release of Logboat that wrote it`,
        );
      }
      if (result.kind === "bad") return `${path} is damaged: ${result.reason}`;
      const manifest = result.value;
      if (manifest.last.index !== id.index || manifest.last.term !== id.term) {
        return `${path} is of entry ${manifest.last.index} of term ${manifest.last.term}`;
      }
      found.manifest = manifest;
      const data = this.#path(id, DATA);
      const bytes = (await this.#disk.stat(data))?.bytes;
      if (bytes !== manifest.bytes) {
        return `${data} has ${bytes ?? "no"} bytes, expected ${manifest.bytes}`;
      }
      if (verify) await this.#verify(manifest);
      return undefined;
    } catch (error) {
      if (error instanceof CorruptionError) {
        return `${error.file} is damaged at byte ${error.offset}: ${error.reason}`;
      }
      const isDamage = error instanceof PlatformError && error.code === "EIO";
      if (isDamage || error instanceof DecodeError) return `${path}: ${error.message}`;
      throw error;
    }
  }

  async #verify(manifest: SnapshotManifest): Promise<void> {
    const chunks = this.readAll(manifest);
    while (!(await chunks.next()).done);
  }

  async #publish(temporary: string, manifest: SnapshotManifest): Promise<void> {
    const path = this.#path(manifest.last, "");
    // A damaged one of the same name: its manifest must not speak of the new data.
    if (this.#damaged.some(({ last }) => snapshotName(last) === snapshotName(manifest.last))) {
      await this.#removeFiles(manifest.last);
      this.#damaged = this.#damaged.filter(({ last }) => last.index !== manifest.last.index);
    }
    const name = `${snapshotName(manifest.last)}${MANIFEST}`;
    // First what needs room: behind it a full disk stops nothing.
    await prepareAside(this.#disk, this.#directory, name, encodeManifest(manifest));
    await this.#disk.rename(temporary, `${path}${DATA}`);
    await this.#disk.syncDirectory(this.#directory);
    await renameAside(this.#disk, this.#directory, name);
    // One of a peer may have overtaken one that this node was still writing.
    this.#manifests.push(manifest);
    this.#manifests.sort((a, b) => a.last.index - b.last.index);
    await this.#prune();
  }

  async #prune(): Promise<void> {
    while (this.#manifests.length > KEPT) await this.#removeFiles(this.#manifests.shift()!.last);
    if (this.#manifests.length < KEPT) return;
    for (const { last } of this.#damaged.splice(0)) await this.#removeFiles(last);
  }

  async #removeFiles(last: EntryId): Promise<void> {
    for (const ending of [MANIFEST, DATA]) {
      const path = this.#path(last, ending);
      if (await this.#disk.stat(path) === undefined) continue;
      await this.#disk.remove(path);
      await this.#disk.syncDirectory(this.#directory);
    }
  }
}

/** That the file is there says enough, whatever is in it. */
function doubtOf(bytes: Uint8Array): Doubt {
  const [index, why] = new TextDecoder().decode(bytes).split("\n");
  const isWhole = why !== undefined && Number.isSafeInteger(Number(index)) && Number(index) > 0;
  return isWhole
    ? { index: LogIndex(Number(index)), why }
    : { index: LogIndex(0), why: "the state of this node was found wrong" };
}

function isSame(a: SnapshotManifest, b: SnapshotManifest): boolean {
  const left = encodeManifest(a);
  const right = encodeManifest(b);
  return left.length === right.length && left.every((byte, at) => byte === right[at]);
}

/** What is named by a manifest, newest first. */
function manifestIds(names: readonly string[]): EntryId[] {
  const ids: EntryId[] = [];
  for (const name of names) {
    const id = name.endsWith(MANIFEST) ? snapshotIdOf(name.slice(0, -MANIFEST.length)) : undefined;
    if (id !== undefined) ids.unshift(id);
  }
  return ids;
}
