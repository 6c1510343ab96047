/**
 * What nodes make of the log, held against each other entry by entry: the first node that comes to an
 * entry says what the others must make of it.
 *
 * - SM every node applies the same entries, in order, once
 * - SN equal states at equal positions, whether applied, loaded or received; equal snapshot files
 * - EO a batch takes effect once
 * - CC nothing damaged is applied
 */

import { crc32, DecodeError, latin1FromBytes, type NodeId } from "../../src/base/mod.ts";
import { type AppliedBatch, type Machine, SnapshotLoader } from "../../src/machine/mod.ts";
import type { RaftNode } from "../../src/node/mod.ts";
import { commandOf, decodeEntry, type LogEntry } from "../../src/raft/mod.ts";
import { Violation } from "./violation.ts";

/** What a node made of an entry. */
interface Command {
  readonly checksum: number;
  readonly admission: string;
  readonly clockMs: number;
}

/** Each so many applied entries the whole state is compared. */
const DIGEST_EVERY = 16;

export class StateChecks {
  /** When the unique values of clients were first applied. */
  readonly appliedAtMs = new Map<string, number>();
  /** States that were loaded from snapshots and compared. */
  loadedStates = 0;
  /** Snapshot files that another node had made of the same entry. */
  equalFiles = 0;
  readonly #nowMs: () => number;
  readonly #commands = new Map<number, Command>();
  /** Checksums of whole entries. */
  readonly #entries = new Map<number, number>();
  readonly #hashes = new Map<number, string>();
  readonly #digests = new Map<number, string>();
  /** The first snapshot file of each entry. */
  readonly #files = new Map<number, { readonly state: string; readonly bytes: Uint8Array }>();
  readonly #effects = new Map<string, number>();

  constructor(nowMs: () => number) {
    this.#nowMs = nowMs;
  }

  watch(node: RaftNode): void {
    const { replica } = node;
    if (replica.appliedIndex > 0) this.#loaded(node, replica.machine, replica.appliedIndex);
    this.#watchSnapshots(replica.machine);
    const apply = replica.apply.bind(replica);
    const replace = replica.replace.bind(replica);
    const onBatch = node.onBatch.bind(node);
    let current: LogEntry | undefined;
    replica.apply = (entry) => {
      const last = replica.appliedIndex;
      if (entry.index !== last + 1) {
        throw new Violation("SM", `entry ${entry.index} applied after ${last}`);
      }
      this.#checkEntry(node, entry);
      current = entry;
      apply(entry);
      this.#compareState(node, entry.index);
    };
    node.onBatch = (batch) => {
      this.#checkBatch(current!, batch, node.machine.clockMs);
      onBatch(batch);
    };
    replica.replace = (state) => {
      if (state.last.index <= replica.appliedIndex) {
        const text = `snapshot ${state.last.index} installed after ${replica.appliedIndex}`;
        throw new Violation("SM", text);
      }
      replace(state);
      this.#loaded(node, state.machine, state.last.index);
      this.#watchSnapshots(state.machine);
    };
  }

  /**
   * A snapshot is there under its final name, taken or received. Its keys may be in another order than
   * in another node's: those that changed meanwhile were written first.
   */
  fileMade(index: number, bytes: Uint8Array): void {
    const first = this.#files.get(index);
    if (first !== undefined && isSame(first.bytes, bytes)) this.equalFiles++;
    else this.#checkFile(index, bytes, first?.state);
  }

  #checkFile(index: number, bytes: Uint8Array, known: string | undefined): void {
    const loader = new SnapshotLoader();
    loader.push(bytes);
    const { machine, header } = loader.finish();
    const { origins, clockMs, stateHash, keyspace } = machine;
    const digest = keyspace.digest();
    const state = JSON.stringify([header, origins.rows(), clockMs, stateHash, digest]);
    if (known === undefined) this.#files.set(index, { state, bytes });
    else if (known !== state) throw new Violation("SN", `two snapshots of entry ${index} differ`);
    else this.equalFiles++;
    if ((this.#digests.get(index) ?? digest) !== digest) {
      throw new Violation("SN", `snapshot ${index} is of another state`);
    }
  }

