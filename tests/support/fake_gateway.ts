/**
 * A gateway without Raft: one process, one plain map of strings a database, replies in a later turn.
 * It lets the Redis listener be tested by itself, slow and failing nodes included.
 */

import { Ring } from "../../src/base/mod.ts";
import type { CommandDeclaration } from "../../src/commands/mod.ts";
import type {
  Gateway,
  Lane,
  NodeView,
  OperationFailure,
  ReplyTarget,
  TransactionItem,
} from "../../src/node/mod.ts";
import { newCounters } from "../../src/node/counters.ts";
import { OK, type Reply, type Request, RespError, RespMap } from "../../src/resp/mod.ts";

type Store = Map<string, string>;

interface FakeCommand extends CommandDeclaration {
  readonly run: (store: Store, request: Request) => Reply;
}

function fake(
  name: string,
  arity: number,
  flag: "write" | "readonly",
  run: FakeCommand["run"],
): FakeCommand {
  return {
    name,
    arity,
    flags: [flag],
    keys: { first: 1, last: 1, step: 1 },
    group: "string",
    since: "1.0.0",
    summary: `A stand-in for ${name}.`,
    run,
  };
}

/** Enough of Redis to test a listener with; each does what the command of that name does. */
export const FAKE_COMMANDS: readonly FakeCommand[] = [
  fake("get", 2, "readonly", (store, request) => store.get(request.text(1)) ?? null),
  fake("exists", -2, "readonly", (store, request) => store.has(request.text(1)) ? 1 : 0),
  fake("set", -3, "write", (store, request) => {
    if (request.length > 3) return new RespError("ERR syntax error");
    store.set(request.text(1), request.text(2));
    return OK;
  }),
  fake("incr", 2, "write", (store, request) => {
    const value = Number(store.get(request.text(1)) ?? "0");
    if (!Number.isInteger(value)) {
      return new RespError("ERR value is not an integer or out of range");
    }
    store.set(request.text(1), String(value + 1));
    return value + 1;
  }),
  fake("del", -2, "write", (store, request) => {
    let removed = 0;
    for (let i = 1; i < request.length; i++) removed += store.delete(request.text(i)) ? 1 : 0;
    return removed;
  }),
  fake("hgetall", 2, "readonly", () => new RespMap([])),
];

const commandsByName = new Map(FAKE_COMMANDS.map((command) => [command.name, command]));

export interface FakeGatewayOptions {
  /** Calls back when replies may be given; default: at the end of this turn of the loop. */
  readonly schedule?: (run: () => void) => void;
}

interface FakeOperation {
  readonly lane: FakeLane;
  readonly target: ReplyTarget;
  readonly run: () => Reply;
}

export class FakeGateway implements Gateway {
  readonly stores: readonly Store[] = Array.from({ length: 16 }, () => new Map());
  saturated = false;
  /** When set, operations are answered with it and not run. */
  failure: OperationFailure | undefined = undefined;
  /** While true nothing is answered. */
  stalled = false;
  /** Changes to the picture that `view` gives. */
  viewChanges: Partial<NodeView> = {};
  readonly #schedule: (run: () => void) => void;
  readonly #queue: Ring<FakeOperation> = new Ring();
  readonly #reliefCallbacks: (() => void)[] = [];
  #scheduled = false;

  constructor(options: FakeGatewayOptions = {}) {
    this.#schedule = options.schedule ?? ((run) => void setImmediateOf(run));
  }

  openLane(): Lane {
    return new FakeLane(this);
  }

  onRelief(callback: () => void): void {
    this.#reliefCallbacks.push(callback);
  }

