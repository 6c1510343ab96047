/**
 * The sixteen places at which a process can end between two of its effects, by the names that etcd's
 * failpoints have here: before and after each step of the disk, of sending, of applying, of replying.
 * The process is gone at that very place: what its code still does reaches no disk, link or client.
 */

import type { NodeId } from "../../src/base/mod.ts";
import { Request } from "../../src/machine/mod.ts";
import type { DiskOperation } from "../support/memory_disk.ts";
import type { LiveNode, World } from "./world.ts";

/**
 * Who comes to the place: a leader, a follower that is up to date, one that comes back and needs a
 * snapshot, a new member that needs one.
 */
export type Role = "leader" | "follower" | "returning" | "joiner";

/**
 * Where a process ends: in its operations on disk from before its start, or in a method from then
 * on.
 */
export interface Hook {
  /** Made once for each process; true for the operation before which it ends. */
  readonly disk?: () => (operation: DiskOperation) => boolean;
  /** Takes the place of methods of a process that has started; calls `die` where it ends. */
  readonly node?: (live: LiveNode, die: () => void) => void;
}

export interface Failpoint extends Hook {
  readonly name: string;
  readonly when: string;
  readonly roles: readonly Role[];
  /** What brings a process there that would not come to it by itself; done again and again. */
  readonly provoke?: (world: World, id: NodeId) => void;
}

/** The key of a write whose reply a process never sends. */
export function unansweredKey({ id, node: { options } }: LiveNode): string {
  return `unanswered ${id} ${options.incarnation}`;
}

const MEMBERS: readonly Role[] = ["leader", "follower"];
const NEWCOMERS: readonly Role[] = ["returning", "joiner"];
const ALL: readonly Role[] = [...MEMBERS, ...NEWCOMERS];

type Test = (operation: DiskOperation) => boolean;

const on = (kind: DiskOperation["kind"], path: RegExp): Test => (operation) =>
  operation.kind === kind && path.test(operation.path);

/** Before the first operation of the last kind, behind one of each kind before it, in their order. */
function behind(...tests: readonly Test[]): () => Test {
  return () => {
    let at = 0;
    return (operation) => {
      if (!tests[at](operation)) return false;
      if (at === tests.length - 1) return true;
      at++;
      return false;
    };
  };
}

const LOG = /\/log\//;
const SNAPSHOTS = /\/snapshots$/;
const DATA_ASIDE = /\.rdb\.(new|part)$/;
const MANIFEST_ASIDE = /\.manifest\.new$/;
const logWrite = on("write", LOG);
const logSync = on("sync", LOG);
const logRemoved = on("remove", LOG);
const dataRenamed = on("rename", DATA_ASIDE);
const manifestRenamed = on("rename", MANIFEST_ASIDE);
const snapshotsSynced = on("syncDirectory", SNAPSHOTS);

/** A segment that was made has no header for certain yet. */
function headerSync(): Test {
  const made = new Set<string>();
  return ({ kind, path }) => {
    if (kind === "open" && LOG.test(path)) made.add(path);
    return kind === "sync" && made.has(path);
  };
}

/** Of the segments that go together one is gone. A state that names the others comes before. */
function secondRemoval(): Test {
  let removed = 0;
  return (operation) => {
    if (on("write", /\/state-/)(operation)) removed = 0;
    return logRemoved(operation) && ++removed === 2;
  };
}

/** The sync that the core is about to hear of is one of the log. */
function afterLogSync(): Required<Hook> {
  let isSynced = false;
  return {
    disk: () => {
      isSynced = false;
      return (operation) => {
        isSynced ||= logSync(operation);
        return false;
      };
    },
    node: ({ node }, die) => {
      const onPersisted = node.onPersisted.bind(node);
      node.onPersisted = (number, messages) => {
        if (isSynced) die();
        onPersisted(number, messages);
      };
    },
  };
}

/** The next write of a state is one of term and vote: others say which segments there are. */
function writesTerm({ node: { options: { storage } } }: LiveNode, begun: () => void): void {
  const persist = storage.persist.bind(storage);
  storage.persist = (batch) => {
    if (batch.hardState !== undefined) begun();
    return persist(batch);
  };
}

/** Before the write of a copy of term and vote that `isCopy` describes. */
function beforeTermCopy(isCopy: Test): Required<Hook> {
  let isTerm = false;
  return {
    disk: () => {
      isTerm = false;
      return (operation) => isTerm && isCopy(operation);
    },
    node: (live) => writesTerm(live, () => isTerm = true),
  };
}

/** Before a message leaves that `isIt` describes. */
function beforeSending(isIt: (message: Parameters<LiveNode["network"]["send"]>[0]) => boolean) {
  return ({ network }: LiveNode, die: () => void) => {
    const send = network.send.bind(network);
    network.send = (message) => {
      if (isIt(message)) die();
      return send(message);
    };
  };
}

const campaigns = (world: World, id: NodeId) =>
  void world.leader?.node.operations.transferLeadership(id);

