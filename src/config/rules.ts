/**
 * What must hold between settings (each alone is checked by the schema), and what is allowed but
 * deserves a word at the start.
 */

import {
  formatHostPort,
  type HostPort,
  isLoopback,
  isWildcard,
  parseHostPort,
} from "../base/mod.ts";
import { formatBytes } from "./size.ts";
import type { PeerSettings, Settings } from "./settings.ts";

/** A relation that does not hold, for "Cannot use …: found …, expected …". */
export interface Violation {
  readonly found: string;
  readonly expected: string;
}

interface Rule {
  /** Paths of the settings involved, the one to blame first. */
  readonly keys: readonly string[];
  /** Undefined when all is well. */
  readonly check: (settings: Settings) => Violation | undefined;
}

/** Everything that must hold between settings. */
export const RULES: readonly Rule[] = [
  {
    keys: ["redis.listen"],
    check: ({ redis }) =>
      isLoopback(redis.listen.hostname) || hasOne(redis.password, redis.passwordFile) ||
        !redis.protectedMode
        ? undefined
        : {
          found: `${formatHostPort(redis.listen)} and no password`,
          expected: "a password, because other machines can connect there: set redis.password or " +
            "redis.password-file, or listen on 127.0.0.1; if the network itself is trusted, set " +
            "redis.protected-mode = false",
        },
  },
  {
    keys: ["raft.listen"],
    check: ({ raft }) =>
      isLoopback(raft.listen.hostname) || hasOne(raft.secret, raft.secretFile) ? undefined : {
        found: `${formatHostPort(raft.listen)} and no secret`,
        expected: "a secret that the members share, because other machines can connect there: " +
          "set raft.secret or raft.secret-file",
      },
  },
  {
    keys: ["admin.listen"],
    check: ({ admin }) =>
      isLoopback(admin.listen.hostname) || hasOne(admin.token, admin.tokenFile) ? undefined : {
        found: `${formatHostPort(admin.listen)} and no token`,
        expected: "a token, because other machines can connect there: set admin.token or " +
          "admin.token-file, or listen on 127.0.0.1",
      },
  },
  eitherOr("redis.password", ({ redis }) => [redis.password, redis.passwordFile]),
  eitherOr("raft.secret", ({ raft }) => [raft.secret, raft.secretFile]),
  eitherOr("admin.token", ({ admin }) => [admin.token, admin.tokenFile]),
  {
    keys: ["node.id", "raft.peer"],
    check: ({ node: { id = 1 }, raft }) =>
      raft.peers.length === 0 || raft.peers.some((peer) => peer.id === id) ? undefined : {
        found: `${id}, which is not in raft.peer`,
        expected: `the id of a member: ${raft.peers.map((peer) => peer.id).join(", ")}`,
      },
  },
  {
    keys: ["raft.join", "raft.peer"],
    check: ({ raft }) =>
      raft.join === undefined || raft.peers.length === 0 ? undefined : {
        found: "both raft.join and raft.peer",
        expected: "one of them: a node that joins is told who the members are",
      },
  },
  joinsWithAddress("raft"),
  joinsWithAddress("redis"),
  {
    keys: ["raft.join", "raft.advertise", "raft.listen"],
    check: ({ raft }) =>
      raft.join === undefined || raft.join !== (raft.advertise ?? formatHostPort(raft.listen))
        ? undefined
        : { found: `${raft.join}, which is this node`, expected: "the address of another member" },
  },
  {
    keys: ["raft.join-replaces", "raft.join", "node.id"],
    check: ({ node, raft }) => {
      if (raft.joinReplaces === undefined || raft.join === undefined) return undefined;
      const found = `${raft.joinReplaces}`;
      if (raft.joinAs !== "voter") {
        return { found: `${found} and raft.join-as "learner"`, expected: "a voter to replace one" };
      }
      return raft.joinReplaces !== node.id ? undefined : {
        found: `${found}, which is node.id too`,
        expected: "this node to have an id that no member ever had: leave node.id out",
      };
    },
  },
  {
    keys: ["raft.advertise", "raft.peer"],
    check: (settings) => contradictsPeer(settings, "raft"),
  },
  {
    keys: ["redis.advertise", "raft.peer"],
    check: (settings) => contradictsPeer(settings, "redis"),
  },
  distinctPeers("id"),
  distinctPeers("raft"),
  distinctPeers("redis"),
  {
    keys: ["raft.heartbeat-ms", "raft.election-timeout-ms", "raft.timing"],
    check: ({ raft }) =>
      raft.heartbeatMs * 3 < raft.electionTimeoutMs.min ? undefined : {
        found: `a heartbeat every ${raft.heartbeatMs} ms and elections after ` +
          `${raft.electionTimeoutMs.min} ms`,
        expected: "three heartbeats to fit into the shortest election timeout",
      },
  },
  {
    keys: ["storage.sync-hang-step-down-ms", "storage.sync-hang-exit-ms"],
    check: ({ storage }) =>
      storage.syncHangStepDownMs < storage.syncHangExitMs ? undefined : {
        found: `storage.sync-hang-step-down-ms ${storage.syncHangStepDownMs} ms`,
        expected: `less than storage.sync-hang-exit-ms, ${storage.syncHangExitMs} ms`,
      },
  },
  distinctListeners("redis", "raft"),
  distinctListeners("redis", "admin"),
  distinctListeners("raft", "admin"),
  atMost("redis.bulk-bytes-max", ({ redis }) => redis.bulkBytesMax, {
    name: "redis.query-bytes-max",
    of: ({ redis }) => redis.queryBytesMax,
  }),
  {
    keys: ["raft.uncommitted-bytes-max", "redis.query-bytes-max", "storage.batch-bytes-max"],
    check: ({ raft }) =>
      raft.entryBytesMax <= raft.uncommittedBytesMax ? undefined : {
        found: formatBytes(raft.uncommittedBytesMax),
        expected: `at least ${formatBytes(raft.entryBytesMax)}, the largest entry that follows ` +
          "from redis.query-bytes-max and storage.batch-bytes-max",
      },
  },
  atMost("raft.append-bytes-max", ({ raft }) => raft.appendBytesMax, {
    name: "raft.inflight-bytes-max",
    of: ({ raft }) => raft.inflightBytesMax,
  }),
];

