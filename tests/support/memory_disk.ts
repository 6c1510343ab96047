/**
 * A disk in memory that can lose power. What was not synced is kept apart from what was, so that a
 * crash may keep all of it, none, or any part: whole writes, single sectors, single entries of
 * directories. Operations can fail, be short, hang, or be the last before the crash.
 *
 * Making a directory is durable at once, as the adapters do it.
 */

import {
  type DirectoryEntry,
  type Disk,
  type DiskFile,
  PlatformError,
} from "../../src/platform/mod.ts";

const SECTOR_BYTES = 512;
/** Copies of small writes share buffers of this size: one of its own costs more than the copy. */
const SHARED_BYTES = 1 << 16;

export type OperationKind =
  | "open"
  | "makeDirectory"
  | "list"
  | "stat"
  | "rename"
  | "remove"
  | "syncDirectory"
  | "lock"
  | "readFile"
  | "read"
  | "write"
  | "sync"
  | "truncate"
  | "size"
  | "close";

export interface DiskOperation {
  /** From 1, over the disk's life. */
  readonly number: number;
  readonly kind: OperationKind;
  readonly path: string;
}

export type DiskFault =
  | { readonly kind: "error"; readonly code: string }
  /** `bytes` of a write land, then it fails. */
  | { readonly kind: "short"; readonly bytes: number; readonly code: string }
  /** A write that is reported as done and never lands. */
  | { readonly kind: "lost" }
  /** A write that lands whole, `byBytes` from where it belongs, not before the file's start. */
  | { readonly kind: "misdirected"; readonly byBytes: number }
  /** Asynchronous operations wait for it; the operation happens afterwards. */
  | { readonly kind: "hang"; readonly until: Promise<void> }
  /** The operation happens, unsynced if it is a write, and nothing after it. */
  | { readonly kind: "crashAfter" };

/** Chooses which unsynced parts survive; called once for each part. */
export type Survives = () => boolean;

type Change =
  | { readonly kind: "write"; readonly at: number; readonly bytes: Uint8Array }
  | { readonly kind: "truncate"; readonly bytes: number };

class Content {
  bytes: Uint8Array;
  length = 0;

  constructor(source?: Content) {
    this.bytes = source === undefined ? new Uint8Array(256) : source.bytes.slice(0, source.length);
    this.length = source?.length ?? 0;
  }

  apply(change: Change): void {
    if (change.kind === "truncate") this.resize(change.bytes);
    else {
      const end = change.at + change.bytes.length;
      if (end > this.length) this.resize(end);
      this.bytes.set(change.bytes, change.at);
    }
  }

  resize(length: number): void {
    if (length > this.bytes.length) {
      const bigger = new Uint8Array(Math.max(length, 2 * this.bytes.length));
      bigger.set(this.bytes.subarray(0, this.length));
      this.bytes = bigger;
    } else if (length < this.length) this.bytes.fill(0, length, this.length);
    this.length = length;
  }
}

class FileNode {
  live = new Content();
  durable = new Content();
  pending: Change[] = [];

  change(change: Change): void {
    this.live.apply(change);
    this.pending.push(change);
  }

  sync(): void {
    for (const change of this.pending) this.durable.apply(change);
    this.pending = [];
  }

  afterCrash(survives: Survives): FileNode {
    const node = new FileNode();
    node.durable = new Content(this.durable);
    for (const change of this.pending) {
      for (const part of partsOf(change)) if (survives()) node.durable.apply(part);
    }
    node.live = new Content(node.durable);
    return node;
  }
}

/** A write reaches the medium by sectors. */
function* partsOf(change: Change): Generator<Change> {
  if (change.kind === "truncate") return yield change;
  let from = 0;
  while (from < change.bytes.length) {
    const at = change.at + from;
    const bytes = Math.min(SECTOR_BYTES - at % SECTOR_BYTES, change.bytes.length - from);
    yield { kind: "write", at, bytes: change.bytes.subarray(from, from + bytes) };
    from += bytes;
  }
}

type Node = FileNode | DirectoryNode;
type NameChange =
  | { readonly kind: "set"; readonly name: string; readonly node: Node }
  | { readonly kind: "delete"; readonly name: string }
  | { readonly kind: "move"; readonly from: string; readonly to: string; readonly node: Node };

class DirectoryNode {
  live = new Map<string, Node>();
  durable = new Map<string, Node>();
  pending: NameChange[] = [];

  change(change: NameChange): void {
    applyName(this.live, change);
    this.pending.push(change);
  }