  #checkEntry(node: RaftNode, entry: LogEntry): void {
    const checksum = crc32(entry.record);
    const known = this.#entries.get(entry.index);
    const { id } = node.options;
    if (known === undefined) {
      checkWhole(entry, id);
      this.#entries.set(entry.index, checksum);
    } else if (known !== checksum) {
      throw new Violation("SM", `node ${id} applies another entry ${entry.index} than others did`);
    }
  }

  #checkBatch(entry: LogEntry, batch: AppliedBatch, clockMs: number): void {
    const { index } = entry;
    const payload = commandOf(entry);
    const { origin, incarnation, sequence, admission } = batch;
    const command: Command = { checksum: crc32(payload), admission, clockMs };
    const known = this.#commands.get(index);
    if (known === undefined) {
      this.#commands.set(index, command);
      if (admission === "next") this.#firstEffect(payload, index, origin, incarnation, sequence);
    } else if (known.admission !== admission || known.clockMs !== clockMs) {
      const texts = [known, command].map((one) => JSON.stringify(one));
      throw new Violation("SM", `entry ${index} was applied as ${texts.join(" and as ")}`);
    }
  }

  /** Other nodes apply the same command: what it is at one index is enough to know here. */
  #firstEffect(
    payload: Uint8Array,
    index: number,
    origin: number,
    incarnation: number,
    sequence: number,
  ): void {
    const name = `${origin}/${incarnation}/${sequence}`;
    const first = this.#effects.get(name);
    if (first !== undefined) {
      throw new Violation("EO", `batch ${name} took effect at ${first} and at ${index}`);
    }
    this.#effects.set(name, index);
    // As an argument: the bytes of a header may look like a value.
    for (const [, value] of latin1FromBytes(payload).matchAll(/\n(v\d+)\r/g)) {
      if (!this.appliedAtMs.has(value)) this.appliedAtMs.set(value, this.#nowMs());
    }
  }

  #compareState(node: RaftNode, index: number): void {
    const { machine } = node;
    this.#compare(this.#hashes, node, index, machine.stateHash);
    if (index % DIGEST_EVERY === 0 || this.#digests.has(index)) {
      this.#compare(this.#digests, node, index, machine.keyspace.digest());
    }
  }

  #compare(known: Map<number, string>, node: RaftNode, index: number, found: string): void {
    const expected = known.get(index);
    if (expected === undefined) known.set(index, found);
    else if (expected !== found) {
      throw new Violation("SN", `node ${node.options.id} has another state at entry ${index}`);
    }
  }

  /** The state of a snapshot takes this node's place. */
  #loaded(node: RaftNode, machine: Machine, index: number): void {
    this.loadedStates++;
    this.#compare(this.#hashes, node, index, machine.stateHash);
    this.#compare(this.#digests, node, index, machine.keyspace.digest());
  }

  /** What a snapshot begins with is what whoever loads it must have. */
  #watchSnapshots(machine: Machine): void {
    const begin = machine.beginSnapshot.bind(machine);
    machine.beginSnapshot = (header) => {
      const { index } = header.last;
      const digest = machine.keyspace.digest();
      const known = this.#digests.get(index);
      if (known === undefined) this.#digests.set(index, digest);
      else if (known !== digest) throw new Violation("SN", `snapshot ${index} is of another state`);
      return begin(header);
    };
  }
}

function isSame(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, at) => byte === b[at]);
}

/** Whoever applies the entry next must apply the same. */
function checkWhole({ index, record }: LogEntry, id: NodeId): void {
  try {
    decodeEntry(record);
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error;
    throw new Violation("CC", `node ${id} applies entry ${index} damaged: ${error.message}`);
  }
}
