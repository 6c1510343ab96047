/**
 * Every setting of Logboat: the one source of types, defaults, help, the example file and error
 * messages (architecture P8, §7). Names are as in the file; a flag is `--section-name`, a variable
 * `LOGBOAT_SECTION_NAME`. Numbers carry their unit in the name.
 */

import { z } from "zod";
import { NODE_ID_MAX } from "../base/mod.ts";
import {
  boolean,
  bytes,
  choice,
  integer,
  listenAddress,
  optionalAddress,
  optionalInteger,
  optionalRange,
  peerList,
  text,
} from "./field.ts";

const KIB = 1024;
const MIB = 1024 * KIB;
const GIB = 1024 * MIB;
const HOUR_MS = 3_600_000;

/** Largest cluster; more members make every write slower and no write safer. */
export const PEERS_MAX = 31;

/** Election timeout and heartbeat of each preset (architecture D10). */
export const TIMING_PRESETS = {
  edge: { electionTimeoutMs: { min: 3000, max: 6000 }, heartbeatMs: 500 },
  lan: { electionTimeoutMs: { min: 300, max: 600 }, heartbeatMs: 50 },
} as const;

/** A table of the file. */
function section<Shape extends z.ZodRawShape>(shape: Shape) {
  return z.strictObject(shape, {
    error: (issue) => issue.code === "invalid_type" ? "a table, such as [redis]" : undefined,
  });
}

const node = section({
  "id": optionalInteger({
    min: 1,
    max: NODE_ID_MAX,
    example: 1,
    absent: "given when joining, else 1",
    help:
      "This member's number, unique in the cluster and never given to another. Only raft.peer " +
      "needs it: a node that joins is given one, and the data directory keeps it.",
  }),
  "data-dir": text({
    fallback: "./logboat-data",
    help: "Where the log and this node's identity are kept. One directory belongs to one node.",
  }),
});

const redis = section({
  "listen": listenAddress({
    fallback: "127.0.0.1:6379",
    help: "Where Redis clients connect.",
  }),
  "advertise": optionalAddress({
    example: "10.0.0.1:6379",
    absent: "as in raft.peer, else `redis.listen`",
    help: "Where clients are told to find this node, when it is not where it listens.",
  }),
  "password": text({
    fallback: "",
    mayBeEmpty: true,
    secret: true,
    help: "What clients must give to AUTH or HELLO; empty asks for none. Prefer the file to a " +
      "flag: other users of the machine can see command lines.",
  }),
  "password-file": text({
    fallback: "",
    mayBeEmpty: true,
    help: "A file whose first line is the password.",
  }),
  "protected-mode": boolean({
    fallback: true,
    help: "Refuse to start when other machines can connect and no password is set.",
  }),
  "max-clients": integer({
    min: 1,
    max: 1_000_000,
    fallback: 10_000,
    help: "Client connections at a time; more are refused.",
  }),
  "follower": choice({
    values: ["forward", "redirect"],
    fallback: "forward",
    help: "How a node that does not lead serves a command: through the leader, or with MOVED.",
  }),
  "reads": choice({
    values: ["linearizable", "lease", "local"],
    fallback: "linearizable",
    help: "How fresh reads must be: always the newest, the newest while clocks run evenly, or " +
      "whatever this node has, within staleness-ms-max. READONLY makes a connection's reads local.",
  }),
  "staleness-ms-max": integer({
    min: 100,
    max: HOUR_MS,
    fallback: 10_000,
    help: "A local read has every write that was acknowledged so long before it; a node that has " +
      "not heard from a leader for longer refuses.",
  }),
  "bulk-bytes-max": bytes({
    min: 64 * KIB,
    max: 256 * MIB,
    fallback: 16 * MIB,
    help: "Longest single argument of a command.",
  }),
  "query-bytes-max": bytes({
    min: 1 * MIB,
    max: 512 * MIB,
    fallback: 64 * MIB,
    help: "Longest whole command or transaction.",
  }),
  "output-bytes-max": bytes({
    min: 0,
    max: 4 * GIB,
    fallback: 256 * MIB,
    help: "Unread replies of one client; one that has more is disconnected. 0 is no limit.",
  }),
  "output-soft-bytes": bytes({
    min: 0,
    max: 4 * GIB,
    fallback: 64 * MIB,
    help: "Unread replies that a client may have for output-soft-ms, not longer. 0 is no limit.",
  }),
  "output-soft-ms": integer({
    min: 0,
    max: HOUR_MS,
    fallback: 60_000,
    help: "How long a client may have more than output-soft-bytes of unread replies.",
  }),
  "idle-timeout-ms": integer({
    min: 0,
    max: 24 * HOUR_MS,
    fallback: 0,
    help: "Disconnect a client that sends nothing for so long; 0 never does.",
  }),
  "assembly-timeout-ms": integer({
    min: 100,
    max: HOUR_MS,
    fallback: 60_000,
    help: "Disconnect a client whose command is not whole so long after its first byte, with a " +
      "second more for each 16 kB.",
  }),
  "operation-timeout-ms": integer({
    min: 100,
    max: HOUR_MS,
    fallback: 15_000,
    help: "How long a client waits while the cluster has no leader; then it gets an error that " +
      "says whether its write may have happened.",
  }),
});