  sync(): void {
    for (const change of this.pending) applyName(this.durable, change);
    this.pending = [];
  }

  afterCrash(survives: Survives): DirectoryNode {
    const names = new Map(this.durable);
    for (const change of this.pending) if (survives()) applyName(names, change);
    const node = new DirectoryNode();
    for (const [name, child] of names) node.durable.set(name, child.afterCrash(survives));
    node.live = new Map(node.durable);
    return node;
  }
}

function applyName(names: Map<string, Node>, change: NameChange): void {
  if (change.kind === "set") names.set(change.name, change.node);
  else if (change.kind === "delete") names.delete(change.name);
  else {
    names.delete(change.from);
    names.set(change.to, change.node);
  }
}

export class MemoryDisk implements Disk {
  /** Decides about each operation before it happens. */
  fault: ((operation: DiskOperation) => DiskFault | undefined) | undefined;
  /** The disk is full when its files hold this many bytes. */
  capacityBytes = Infinity;
  operations = 0;
  /** How often each kind of fault happened. */
  readonly fired = new Map<DiskFault["kind"] | "full" | "flippedBit" | "lostFile", number>();
  #crashed = false;
  #shared = new Uint8Array(0);
  readonly #root: DirectoryNode;
  readonly #locked = new Set<string>();

  constructor(root = new DirectoryNode()) {
    this.#root = root;
  }

  get crashed(): boolean {
    return this.#crashed;
  }

  /**
   * The disk after a loss of power, for a new process. This one refuses everything from now on.
   * `survives` is asked for each unsynced sector and directory entry.
   */
  crash(survives: Survives): MemoryDisk {
    this.#crashed = true;
    return new MemoryDisk(this.#root.afterCrash(survives));
  }

  /**
   * The disk after the process was killed: everything that was written is there, and what was not
   * synced can still be lost with the power.
   */
  kill(): MemoryDisk {
    this.#crashed = true;
    return new MemoryDisk(this.#root);
  }

  /** The live bytes of a file, to damage them or to compare. */
  contentOf(path: string): Uint8Array {
    const node = this.#file(path);
    return node.live.bytes.slice(0, node.live.length);
  }

  /** Replaces a file's bytes, durably; makes the file when missing. */
  setContent(path: string, bytes: Uint8Array): void {
    const { directory, name } = this.#parent(path);
    const node = new FileNode();
    node.change({ kind: "write", at: 0, bytes: bytes.slice() });
    node.sync();
    directory.change({ kind: "set", name, node });
    directory.sync();
  }

  /** Rot at rest: the bit is another one now, and stays so after a crash. */
  flipBit(path: string, at: number, bit: number): void {
    const { live, durable } = this.#file(path);
    if (at >= live.length) throw failure("EINVAL", `flip a bit of ${path} at ${at}`);
    live.bytes[at] ^= 1 << bit;
    if (at < durable.length) durable.bytes[at] ^= 1 << bit;
    this.#count("flippedBit");
  }

  /** A file is gone, and stays so after a crash. */
  loseFile(path: string): void {
    const { directory, name } = this.#parent(path);
    this.#file(path);
    directory.change({ kind: "delete", name });
    directory.sync();
    this.#count("lostFile");
  }

  /** Paths of all files, sorted. */
  paths(): string[] {
    const paths: string[] = [];
    const walk = (directory: DirectoryNode, prefix: string) => {
      for (const [name, node] of directory.live) {
        if (node instanceof DirectoryNode) walk(node, `${prefix}/${name}`);
        else paths.push(`${prefix}/${name}`);
      }
    };
    walk(this.#root, "");
    return paths.sort();
  }

  get usedBytes(): number {
    const bytesIn = (directory: DirectoryNode): number => {
      let bytes = 0;
      for (const node of directory.live.values()) {
        bytes += node instanceof DirectoryNode ? bytesIn(node) : node.live.length;
      }
      return bytes;
    };
    return bytesIn(this.#root);
  }

  async open(
    path: string,
    mode: "readOnly" | "existing" | "create" | "createNew",
  ): Promise<DiskFile> {
    return await this.#run("open", path, () => {
      const { directory, name } = this.#parent(path);
      let node = directory.live.get(name);
      if (node === undefined && mode !== "readOnly" && mode !== "existing") {
        node = new FileNode();
        directory.change({ kind: "set", name, node });
      } else if (mode === "createNew") throw failure("EEXIST", `open ${path}`);
      if (node === undefined) throw failure("ENOENT", `open ${path}`);
      if (!(node instanceof FileNode)) throw failure("EISDIR", `open ${path}`);
      return new MemoryFile(this, path, node, mode === "readOnly");
    });
  }

  async makeDirectory(path: string): Promise<void> {
    await this.#run("makeDirectory", path, () => {
      let directory = this.#root;
      for (const name of segmentsOf(path)) {
        let next = directory.live.get(name);
        if (next === undefined) {
          next = new DirectoryNode();
          directory.live.set(name, next);
          directory.durable.set(name, next);
        }
        if (!(next instanceof DirectoryNode)) throw failure("EEXIST", `make directory ${path}`);
        directory = next;
      }
    });
  }

