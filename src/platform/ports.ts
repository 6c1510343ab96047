/**
 * What Logboat needs from a runtime. `deno/` and `node/` implement it; tests and the simulator
 * bring their own. Errors of the system are `PlatformError`s, so that callers see one set of codes.
 */

/** Codes as in errno. `ECANCELED` stands for "closed from our side", `ELOCKED` for a held lock. */
export class PlatformError extends Error {
  override readonly name = "PlatformError";
  /** `ENOENT`, `EIO`, `ENOSPC`, `EACCES`, `EADDRINUSE`, `ECONNREFUSED`, `ETIMEDOUT`, … */
  readonly code: string;

  constructor(code: string, message: string) {
    super(message);
    this.code = code;
  }
}

/** All ports of one runtime. */
export interface Platform {
  readonly name: "deno" | "node";
  readonly clock: Clock;
  readonly disk: Disk;
  readonly net: Net;
  readonly http: Http;
  readonly process: Process;
}

/** Time and timers. No core code reads them. */
export interface Clock {
  /** Monotonic, ms, with a fraction. Includes time the process was stopped. */
  nowMs(): number;
  /** The wall clock, ms since 1970; may jump. */
  wallMs(): number;
  /** Runs `callback` once, about `delayMs` from now (the granularity is about 2 ms). */
  setTimer(delayMs: number, callback: () => void): Timer;
  /** Runs `callback` after the input of this turn of the event loop has been handled. */
  setImmediate(callback: () => void): void;
  /**
   * Runs `callback` after everything that waits at the event loop had its turn, new input included:
   * for long work in slices. A chain of immediates, or of reads and writes of files, keeps input out.
   */
  afterInput(callback: () => void): void;
}

/** A timer that has not fired, or has. */
export interface Timer {
  cancel(): void;
}

/** Files and directories. Every failure is a `PlatformError`. */
export interface Disk {
  /**
   * Opens a file, created with mode 0600. `create`: make it if missing; `createNew`: fail with
   * `EEXIST` if it is there. Always for reading; also for writing unless `readOnly`.
   */
  open(path: string, mode: "readOnly" | "existing" | "create" | "createNew"): Promise<DiskFile>;
  /** Makes a directory with mode 0700, and its parents; no error when it is there. */
  makeDirectory(path: string): Promise<void>;
  /** Names in a directory, sorted. */
  list(path: string): Promise<DirectoryEntry[]>;
  /** What is at `path`; undefined when nothing. Does not follow a symbolic link. */
  stat(path: string): Promise<DirectoryEntry | undefined>;
  rename(from: string, to: string): Promise<void>;
  remove(path: string): Promise<void>;
  /** Makes earlier creates, renames and removals in `path` durable. */
  syncDirectory(path: string): Promise<void>;
  /**
   * Takes an exclusive `flock` on a file, created if missing; released by `close` and when the
   * process ends in any way. Throws `ELOCKED` when another process, or this one, holds it.
   */
  lock(path: string): Promise<{ close(): Promise<void> }>;
  /** Whole small files, for settings and secrets. */
  readFile(path: string): Promise<Uint8Array>;
}

/** What a directory holds under a name; `bytes` is the length of a file. */
export interface DirectoryEntry {
  readonly name: string;
  readonly kind: "file" | "directory" | "link" | "other";
  readonly bytes: number;
}

/** Positions in bytes. One operation at a time, but reads may overlap anything. */
export interface DiskFile {
  /** Reads up to `into.length` bytes at `position`; returns how many, 0 at the end of the file. */
  read(into: Uint8Array, position: number): Promise<number>;
  /** Writes all of `bytes` at `position`; they must not change until it resolves. */
  write(bytes: Uint8Array, position: number): Promise<void>;
  /** Like `write`, on the calling thread: for small writes that land in the page cache. */
  writeSync(bytes: Uint8Array, position: number): void;
  /** fdatasync: contents and length are durable when it resolves. Never blocks the event loop. */
  sync(): Promise<void>;
  truncate(bytes: number): Promise<void>;
  size(): Promise<number>;
  close(): Promise<void>;
}

/** TCP. Every failure is a `PlatformError`. */
export interface Net {
  /**
   * Accepts connections until closed. An error of `accept` (no descriptors left, an aborted
   * connection) is reported, followed by a pause, and never ends the listener.
   */
  listen(options: {
    readonly hostname: string;
    /** 0 for any free one. */
    readonly port: number;
    readonly onConnection: (connection: Connection) => void;
    readonly onError: (error: PlatformError) => void;
  }): Promise<Listener>;
  /** Connects, or throws `ETIMEDOUT` after `timeoutMs`. */
  connect(options: {
    readonly hostname: string;
    readonly port: number;
    readonly timeoutMs: number;
  }): Promise<Connection>;
}

/** A listening socket, with the address that it has got. */
export interface Listener {
  readonly hostname: string;
  readonly port: number;
  /** Stops accepting; connections live on. */
  close(): void;
}

