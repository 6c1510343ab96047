/** A disk whose writes and syncs are told to the node's shadow once they have happened. */

import type { DirectoryEntry, Disk, DiskFile } from "../../src/platform/mod.ts";
import type { MemoryDisk } from "../support/memory_disk.ts";
import type { DiskShadow } from "./disk_shadow.ts";
import type { Scar } from "./scar.ts";

export interface DiskWatch {
  readonly shadow: DiskShadow;
  /** A file has its final name. */
  onRenamed(path: string): void;
  /** The file that is not what it should be. */
  scar(): Scar | undefined;
}

export class ObservedDisk implements Disk {
  readonly #disk: MemoryDisk;
  readonly #watch: DiskWatch;

  constructor(disk: MemoryDisk, watch: DiskWatch) {
    this.#disk = disk;
    this.#watch = watch;
  }

  async open(
    path: string,
    mode: "readOnly" | "existing" | "create" | "createNew",
  ): Promise<DiskFile> {
    return new ObservedFile(await this.#disk.open(path, mode), path, this.#watch);
  }

  makeDirectory(path: string): Promise<void> {
    return this.#disk.makeDirectory(path);
  }

  list(path: string): Promise<DirectoryEntry[]> {
    return this.#disk.list(path);
  }

  stat(path: string): Promise<DirectoryEntry | undefined> {
    return this.#disk.stat(path);
  }

  async rename(from: string, to: string): Promise<void> {
    await this.#disk.rename(from, to);
    this.#watch.onRenamed(to);
  }

  async remove(path: string): Promise<void> {
    await this.#disk.remove(path);
    this.#watch.shadow.removed(path);
  }

  async syncDirectory(path: string): Promise<void> {
    await this.#disk.syncDirectory(path);
    this.#watch.shadow.directorySynced(path, () => this.#disk.paths());
  }

  lock(path: string): Promise<{ close(): Promise<void> }> {
    return this.#disk.lock(path);
  }

  readFile(path: string): Promise<Uint8Array> {
    return this.#disk.readFile(path);
  }
}

class ObservedFile implements DiskFile {
  readonly #file: DiskFile;
  readonly #path: string;
  readonly #watch: DiskWatch;

  constructor(file: DiskFile, path: string, watch: DiskWatch) {
    this.#file = file;
    this.#path = path;
    this.#watch = watch;
  }

  read(into: Uint8Array, position: number): Promise<number> {
    return this.#file.read(into, position);
  }

  async write(bytes: Uint8Array, position: number): Promise<void> {
    await this.#file.write(bytes, position);
    this.#wrote(bytes, position);
  }

  writeSync(bytes: Uint8Array, position: number): void {
    this.#file.writeSync(bytes, position);
    this.#wrote(bytes, position);
  }

  async sync(): Promise<void> {
    const { shadow } = this.#watch;
    const changes = shadow.beginSync(this.#path);
    await this.#file.sync();
    shadow.synced(this.#path, changes);
  }

  async truncate(bytes: number): Promise<void> {
    await this.#file.truncate(bytes);
    this.#watch.shadow.truncated(this.#path, bytes);
    this.#scar?.truncated(bytes);
  }

  size(): Promise<number> {
    return this.#file.size();
  }

  close(): Promise<void> {
    return this.#file.close();
  }

  #wrote(bytes: Uint8Array, position: number): void {
    this.#watch.shadow.wrote(this.#path, bytes, position);
    this.#scar?.wrote(bytes, position);
  }

  get #scar(): Scar | undefined {
    const scar = this.#watch.scar();
    return scar?.path === this.#path ? scar : undefined;
  }
}