  async list(path: string): Promise<DirectoryEntry[]> {
    return await this.#run("list", path, () => {
      const names = [...this.#directory(path).live.keys()].sort();
      return names.map((name) => this.#entry(`${path}/${name}`)!);
    });
  }

  async stat(path: string): Promise<DirectoryEntry | undefined> {
    return await this.#run("stat", path, () => this.#entry(path));
  }

  async rename(from: string, to: string): Promise<void> {
    await this.#run("rename", from, () => {
      const source = this.#parent(from);
      const target = this.#parent(to);
      const node = source.directory.live.get(source.name);
      if (node === undefined) throw failure("ENOENT", `rename ${from}`);
      if (source.directory !== target.directory) throw failure("EXDEV", `rename ${from}`);
      source.directory.change({ kind: "move", from: source.name, to: target.name, node });
    });
  }

  async remove(path: string): Promise<void> {
    await this.#run("remove", path, () => {
      const { directory, name } = this.#parent(path);
      if (!directory.live.has(name)) throw failure("ENOENT", `remove ${path}`);
      directory.change({ kind: "delete", name });
    });
  }

  async syncDirectory(path: string): Promise<void> {
    await this.#run("syncDirectory", path, () => this.#directory(path).sync());
  }

  async lock(path: string): Promise<{ close(): Promise<void> }> {
    return await this.#run("lock", path, () => {
      if (this.#locked.has(path)) throw failure("ELOCKED", `lock ${path}`);
      const { directory, name } = this.#parent(path);
      if (!directory.live.has(name)) directory.change({ kind: "set", name, node: new FileNode() });
      this.#locked.add(path);
      return {
        close: () => {
          this.#locked.delete(path);
          return Promise.resolve();
        },
      };
    });
  }

  async readFile(path: string): Promise<Uint8Array> {
    return await this.#run("readFile", path, () => this.contentOf(path));
  }

  /** For `MemoryFile`. */
  async runOn<T>(kind: OperationKind, path: string, action: () => T): Promise<T> {
    return await this.#run(kind, path, action);
  }

  /** For `MemoryFile`: a write, with the faults that only writes have. */
  write(path: string, node: FileNode, bytes: Uint8Array, at: number): void | Promise<void> {
    const fault = this.#begin("write", path);
    const land = () => {
      this.#checkAlive(path);
      if (fault?.kind === "lost") return;
      if (fault?.kind === "misdirected") at = Math.max(0, at + fault.byBytes);
      let room = this.capacityBytes === Infinity
        ? Infinity
        : Math.max(0, this.capacityBytes - (this.usedBytes - node.live.length));
      let code = "ENOSPC";
      if (fault?.kind === "short") {
        room = Math.min(room, at + fault.bytes);
        code = fault.code;
      }
      const length = Math.max(0, Math.min(bytes.length, room - at));
      // Space that a file has already can be written again on a full disk.
      const fits = fault?.kind !== "short" && at + bytes.length <= node.live.length;
      const landed = this.#copy(bytes, fits ? bytes.length : length);
      if (landed.length > 0) node.change({ kind: "write", at, bytes: landed });
      if (fault?.kind === "crashAfter") this.#crashed = true;
      if (landed.length < bytes.length && fault?.kind !== "short") this.#count("full");
      if (landed.length < bytes.length) throw failure(code, `write ${path} at ${at}`);
    };
    if (fault?.kind === "hang") return fault.until.then(land);
    land();
  }

  #copy(bytes: Uint8Array, length: number): Uint8Array {
    if (length > SHARED_BYTES / 16) return bytes.slice(0, length);
    if (length > this.#shared.length) this.#shared = new Uint8Array(SHARED_BYTES);
    const copy = this.#shared.subarray(0, length);
    copy.set(length === bytes.length ? bytes : bytes.subarray(0, length));
    this.#shared = this.#shared.subarray(length);
    return copy;
  }

  async #run<T>(kind: OperationKind, path: string, action: () => T): Promise<T> {
    const fault = this.#begin(kind, path);
    await (fault?.kind === "hang" ? fault.until : undefined);
    this.#checkAlive(path);
    try {
      return action();
    } finally {
      if (fault?.kind === "crashAfter") this.#crashed = true;
    }
  }

  #begin(kind: OperationKind, path: string): DiskFault | undefined {
    this.#checkAlive(path);
    const fault = this.fault?.({ number: ++this.operations, kind, path });
    if (fault !== undefined) this.#count(fault.kind);
    if (fault?.kind === "error") throw failure(fault.code, `${kind} ${path}`);
    return fault;
  }

  #count(kind: DiskFault["kind"] | "full" | "flippedBit" | "lostFile"): void {
    this.fired.set(kind, (this.fired.get(kind) ?? 0) + 1);
  }

  #checkAlive(path: string): void {
    if (this.#crashed) throw failure("ECRASHED", `use ${path}`);
  }

  #parent(path: string): { directory: DirectoryNode; name: string } {
    const cut = path.lastIndexOf("/");
    return { directory: this.#directory(path.slice(0, cut)), name: path.slice(cut + 1) };
  }

  #directory(path: string): DirectoryNode {
    let node: Node = this.#root;
    for (const name of segmentsOf(path)) {
      const next: Node | undefined = node instanceof DirectoryNode
        ? node.live.get(name)
        : undefined;
      if (next === undefined) throw failure("ENOENT", `find ${path}`);
      node = next;
    }
    if (!(node instanceof DirectoryNode)) throw failure("ENOTDIR", `find ${path}`);
    return node;
  }

  #file(path: string): FileNode {
    const { directory, name } = this.#parent(path);
    const node = directory.live.get(name);
    if (node === undefined) throw failure("ENOENT", `find ${path}`);
    if (!(node instanceof FileNode)) throw failure("EISDIR", `find ${path}`);
    return node;
  }

  #entry(path: string): DirectoryEntry | undefined {
    const { directory, name } = this.#parent(path);
    const node = directory.live.get(name);
    if (node === undefined) return undefined;
    if (node instanceof DirectoryNode) return { name, kind: "directory", bytes: 0 };
    return { name, kind: "file", bytes: node.live.length };
  }
}

