/**
 * The Redis listener: accepts connections, keeps their limits and the counters, and holds what the
 * sessions share. It sees the node through the `Gateway` alone, so it cannot read a key by itself.
 */

import type { Logger } from "../base/mod.ts";
import { type CommandDeclaration, slotOf } from "../commands/mod.ts";
import type { Gateway, NodeView } from "../node/mod.ts";
import type {
  Clock,
  Connection,
  Listener,
  Platform,
  PlatformError,
  Timer,
} from "../platform/mod.ts";
import { type Request, RespError } from "../resp/mod.ts";
import { Authentication } from "./authentication.ts";
import { type Command, CommandSet } from "./command_set.ts";
import { MAX_CLIENTS_TEXT, PROTECTED_MODE_TEXT } from "./errors.ts";
import { firstKey } from "./keys.ts";
import { sessionCommands } from "./session_commands.ts";
import { Session } from "./session.ts";
import type { RedisSettings } from "./settings.ts";
import { Rate, RATE_SAMPLE_MS, ServerStats } from "./stats.ts";

export interface RedisServerOptions {
  readonly platform: Platform;
  readonly gateway: Gateway;
  readonly logger: Logger;
  /** What the node's machine executes. */
  readonly commands: Iterable<CommandDeclaration>;
  readonly settings: RedisSettings;
  /** Logboat's own version, for INFO. */
  readonly version: string;
}

/** What the listener has done, for metrics and the admin API. */
export interface ServerView {
  readonly clients: number;
  readonly blockedClients: number;
  readonly clientsMax: number;
  readonly connectionsReceived: number;
  readonly connectionsRejected: number;
  readonly commandsProcessed: number;
  readonly inputBytes: number;
  readonly outputBytes: number;
  readonly protocolErrors: number;
  readonly authFailures: number;
  readonly outputLimitCloses: number;
  readonly errorReplies: number;
  /** Replies that clients have not read yet, in bytes. */
  readonly pendingOutputBytes: number;
  readonly commands: readonly CommandView[];
}

export interface CommandView {
  readonly name: string;
  readonly group: string;
  readonly calls: number;
  readonly elapsedMs: number;
  readonly rejected: number;
  readonly failed: number;
}

const SESSION_CHECK_MS = 1000;
/** How long a picture of the node serves for redirections. */
const VIEW_MS = 5;
/** The shortest time between two warnings of the accept loop. */
const ACCEPT_WARNING_MS = 5000;
/** A slow client may take a second more for each 16 kB of a command. */
const ASSEMBLY_BYTES_PER_MS = 16;

export class RedisServer {
  readonly gateway: Gateway;
  readonly platform: Platform;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly settings: RedisSettings;
  readonly version: string;
  readonly commands: CommandSet;
  readonly authentication: Authentication;
  readonly decoderLimits: { bulkBytesMax: number; argumentsMax: number; requestBytesMax: number };
  readonly sessions = new Map<number, Session>();
  readonly stats = new ServerStats();
  readonly startedMs: number;
  /** 40 hexadecimal digits, new at every start. */
  readonly runId: string;
  readonly rates = { commands: new Rate(), input: new Rate(), output: new Rate() };
  readonly redirects: boolean;
  pausedUntilMs = 0;
  pauseMode: "all" | "write" = "all";

  #listener: Listener | undefined = undefined;
  #lastSessionId = 0;
  #dirty: Session[] = [];
  #flushScheduled = false;
  #turnMs = 0;
  #waitForRelief = new Set<Session>();
  #view: NodeView | undefined = undefined;
  #viewMs = 0;
  #tickTimer: Timer | undefined = undefined;
  #lastCheckMs = 0;
  #acceptWarnedMs = -Infinity;
  #onEmpty: (() => void) | undefined = undefined;