/** Another follower than this one, which is asked for its vote. */
const votes = ({ leader, live }: World, id: NodeId) => {
  const other = [...live.keys()].find((found) => found !== id && found !== leader?.id);
  if (other !== undefined) void leader?.node.operations.transferLeadership(other);
};

export const FAILPOINTS: readonly Failpoint[] = [
  { name: "F1", when: "before the log is written", roles: ALL, disk: behind(logWrite) },
  {
    name: "F2",
    when: "after the log is written, before it is synced",
    roles: ALL,
    disk: behind(logWrite, logSync),
  },
  {
    name: "F3",
    when: "after the log is synced, before that is acknowledged",
    roles: ALL,
    ...afterLogSync(),
  },
  {
    name: "F4",
    when: "before a leader sends entries",
    roles: ["leader"],
    node: beforeSending((message) =>
      message.kind === "appendEntries" && message.entries.length > 0
    ),
  },
  {
    name: "F5",
    when: "before a follower sends that it has them",
    roles: ["follower", "returning", "joiner"],
    node: beforeSending((message) =>
      message.kind === "appendEntriesReply" && message.conflict === undefined && message.index > 0
    ),
  },
  {
    name: "F6",
    when: "before term and vote are written, by who is told of a newer term or joins",
    roles: ["leader", "joiner"],
    ...beforeTermCopy(on("write", /\/state-a$/)),
    provoke: votes,
  },
  {
    name: "F6",
    when: "before term and vote are written, by a candidate",
    roles: ["follower"],
    ...beforeTermCopy(on("write", /\/state-a$/)),
    provoke: campaigns,
  },
  {
    name: "F6",
    when: "before term and vote are written, by a voter",
    roles: ["follower"],
    ...beforeTermCopy(on("write", /\/state-a$/)),
    provoke: votes,
  },
  {
    name: "F7",
    when: "between the copies of term and vote, of who is told of a newer term or joins",
    roles: ["leader", "joiner"],
    ...beforeTermCopy(on("write", /\/state-b$/)),
    provoke: votes,
  },
  {
    name: "F7",
    when: "between the copies of term and vote, of a candidate",
    roles: ["follower"],
    ...beforeTermCopy(on("write", /\/state-b$/)),
    provoke: campaigns,
  },
  {
    name: "F7",
    when: "between the copies of term and vote, of a voter",
    roles: ["follower"],
    ...beforeTermCopy(on("write", /\/state-b$/)),
    provoke: votes,
  },
  {
    name: "F8",
    when: "before an entry is applied",
    roles: ALL,
    node: ({ node: { replica } }, die) => {
      const apply = replica.apply.bind(replica);
      replica.apply = (entry) => {
        die();
        apply(entry);
      };
    },
  },
  {
    name: "F9",
    when: "after an entry is applied, before that is recorded",
    roles: ALL,
    node: ({ node: { replica } }, die) => {
      const apply = replica.apply.bind(replica);
      replica.apply = (entry) => {
        apply(entry);
        if (entry.kind === "command") die();
      };
    },
  },
  {
    name: "F10",
    when: "before a reply is sent",
    roles: ALL,
    node: (live, die) => {
      // Its client is as far as a reply ever gets.
      const lane = live.node.openLane();
      const request = Request.of("SET", unansweredKey(live), "1");
      const write = () => lane.write(0, request, { onReply: die, onFailure });
      const onFailure = () => void live.clock.setTimer(10, write);
      write();
    },
  },
  {
    name: "F11",
    when: "a snapshot is written, and not synced",
    roles: ALL,
    disk: behind(on("write", DATA_ASIDE), on("sync", DATA_ASIDE)),
  },
  {
    name: "F12",
    when: "a snapshot is synced, and its data has no name",
    roles: ALL,
    disk: behind(dataRenamed),
  },
  {
    name: "F12",
    when: "a snapshot is synced, and its manifest has no name",
    roles: ALL,
    disk: behind(dataRenamed, manifestRenamed),
  },
  {
    name: "F13",
    when: "the data of a snapshot has a name that is not synced",
    roles: ALL,
    disk: behind(dataRenamed, snapshotsSynced),
  },
  {
    name: "F13",
    when: "the manifest of a snapshot has a name that is not synced",
    roles: ALL,
    disk: behind(manifestRenamed, snapshotsSynced),
  },
  {
    name: "F14",
    when: "a snapshot is there, and the log is not cut",
    roles: MEMBERS,
    node: ({ node: { options: { storage } } }, die) => {
      const compact = storage.compact.bind(storage);
      storage.compact = (through) => {
        die();
        return compact(through);
      };
    },
  },
  {
    name: "F14",
    when: "a received snapshot is there, and the log does not begin behind it",
    roles: NEWCOMERS,
    disk: behind(
      manifestRenamed,
      snapshotsSynced,
      ({ kind, path }) => kind === "write" && !path.includes("/snapshots/"),
    ),
  },
  {
    name: "F15",
    when: "a segment is made, and its header is not synced",
    roles: ALL,
    disk: headerSync,
  },
  {
    name: "F16",
    when: "one of several segments is removed, and the next is not",
    roles: ["leader", "follower", "returning"],
    disk: secondRemoval,
  },
];