class MemoryFile implements DiskFile {
  readonly #disk: MemoryDisk;
  readonly #path: string;
  readonly #node: FileNode;
  readonly #readOnly: boolean;
  #closed = false;

  constructor(disk: MemoryDisk, path: string, node: FileNode, readOnly: boolean) {
    this.#disk = disk;
    this.#path = path;
    this.#node = node;
    this.#readOnly = readOnly;
  }

  read(into: Uint8Array, position: number): Promise<number> {
    return this.#run("read", () => {
      const { live } = this.#node;
      const bytes = Math.max(0, Math.min(into.length, live.length - position));
      into.set(live.bytes.subarray(position, position + bytes));
      return bytes;
    });
  }

  async write(bytes: Uint8Array, position: number): Promise<void> {
    this.#checkWritable();
    await this.#disk.write(this.#path, this.#node, bytes, position);
  }

  writeSync(bytes: Uint8Array, position: number): void {
    this.#checkWritable();
    const hanging = this.#disk.write(this.#path, this.#node, bytes, position);
    if (hanging !== undefined) throw new Error("A synchronous write cannot hang");
  }

  sync(): Promise<void> {
    return this.#run("sync", () => this.#node.sync());
  }

  async truncate(bytes: number): Promise<void> {
    this.#checkWritable();
    await this.#run("truncate", () => this.#node.change({ kind: "truncate", bytes }));
  }

  size(): Promise<number> {
    return this.#run("size", () => this.#node.live.length);
  }

  async close(): Promise<void> {
    if (this.#closed) throw failure("ECANCELED", `close ${this.#path}`);
    this.#closed = true;
    await Promise.resolve();
  }

  #run<T>(kind: OperationKind, action: () => T): Promise<T> {
    if (this.#closed) return Promise.reject(failure("ECANCELED", `${kind} ${this.#path}`));
    return this.#disk.runOn(kind, this.#path, action);
  }

  #checkWritable(): void {
    if (this.#closed) throw failure("ECANCELED", `write ${this.#path}`);
    if (this.#readOnly) throw failure("EBADF", `write ${this.#path}`);
  }
}

function segmentsOf(path: string): string[] {
  return path.split("/").filter((name) => name !== "" && name !== ".");
}

function failure(code: string, action: string): PlatformError {
  return new PlatformError(code, `Cannot ${action}: ${code}`);
}