  constructor(options: RedisServerOptions) {
    const { platform, gateway, settings } = options;
    this.platform = platform;
    this.clock = platform.clock;
    this.gateway = gateway;
    this.logger = options.logger;
    this.settings = { ...settings };
    this.version = options.version;
    this.redirects = settings.follower === "redirect";
    this.commands = new CommandSet(options.commands, sessionCommands);
    this.authentication = new Authentication(settings.password, platform.process);
    this.decoderLimits = {
      bulkBytesMax: settings.bulkBytesMax,
      argumentsMax: 1024 * 1024,
      requestBytesMax: settings.queryBytesMax,
    };
    this.startedMs = this.clock.nowMs();
    this.runId = hex(platform.process.randomBytes(20));
    gateway.onRelief(() => this.#relieve());
  }

  /** Begins to accept; throws the `PlatformError` of the listener. */
  async listen(): Promise<void> {
    const { hostname, port } = this.settings;
    this.#listener = await this.platform.net.listen({
      hostname,
      port,
      onConnection: (connection) => this.#accept(connection),
      onError: (error) => this.#acceptFailed(error),
    });
    this.#tick();
  }

  get port(): number {
    return this.#listener?.port ?? this.settings.port;
  }

  get hostname(): string {
    return this.#listener?.hostname ?? this.settings.hostname;
  }

  #accept(connection: Connection): void {
    this.stats.connectionsReceived++;
    if (this.sessions.size >= this.settings.maxClients) {
      return this.#turnAway(connection, MAX_CLIENTS_TEXT);
    }
    const open = this.settings.protectedMode && !this.authentication.required;
    if (open && !isLoopback(connection.remoteHostname)) {
      return this.#turnAway(connection, PROTECTED_MODE_TEXT);
    }
    const session = new Session(this, connection, ++this.#lastSessionId);
    this.sessions.set(session.id, session);
    connection.start(session);
  }

  /** Comes again after each pause while descriptors are short: one line a while is enough. */
  #acceptFailed({ code, message }: PlatformError): void {
    const nowMs = this.clock.nowMs();
    if (nowMs - this.#acceptWarnedMs < ACCEPT_WARNING_MS) return;
    this.#acceptWarnedMs = nowMs;
    this.logger.warn("Cannot accept a Redis client", { code, why: message });
  }

  #turnAway(connection: Connection, text: string): void {
    this.stats.connectionsRejected++;
    connection.output.latin1(text);
    connection.close();
  }

  /** The session's connection is closed. */
  forget(session: Session): void {
    this.sessions.delete(session.id);
    this.#waitForRelief.delete(session);
    if (this.sessions.size === 0) this.#onEmpty?.();
  }

  // Turns: replies that come together leave together.

  /** Sends the session's output when the input of this turn of the loop is done. */
  flushLater(session: Session): void {
    this.#dirty.push(session);
    if (this.#flushScheduled) return;
    this.#flushScheduled = true;
    this.clock.setImmediate(this.#flushDirty);
  }

  readonly #flushDirty = (): void => {
    this.#flushScheduled = false;
    this.#turnMs = 0;
    const dirty = this.#dirty;
    this.#dirty = [];
    for (const session of dirty) session.flush();
  };

  /** The time of this turn's replies: one look at the clock for all of them. */
  turnMs(): number {
    if (this.#turnMs === 0) this.#turnMs = this.clock.nowMs();
    return this.#turnMs;
  }

  // Back-pressure.

  wakeOnRelief(session: Session): void {
    this.#waitForRelief.add(session);
  }

  #relieve(): void {
    const waiting = this.#waitForRelief;
    this.#waitForRelief = new Set();
    for (const session of waiting) session.wake();
  }

  /** Closes a client whose unread replies are above a limit; the others go on. */
  checkOutput(session: Session): void {
    const { outputBytesMax, outputSoftBytes, outputSoftMs } = this.settings;
    const pendingBytes = session.connection.pendingBytes;
    if (outputSoftBytes === 0 || pendingBytes <= outputSoftBytes) session.outputHighSinceMs = 0;
    else if (session.outputHighSinceMs === 0) session.outputHighSinceMs = this.clock.nowMs();
    const sinceMs = session.outputHighSinceMs;
    const tooLong = sinceMs > 0 && this.clock.nowMs() - sinceMs > outputSoftMs;
    const tooMuch = outputBytesMax > 0 && pendingBytes > outputBytesMax;
    if (session.ended || (!tooLong && !tooMuch)) return;
    this.stats.outputLimitCloses++;
    this.logger.warn("Closed a client that does not read its replies", {
      client: session.remoteAddress,
      pendingBytes,
      limitBytes: tooLong ? outputSoftBytes : outputBytesMax,
    });
    session.destroy();
  }

  // CLIENT PAUSE.

  pause(mode: "all" | "write", untilMs: number): void {
    const running = this.isPaused();
    if (!running || mode === "all") this.pauseMode = mode;
    this.pausedUntilMs = running ? Math.max(untilMs, this.pausedUntilMs) : untilMs;
  }

  unpause(): void {
    this.pausedUntilMs = 0;
    for (const session of this.sessions.values()) session.wake();
  }

  isPaused(): boolean {
    return this.pausedUntilMs > 0 && this.clock.nowMs() < this.pausedUntilMs;
  }

  // Time.

  #tick(): void {
    const nowMs = this.clock.nowMs();
    if (this.pausedUntilMs > 0 && nowMs >= this.pausedUntilMs) this.unpause();
    this.rates.commands.sample(this.stats.commandsProcessed, nowMs);
    this.rates.input.sample(this.stats.inputBytes, nowMs);
    this.rates.output.sample(this.stats.outputBytes, nowMs);
    const everyMs = Math.min(SESSION_CHECK_MS, this.settings.assemblyTimeoutMs / 2);
    if (nowMs - this.#lastCheckMs >= everyMs) {
      this.#lastCheckMs = nowMs;
      for (const session of this.sessions.values()) this.#checkSession(session, nowMs);
    }
    this.#tickTimer = this.clock.setTimer(RATE_SAMPLE_MS, () => this.#tick());
  }

  #checkSession(session: Session, nowMs: number): void {
    const { idleTimeoutMs, assemblyTimeoutMs } = this.settings;
    if (idleTimeoutMs > 0 && session.idle && nowMs - session.lastInputMs > idleTimeoutMs) {
      this.stats.idleCloses++;
      return session.destroy();
    }
    const sinceMs = session.assemblingSinceMs;
    const allowedMs = assemblyTimeoutMs + session.queryBytes / ASSEMBLY_BYTES_PER_MS;
    if (sinceMs > 0 && session.idle && nowMs - sinceMs > allowedMs) {
      this.stats.assemblyCloses++;
      this.logger.warn("Closed a client whose command did not arrive in time", {
        client: session.remoteAddress,
        bytes: session.queryBytes,
      });
      return session.destroy();
    }
    if (session.outputHighSinceMs > 0) this.checkOutput(session);
  }

  // Redirection.

  /** A picture of the node that is a few ms old at most. */
  recentView(): NodeView {
    const nowMs = this.clock.nowMs();
    if (this.#view === undefined || nowMs - this.#viewMs > VIEW_MS) {
      this.#view = this.gateway.view();
      this.#viewMs = nowMs;
    }
    return this.#view;
  }

  /** With `follower = "redirect"`: the error that sends a command with keys to the leader. */
  redirection(session: Session, command: Command, request: Request): RespError | undefined {
    if (session.lane.readsLocally && command.route !== "write") return undefined;
    const view = this.recentView();
    if (view.role === "leader") return undefined;
    const key = firstKey(command.declaration, request);
    if (key === undefined) return undefined;
    const leader = view.members.find((member) => member.id === view.leaderId);
    if (leader === undefined) {
      return new RespError(
        "CLUSTERDOWN The command was not applied: no leader is known; try again",
      );
    }
    return new RespError(`MOVED ${slotOf(key)} ${leader.redisAddress}`);
  }

  // The end.

  stopAccepting(): void {
    this.#listener?.close();
  }

  /** Answers what is pending, closes every client, and gives up waiting after `graceMs`. */
  async drainAndClose(graceMs: number): Promise<void> {
    this.stopAccepting();
    for (const session of this.sessions.values()) session.closeAfterReplies();
    if (this.sessions.size > 0) {
      await new Promise<void>((resolve) => {
        const timer = this.clock.setTimer(graceMs, resolve);
        this.#onEmpty = () => {
          timer.cancel();
          resolve();
        };
      });
    }
    this.#tickTimer?.cancel();
    for (const session of this.sessions.values()) session.destroy();
  }

  view(): ServerView {
    const { stats } = this;
    let blockedClients = 0;
    let pendingOutputBytes = 0;
    for (const session of this.sessions.values()) {
      if (session.blocked) blockedClients++;
      pendingOutputBytes += session.connection.pendingBytes;
    }
    const commands: CommandView[] = [];
    for (const command of this.commands.all()) {
      if (command.calls === 0 && command.rejected === 0) continue;
      const { name, calls, elapsedMs, rejected, failed } = command;
      commands.push({ name, group: command.declaration.group, calls, elapsedMs, rejected, failed });
    }
    return {
      clients: this.sessions.size,
      blockedClients,
      clientsMax: this.settings.maxClients,
      connectionsReceived: stats.connectionsReceived,
      connectionsRejected: stats.connectionsRejected,
      commandsProcessed: stats.commandsProcessed,
      inputBytes: stats.inputBytes,
      outputBytes: stats.outputBytes,
      protocolErrors: stats.protocolErrors,
      authFailures: stats.authFailures,
      outputLimitCloses: stats.outputLimitCloses,
      errorReplies: stats.errorReplies,
      pendingOutputBytes,
      commands,
    };
  }
}

/** Addresses of this machine that never leave it. */
function isLoopback(hostname: string): boolean {
  return hostname === "::1" || hostname.startsWith("127.") || hostname.startsWith("::ffff:127.");
}

function hex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
