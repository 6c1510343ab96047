/** A disk whose writes and syncs are told to the node's shadow once they have happened. */

import type { DirectoryEntry, Disk, DiskFile } from "../../src/platform/mod.ts";
import type { MemoryDisk } from "../support/memory_disk.ts";
import type { DiskShadow } from "./disk_shadow.ts";

export class ObservedDisk implements Disk {
  readonly #disk: MemoryDisk;
  readonly #shadow: DiskShadow;

  constructor(disk: MemoryDisk, shadow: DiskShadow) {
    this.#disk = disk;
    this.#shadow = shadow;
  }

  async open(
    path: string,
    mode: "readOnly" | "existing" | "create" | "createNew",
  ): Promise<DiskFile> {
    return new ObservedFile(await this.#disk.open(path, mode), path, this.#shadow);
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

  rename(from: string, to: string): Promise<void> {
    return this.#disk.rename(from, to);
  }

  async remove(path: string): Promise<void> {
    await this.#disk.remove(path);
    this.#shadow.removed(path);
  }

  syncDirectory(path: string): Promise<void> {
    return this.#disk.syncDirectory(path);
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
  readonly #shadow: DiskShadow;

  constructor(file: DiskFile, path: string, shadow: DiskShadow) {
    this.#file = file;
    this.#path = path;
    this.#shadow = shadow;
  }

  read(into: Uint8Array, position: number): Promise<number> {
    return this.#file.read(into, position);
  }

  async write(bytes: Uint8Array, position: number): Promise<void> {
    await this.#file.write(bytes, position);
    this.#shadow.wrote(this.#path, bytes, position);
  }

  writeSync(bytes: Uint8Array, position: number): void {
    this.#file.writeSync(bytes, position);
    this.#shadow.wrote(this.#path, bytes, position);
  }

  async sync(): Promise<void> {
    const changes = this.#shadow.beginSync(this.#path);
    await this.#file.sync();
    this.#shadow.synced(this.#path, changes);
  }

  async truncate(bytes: number): Promise<void> {
    await this.#file.truncate(bytes);
    this.#shadow.truncated(this.#path, bytes);
  }

  size(): Promise<number> {
    return this.#file.size();
  }

  close(): Promise<void> {
    return this.#file.close();
  }
}