const raft = section({
  "listen": listenAddress({
    fallback: "127.0.0.1:7379",
    help: "Where the other members connect.",
  }),
  "advertise": optionalAddress({
    example: "10.0.0.1:7379",
    absent: "as in raft.peer, else `raft.listen`",
    help: "Where the other members are told to find this node, when it is not where it listens.",
  }),
  "timing": choice({
    values: ["edge", "lan"],
    fallback: "edge",
    help: "How soon silence counts as failure. edge: elections after 3000 to 6000 ms, heartbeats " +
      "every 500 ms. lan: 300 to 600 ms and 50 ms.",
  }),
  "election-timeout-ms": optionalRange({
    min: 50,
    max: 600_000,
    example: [3000, 6000],
    absent: "by `raft.timing`",
    help: "Overrides the preset: an election starts after a random time in this range without a " +
      "leader.",
  }),
  "heartbeat-ms": optionalInteger({
    min: 5,
    max: 60_000,
    example: 500,
    absent: "by `raft.timing`",
    help: "Overrides the preset: how often a leader that has nothing to say says so.",
  }),
  "secret": text({
    fallback: "",
    mayBeEmpty: true,
    secret: true,
    help: "Shared by all members, who prove to each other that they know it.",
  }),
  "secret-file": text({
    fallback: "",
    mayBeEmpty: true,
    help: "A file whose first line is the secret.",
  }),
  "transfer-timeout-ms": integer({
    min: 100,
    max: 600_000,
    fallback: 5000,
    help: "How long handing leadership over may take, on request or at a planned stop.",
  }),
  "append-bytes-max": bytes({
    min: 64 * KIB,
    max: 512 * MIB,
    fallback: 1 * MIB,
    help: "Entries put into one message to a follower; a larger single entry goes alone.",
  }),
  "inflight-messages-max": integer({
    min: 1,
    max: 4096,
    fallback: 128,
    help: "Unacknowledged messages to one follower.",
  }),
  // Enough for 80 MB/s over 100 ms. A leader makes all of it at once for a follower that is behind.
  "inflight-bytes-max": bytes({
    min: 64 * KIB,
    max: 4 * GIB,
    fallback: 8 * MIB,
    help: "Unacknowledged bytes to one follower.",
  }),
  "uncommitted-bytes-max": bytes({
    min: 1 * MIB,
    max: 4 * GIB,
    fallback: 128 * MIB,
    help: "What a leader has taken since its start without a majority; above it, new writes wait.",
  }),
  "cache-bytes-max": bytes({
    min: 0,
    max: 16 * GIB,
    fallback: 16 * MIB,
    help: "Applied entries kept in memory for followers that are a little behind; 0 keeps none.",
  }),
  "snapshot-rate-bytes": bytes({
    min: 64 * KIB,
    max: 16 * GIB,
    fallback: 64 * MIB,
    help: "What a leader sends of a snapshot to a member in a second, at most.",
  }),
  "join": optionalAddress({
    example: "10.0.0.1:7379",
    absent: "none",
    help: "The Raft address of any member of a running cluster, for this node to join it at its " +
      "first start; later starts do not need it.",
  }),
  "join-as": choice({
    values: ["voter", "learner"],
    fallback: "voter",
    help: "What to become when joining. A voter votes as soon as it has caught up; a learner has " +
      "all data and never votes.",
  }),
  "join-replaces": optionalInteger({
    min: 1,
    max: NODE_ID_MAX,
    example: 3,
    absent: "none",
    help: "The voter that leaves the cluster when this node, joining, begins to vote: one whose " +
      "disk or machine is lost.",
  }),
  "peer": peerList({ idMax: NODE_ID_MAX, peersMax: PEERS_MAX }),
});