/** Settings that work but may not be what was meant; each is one sentence. */
export function settingsWarnings(settings: Settings): string[] {
  const { raft, redis, storage } = settings;
  const warnings: string[] = [];
  if (
    !redis.protectedMode && !isLoopback(redis.listen.hostname) &&
    !hasOne(redis.password, redis.passwordFile)
  ) {
    warnings.push("Anyone who can reach the Redis listener can read and write: no password is set");
  }
  if (redis.reads === "local") {
    warnings.push(
      `With reads = "local" a read may miss writes of the last ${redis.stalenessMsMax} ms`,
    );
  }
  if (storage.fsync !== "always") {
    warnings.push(
      `With fsync = "${storage.fsync}" a write can be acknowledged before it is on a disk`,
    );
  }
  if (raft.peers.length > 0 && raft.peers.length % 2 === 0) {
    warnings.push(
      `${raft.peers.length} members survive no more failures than ${raft.peers.length - 1} do`,
    );
  }
  if (raft.joinReplaces !== undefined && raft.join === undefined) {
    warnings.push("raft.join-replaces has no effect without raft.join");
  }
  const self = ownPeer(settings);
  pushIfHidden(warnings, "raft", raft.listen, raft.advertise ?? self?.raft);
  pushIfHidden(warnings, "redis", redis.listen, redis.advertise ?? self?.redis);
  if (raft.peers.length === 0 && raft.advertise === undefined && isWildcard(raft.listen.hostname)) {
    warnings.push(
      `raft.listen is ${
        formatHostPort(raft.listen)
      } and raft.advertise is not set: no other node ` +
        "can join this one",
    );
  }
  return warnings;
}

