/** What the Redis listener is told; `CONFIG SET` changes the fields that are not readonly. */

export interface RedisSettings {
  readonly hostname: string;
  /** 0 for any free one. */
  readonly port: number;
  /** Of the default user; empty: none is asked for. */
  readonly password: string;
  /** Without a password, serve loopback clients only. */
  protectedMode: boolean;
  maxClients: number;
  /** How a node that does not lead serves commands with keys. */
  readonly follower: "forward" | "redirect";
  /** Longest argument. */
  bulkBytesMax: number;
  /** Longest command, longest queued transaction, most work in flight for one client. */
  readonly queryBytesMax: number;
  /** Unread replies of a client: above this it is closed at once; 0 for no limit. */
  outputBytesMax: number;
  /** Unread replies above this for `outputSoftMs` close a client too; 0 for no limit. */
  outputSoftBytes: number;
  outputSoftMs: number;
  /** A client silent for so long is closed; 0 for never. */
  idleTimeoutMs: number;
  /** A command must be whole this long after its first byte (and 16 kB a second more). */
  readonly assemblyTimeoutMs: number;
}

/** Defaults for everything that a file of settings need not name. */
export const REDIS_SETTINGS: RedisSettings = {
  hostname: "127.0.0.1",
  port: 6379,
  password: "",
  protectedMode: true,
  maxClients: 10_000,
  follower: "forward",
  bulkBytesMax: 16 * 1024 * 1024,
  queryBytesMax: 64 * 1024 * 1024,
  outputBytesMax: 256 * 1024 * 1024,
  outputSoftBytes: 64 * 1024 * 1024,
  outputSoftMs: 60_000,
  idleTimeoutMs: 0,
  assemblyTimeoutMs: 60_000,
};

/** The redis version whose behaviour clients may expect. */
export const REDIS_VERSION = "7.0.15";
export const DATABASES = 16;