const storage = section({
  "fsync": choice({
    values: ["always", "interval", "never"],
    fallback: "always",
    help: "When the log reaches the disk. always: before a write is acknowledged. interval and " +
      "never: a node that loses power forgets its last writes, and when a majority does, writes " +
      "that were acknowledged are gone.",
  }),
  "fsync-interval-ms": integer({
    min: 10,
    max: 60_000,
    fallback: 1000,
    help: 'How often to sync with fsync = "interval".',
  }),
  "segment-bytes": bytes({
    min: 64 * KIB,
    max: 4 * GIB,
    fallback: 64 * MIB,
    help: "Size of a file of the log; a new one is begun when it is reached.",
  }),
  "batch-bytes-max": bytes({
    min: 4 * KIB,
    max: 256 * MIB,
    fallback: 1 * MIB,
    help: "Writes gathered into one entry; a larger single command goes alone.",
  }),
  "snapshot-log-bytes": bytes({
    min: 1 * MIB,
    max: 1024 * GIB,
    fallback: 256 * MIB,
    help:
      "Log after which a snapshot is taken. The log reaches back to the one before the newest, " +
      "so it takes up to twice this and a segment.",
  }),
  "sync-hang-step-down-ms": integer({
    min: 100,
    max: 600_000,
    fallback: 2000,
    help: "A leader whose disk has not finished a sync for so long gives up leadership.",
  }),
  "sync-hang-exit-ms": integer({
    min: 200,
    max: 600_000,
    fallback: 10_000,
    help: "A node whose disk has not finished a sync for so long stops.",
  }),
});

const admin = section({
  "listen": listenAddress({
    fallback: "127.0.0.1:8379",
    help: "Where health, metrics, status and the admin API are served over HTTP.",
  }),
  "token": text({
    fallback: "",
    mayBeEmpty: true,
    secret: true,
    help:
      "Bearer token of every admin request but /healthz and /readyz, a browser's password for the " +
      "pages; empty asks for none.",
  }),
  "token-file": text({
    fallback: "",
    mayBeEmpty: true,
    help: "A file whose first line is the token.",
  }),
  "request-timeout-ms": integer({
    min: 100,
    max: 600_000,
    fallback: 10_000,
    help: "A request must have arrived within this time.",
  }),
});

const log = section({
  "level": choice({
    values: ["debug", "info", "warn", "error"],
    fallback: "info",
    help: "The least important lines that are written.",
  }),
  "format": choice({
    values: ["text", "json"],
    fallback: "text",
    help: "Lines for people or for programs.",
  }),
  "buffer-bytes-max": bytes({
    min: 4 * KIB,
    max: 1 * GIB,
    fallback: 1 * MIB,
    help: "Lines kept while nobody reads the output; more are dropped and counted.",
  }),
});

const process = section({
  "shutdown-grace-ms": integer({
    min: 0,
    max: HOUR_MS,
    fallback: 10_000,
    help: "How long a stop on SIGTERM may take before the process ends anyway.",
  }),
});

/** The whole file. Every section and every key may be left out. */
export const settingsSchema = z.strictObject({
  node: node.prefault({}),
  redis: redis.prefault({}),
  raft: raft.prefault({}),
  storage: storage.prefault({}),
  admin: admin.prefault({}),
  log: log.prefault({}),
  process: process.prefault({}),
});

/** The sections in the order of the file, with a line about each. */
export const SECTIONS = {
  node: { shape: node.shape, help: "This member." },
  redis: { shape: redis.shape, help: "The Redis listener." },
  raft: { shape: raft.shape, help: "The cluster." },
  storage: { shape: storage.shape, help: "The log on disk." },
  admin: { shape: admin.shape, help: "The admin listener." },
  log: { shape: log.shape, help: "Text output." },
  process: { shape: process.shape, help: "The process." },
} as const;