/** Others must be told an address at which they find this node. */
function joinsWithAddress(name: "raft" | "redis"): Rule {
  return {
    keys: [`${name}.advertise`, `${name}.listen`],
    check: (settings) => {
      const { advertise, listen } = settings[name];
      if (settings.raft.join === undefined || advertise !== undefined || isReachable(listen)) {
        return undefined;
      }
      return {
        found: `${name}.listen ${formatHostPort(listen)} and no ${name}.advertise`,
        expected: `an address that others can connect to in ${name}.advertise, to join a cluster`,
      };
    },
  };
}

function isReachable({ hostname, port }: HostPort): boolean {
  return !isWildcard(hostname) && port !== 0;
}

/** This node as raft.peer has it; undefined in a cluster of one. */
function ownPeer({ node: { id = 1 }, raft }: Settings): PeerSettings | undefined {
  return raft.peers.find((peer) => peer.id === id);
}

function contradictsPeer(settings: Settings, name: "raft" | "redis"): Violation | undefined {
  const { advertise } = settings[name];
  const listed = ownPeer(settings)?.[name];
  if (advertise === undefined || listed === undefined || advertise === listed) return undefined;
  return { found: advertise, expected: `${listed}, as raft.peer says, or nothing` };
}

/** Others are told an address that this machine alone can reach. */
function pushIfHidden(
  to: string[],
  name: "raft" | "redis",
  listen: HostPort,
  told: string | undefined,
): void {
  const hostname = told === undefined ? undefined : parseHostPort(told)?.hostname;
  if (hostname === undefined || isLoopback(hostname) || !isLoopback(listen.hostname)) return;
  to.push(
    `${name}.listen is ${formatHostPort(listen)}, which only this machine can reach, while ` +
      `others are told to use ${told}`,
  );
}

function hasOne(...secrets: readonly string[]): boolean {
  return secrets.some((secret) => secret !== "");
}

function eitherOr(path: string, of: (settings: Settings) => readonly string[]): Rule {
  return {
    keys: [`${path}-file`, path],
    check: (settings) =>
      of(settings).includes("") ? undefined : {
        found: `both ${path} and ${path}-file`,
        expected: "one of them",
      },
  };
}

function distinctPeers(field: "id" | "raft" | "redis"): Rule {
  return {
    keys: ["raft.peer"],
    check: ({ raft }) => {
      const values = raft.peers.map((peer) => peer[field]);
      const repeated = values.find((value, at) => values.indexOf(value) !== at);
      return repeated === undefined ? undefined : {
        found: `${field} ${repeated} twice`,
        expected: `each member to have its own ${field === "id" ? "id" : `${field} address`}`,
      };
    },
  };
}

function distinctListeners(a: "redis" | "raft", b: "raft" | "admin"): Rule {
  return {
    keys: [`${b}.listen`, `${a}.listen`],
    check: (settings) => {
      const [one, other] = [settings[a].listen, settings[b].listen];
      if (one.port === 0 || one.port !== other.port || one.hostname !== other.hostname) return;
      return {
        found: `${formatHostPort(other)}, which is ${a}.listen too`,
        expected: "an address of its own for each listener",
      };
    },
  };
}

function atMost(
  path: string,
  value: (settings: Settings) => number,
  limit: { readonly name: string; readonly of: (settings: Settings) => number },
): Rule {
  return {
    keys: [path, limit.name],
    check: (settings) => {
      const most = limit.of(settings);
      if (value(settings) <= most) return undefined;
      return {
        found: `${path} ${formatBytes(value(settings))}`,
        expected: `at most ${limit.name}, ${formatBytes(most)}`,
      };
    },
  };
}