/** What a connection tells its owner. Never called from inside a call of the owner's. */
export interface ConnectionHandler {
  /** `bytes` is only valid during the call. */
  onData(bytes: Uint8Array): void;
  /** Everything that was flushed has reached the kernel. */
  onDrained?(): void;
  /**
   * The peer has sent all that it will, and may still read: answer what is pending, then `close`.
   * Without this method the connection ends instead.
   */
  onEnd?(): void;
  /** Once, last: the peer closed, an error, or our own `close` or `destroy`. */
  onClosed(error: PlatformError | undefined): void;
}

/**
 * A TCP connection without Nagle's delay. Output is written into a buffer of the connection and
 * leaves, whole and in order, after `flush`.
 */
export interface Connection {
  readonly remoteHostname: string;
  readonly remotePort: number;
  readonly localHostname: string;
  readonly localPort: number;
  /** Begins to read. Nothing arrives before. */
  start(handler: ConnectionHandler): void;
  /** Where to put output; never keep its buffer. */
  readonly output: OutputBuffer;
  /** Sends what is in `output`, at once if no write is under way, else right after it. */
  flush(): void;
  /** Bytes in `output` or handed to a write that has not finished. */
  readonly pendingBytes: number;
  /** Stops reading; what was read already is delivered. */
  pause(): void;
  resume(): void;
  /** Flushes, then closes. */
  close(): void;
  /** Closes at once; pending output is lost. */
  destroy(): void;
}

/** The part of `ByteWriter` that producers of output use. */
export interface OutputBuffer {
  buffer: Uint8Array;
  length: number;
  reserve(bytes: number): number;
  u8(value: number): void;
  u32(value: number): void;
  u64(value: number): void;
  latin1(text: string): void;
  bytes(source: Uint8Array, start?: number, end?: number): void;
}

/** The HTTP server of the admin endpoint, and requests to those of others. */
export interface Http {
  /**
   * Sends one request; resolves when the head of the answer is here. Throws `PlatformError`
   * "ECONNREFUSED" when nothing was sent, "ETIMEDOUT" or "ECONNRESET" when it may have been; so does
   * the body of the answer.
   */
  request(request: HttpRequest): Promise<HttpAnswer>;
  /** Serves until closed, with deadlines for slow and idle clients. */
  serve(options: {
    readonly hostname: string;
    readonly port: number;
    readonly fetch: (request: globalThis.Request) => Response | Promise<Response>;
    /** A request's header and body must be here within this time. */
    readonly requestTimeoutMs: number;
  }): Promise<HttpServer>;
}

/** A request to an HTTP server. */
export interface HttpRequest {
  readonly url: string;
  readonly method: "GET" | "POST" | "DELETE";
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | undefined;
  /** So long nothing may come, before the head of the answer and between parts of its body. */
  readonly silenceMsMax: number;
}

/** The answer; its body must be read to its end or left by leaving the loop. */
export interface HttpAnswer {
  readonly status: number;
  readonly body: AsyncIterable<Uint8Array>;
}

/** A running HTTP server, with the address that it has got. */
export interface HttpServer {
  readonly hostname: string;
  readonly port: number;
  /** Stops accepting, lets running requests end for at most `graceMs`. */
  close(graceMs: number): Promise<void>;
}

/**
 * Signals that a program may ask for. On Deno from source, SIGUSR1 opens the debugger on 127.0.0.1:9229
 * all the same; the executable that Bun makes has no such signal, and dies of it if nobody asks.
 */
export type Signal = "SIGINT" | "SIGTERM" | "SIGHUP" | "SIGUSR1";

/** This process: its signals, streams, children, and what it uses. */
export interface Process {
  readonly pid: number;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
  /** The command that started this program, for starting it again (`logboat demo`). */
  readonly selfCommand: readonly string[];
  readonly stdoutIsTerminal: boolean;
  onSignal(signal: Signal, callback: () => void): void;
  /** Errors that nothing caught: log and exit (architecture D9). */
  onUncaught(callback: (error: unknown) => void): void;
  /** Ends the process at once. */
  exit(code: number): never;
  /** Whole lines, never blocking the event loop; resolves when the kernel has them. */
  writeStdout(bytes: Uint8Array): Promise<void>;
  writeStderr(bytes: Uint8Array): Promise<void>;
  memory(): MemoryUse;
  /** Seconds of processor time, user and system, since the start. */
  cpuSeconds(): number;
  /** Connections that fit beside the process's own files; Infinity where the limit is not known. */
  readonly connectionsMax: number;
  randomBytes(length: number): Uint8Array;
  /** HMAC-SHA-256, for the peer handshake. */
  hmacSha256(key: Uint8Array, data: Uint8Array): Uint8Array;
  /** Starts a child with its output as lines, for `logboat demo`. */
  spawn(
    command: readonly string[],
    onLine: (line: string, stream: "stdout" | "stderr") => void,
  ): Child;
  readonly versions: { readonly runtime: string; readonly v8: string; readonly os: string };
}

/** A running child process. */
export interface Child {
  readonly pid: number;
  kill(signal: "SIGTERM" | "SIGKILL" | "SIGINT"): void;
  /** Resolves with the exit code when it has ended, signals as 128 + number. */
  readonly exited: Promise<number>;
}

/** Memory in bytes. `residentBytes` includes typed arrays; the heap numbers do not. */
export interface MemoryUse {
  readonly residentBytes: number;
  readonly heapUsedBytes: number;
  readonly heapTotalBytes: number;
  readonly externalBytes: number;
}