  relieve(): void {
    this.saturated = false;
    for (const callback of this.#reliefCallbacks) callback();
  }

  resume(): void {
    this.stalled = false;
    this.#wake();
  }

  get pending(): number {
    return this.#queue.length;
  }

  submit(operation: FakeOperation): void {
    this.#queue.push(operation);
    this.#wake();
  }

  #wake(): void {
    if (this.#scheduled || this.stalled) return;
    this.#scheduled = true;
    this.#schedule(this.#answerAll);
  }

  readonly #answerAll = (): void => {
    this.#scheduled = false;
    for (let left = this.#queue.length; left > 0 && !this.stalled; left--) {
      const { lane, target, run } = this.#queue.shift()!;
      lane.pending--;
      if (this.failure !== undefined) {
        if (!lane.closed) target.onFailure(this.failure);
        continue;
      }
      const reply = run();
      if (!lane.closed) target.onReply(reply);
    }
  };

  execute(db: number, request: Request): Reply {
    return commandsByName.get(request.lower(0))!.run(this.stores[db], request);
  }

  view(): NodeView {
    return { ...VIEW, databases: this.#databases(), ...this.viewChanges };
  }

  #databases() {
    return this.stores.map((store, index) => ({
      index,
      keys: store.size,
      expires: 0,
      avgTtlMs: 0,
    })).filter((db) => db.keys > 0);
  }
}

class FakeLane implements Lane {
  readonly #gateway: FakeGateway;
  readsLocally = false;
  pending = 0;
  closed = false;

  constructor(gateway: FakeGateway) {
    this.#gateway = gateway;
  }

  write(db: number, request: Request, target: ReplyTarget): void {
    const copy = request.copy();
    this.#submit(target, () => this.#gateway.execute(db, copy));
  }

  read(db: number, request: Request, target: ReplyTarget): void {
    this.write(db, request, target);
  }

  transaction(items: readonly TransactionItem[], _writes: boolean, target: ReplyTarget): void {
    this.#submit(
      target,
      () => items.map(({ db, request }) => this.#gateway.execute(db, request)),
    );
  }

  close(): void {
    this.closed = true;
  }

  #submit(target: ReplyTarget, run: () => Reply): void {
    this.pending++;
    this.#gateway.submit({ lane: this, target, run });
  }
}

function setImmediateOf(run: () => void): void {
  const { port1, port2 } = new MessageChannel();
  port1.onmessage = () => {
    port1.close();
    run();
  };
  port2.postMessage(null);
}

const VIEW: NodeView = {
  clusterId: "c0ffee",
  nodeId: 1,
  incarnation: 3,
  role: "leader",
  term: 7,
  leaderId: 1,
  commitIndex: 42,
  appliedIndex: 42,
  lastIndex: 42,
  firstIndex: 1,
  members: [
    member(1, { matchIndex: 42 }),
    member(2, { matchIndex: 42, lastContactMs: 12 }),
    member(3, { matchIndex: 40, lastContactMs: 30, connected: false }),
  ],
  ready: true,
  notReadyReason: undefined,
  uptimeMs: 90_000,
  logBytes: 4096,
  logSegments: 1,
  pendingWrites: 0,
  pendingReads: 0,
  batchesApplied: 40,
  commandsApplied: 41,
  databases: [],
  expiredKeys: 2,
  clockMs: 1_700_000_000_000,
  network: {
    messagesSent: 1,
    messagesReceived: 2,
    bytesSent: 3,
    bytesReceived: 4,
    messagesDropped: 0,
    reconnects: 0,
    handshakesRefused: 0,
    damagedFrames: 0,
  },
  configurationIndex: 0,
  changingMembers: false,
  featureLevel: 1,
  snapshotIndex: 0,
  snapshotBytes: 0,
  snapshotting: false,
  quarantined: undefined,
  recovering: false,
  damagedEntries: 0,
  counters: newCounters(),
};

/** A member of the fake cluster of three. */
export function member(
  id: number,
  changes: Partial<NodeView["members"][number]> = {},
): NodeView["members"][number] {
  return {
    id,
    raftAddress: `10.0.0.${id}:7379`,
    redisAddress: `10.0.0.${id}:6379`,
    standing: "voter",
    connected: true,
    matchIndex: undefined,
    lastContactMs: undefined,
    featureLevel: undefined,
    snapshotSending: undefined,
    ...changes,
  };
}
