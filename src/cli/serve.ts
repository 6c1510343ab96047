/**
 * `logboat serve`: wires one node from its settings, runs it until a signal or a failure, and takes
 * it down in order. Settings first, then the directory's lock, then disk, node and listeners, so
 * that whatever is wrong is said before anything is offered to clients.
 */

import { adminApp, AdminMetrics, waitingApp } from "../admin/mod.ts";
import { DATA_COMMANDS } from "../commands/mod.ts";
import type { LoadedSettings } from "../config/mod.ts";
import { formatHostPort } from "../base/mod.ts";
import { type FatalReason, mayRepair, type NodeView, RaftNode } from "../node/mod.ts";
import type { HttpServer, Platform, Timer } from "../platform/mod.ts";
import { RedisServer } from "../server/mod.ts";
import { type DataDirectory, RaftStorage } from "../storage/mod.ts";
import { EXIT_CODES, type ExitName } from "./exit_codes.ts";
import { CliFailure } from "./failure.ts";
import { type Joined, Joining } from "./join.ts";
import { listening } from "./listen_failure.ts";
import { listenerStatsOf } from "./listener_stats.ts";
import { LineLogger } from "./logger.ts";
import { LoopDelaySampler } from "./loop_delay.ts";
import { redisCliTip } from "./redis_cli_tip.ts";
import { hasIdentity, openDirectory } from "./open_directory.ts";
import { SERVE_DETAILS, serveFlags } from "./serve_flags.ts";
import { readSecrets, readSettings, type Secrets } from "./settings_source.ts";
import type { Subcommand } from "./subcommand.ts";
import { VERSION } from "./version.ts";
import { advertiseOf, networkOf, nodeLimitsOf, randomSeed, redisSettingsOf } from "./wiring.ts";

export const serveCommand: Subcommand = {
  name: "serve",
  usage: "serve [--join HOST:PORT [--join-as voter|learner] [--replace ID]] [flags]",
  summary: "Runs a node; what is meant when no subcommand is named.",
  details: SERVE_DETAILS,
  takesSettings: true,
  async run(platform, args) {
    const loaded = await readSettings(platform, serveFlags(args));
    const secrets = await readSecrets(platform, loaded.settings);
    return await new Serving(platform, loaded, secrets).run();
  },
};

/** Output nobody reads must not keep the process from starting or ending. */
const FLUSH_MS_MAX = 500;
/** How often readiness is looked at until the node is ready for the first time. */
const READY_CHECK_MS = 20;
/** This long after an election should have taken place, the reason is said once. */
const READY_PATIENCE_MS = 5000;
/** Of the grace of a stop, for the clients; the rest is for the node. */
const DRAIN_SHARE = 0.5;

type End = { readonly exit: ExitName; readonly text: string | undefined };

class Serving {
  readonly #platform: Platform;
  readonly #loaded: LoadedSettings & { readonly fileName: string | undefined };
  readonly #secrets: Secrets;
  readonly #logger: LineLogger;
  readonly #metrics: AdminMetrics;
  readonly #ended: Promise<End>;
  #end: (end: End) => void = () => {};
  #directory: DataDirectory | undefined;
  #node: RaftNode | undefined;
  #server: RedisServer | undefined;
  #admin: HttpServer | undefined;
  #adminFetch: (request: Request) => Response | Promise<Response> = () => new Response();
  #joining: Joining | undefined;
  #sampler: LoopDelaySampler | undefined;
  #readyTimer: Timer | undefined;
  /** Until it has said where it listens. */
  #starting = true;
  readonly #signals = new Set<string>();

  constructor(
    platform: Platform,
    loaded: LoadedSettings & { readonly fileName: string | undefined },
    secrets: Secrets,
  ) {
    this.#platform = platform;
    this.#loaded = loaded;
    this.#secrets = secrets;
    const { log } = loaded.settings;
    this.#logger = new LineLogger({
      level: log.level,
      format: log.format,
      bufferBytesMax: log.bufferBytesMax,
      wallMs: () => platform.clock.wallMs(),
      write: (bytes) => platform.process.writeStdout(bytes),
    });
    this.#metrics = new AdminMetrics({
      version: VERSION,
      runtime: platform.process.versions.runtime,
    });
    this.#ended = new Promise((resolve) => this.#end = resolve);
  }

  /** Resolves when the node has stopped; throws what kept it from starting, everything closed. */
  async run(): Promise<ExitName> {
    this.#listenToProcess();
    try {
      await this.#start();
      const end = await this.#ended;
      if (end.text !== undefined) throw new CliFailure(end.exit, [end.text]);
      await this.#stop();
      return end.exit;
    } catch (error) {
      this.#abandon();
      // Before it serves, whoever started it reads the one line on standard error.
      if (!this.#starting) {
        const why = error instanceof Error ? error.message : String(error);
        this.#logger.error("ended by a failure", { why });
      }
      await this.#flush();
      throw error;
    }
  }

  // Start.

  async #start(): Promise<void> {
    const { settings, warnings, fileName } = this.#loaded;
    this.#logger.info("logboat starts", {
      version: VERSION,
      runtime: this.#platform.process.versions.runtime,
      pid: this.#platform.process.pid,
      settings: fileName ?? "no file",
    });
    for (const warning of warnings) this.#logger.warn(warning);
    const joined = await this.#join();
    if (this.#joining !== undefined && joined === undefined) return;
    const node = await this.#openNode(joined);
    await this.#listenForClients(node);
    await listening("raft.listen", settings.raft.listen, () => node.start());
    await this.#listenForAdmin(node);
    this.#sampler = new LoopDelaySampler(
      this.#platform.clock,
      (seconds) => this.#metrics.loopDelayed(seconds),
    );
    this.#announce();
    await this.#flush();
    this.#starting = false;
    const electionMs = settings.raft.electionTimeoutMs.max;
    this.#awaitReady(this.#platform.clock.nowMs() + electionMs + READY_PATIENCE_MS);
  }

  /** Asks to be taken in when that is wanted and was not done; undefined when there is no need. */
  async #join(): Promise<Joined | undefined> {
    const { settings } = this.#loaded;
    const member = settings.raft.join;
    if (member === undefined) return undefined;
    if (await hasIdentity(this.#platform, settings)) {
      this.#logger.info("this node has joined before: raft.join is not used", { member });
      return undefined;
    }
    const joining = new Joining({
      platform: this.#platform,
      settings,
      secrets: this.#secrets,
      logger: this.#logger,
      member,
    });
    this.#joining = joining;
    void this.#ended.then(() => joining.stop());
    const guarded = { token: this.#secrets.adminToken, hostname: settings.admin.listen.hostname };
    await this.#serveAdmin(waitingApp(guarded, () => joining.reason).fetch);
    return await joining.run();
  }

  async #openNode(joined: Joined | undefined): Promise<RaftNode> {
    const { clock, disk, process } = this.#platform;
    const { settings } = this.#loaded;
    const logger = this.#logger;
    const directory = await openDirectory(this.#platform, settings, logger, joined);
    this.#directory = directory;
    const { identity } = directory;
    const { clusterId, incarnation, nodeId } = identity;
    const { fsync, fsyncIntervalMs, segmentBytes } = settings.storage;
    const storage = await RaftStorage.open({
      disk,
      directory,
      options: { fsync, fsyncIntervalMs, segmentBytes },
      clock,
      logger,
      repairs: (configuration) => mayRepair(nodeId, configuration),
      onSynced: (seconds) => this.#metrics.logSynced(seconds),
      onFatal: (error) => this.#node?.diskFailed(error),
    });
    this.#node = await RaftNode.open({
      ...nodeLimitsOf(settings),
      advertise: advertiseOf(settings, nodeId),
      clusterId,
      id: nodeId,
      incarnation,
      storage,
      network: networkOf({
        platform: this.#platform,
        settings,
        secrets: this.#secrets,
        identity,
        logger,
      }),
      clock,
      logger,
      observer: this.#metrics,
      seed: randomSeed(process),
      onFatal: (reason) => this.#end({ exit: FATAL_EXITS[reason.kind], text: fatalText(reason) }),
    });
    return this.#node;
  }

  async #listenForClients(node: RaftNode): Promise<void> {
    const { settings } = this.#loaded;
    const { connectionsMax } = this.#platform.process;
    if (connectionsMax < settings.redis.maxClients) {
      this.#logger.warn("fewer clients fit than redis.max-clients says; raise ulimit -n", {
        maxClients: connectionsMax,
      });
    }
    const server = new RedisServer({
      platform: this.#platform,
      gateway: node,
      logger: this.#logger,
      commands: DATA_COMMANDS.commands,
      settings: redisSettingsOf(settings, this.#secrets, connectionsMax),
      version: VERSION,
    });
    await listening("redis.listen", settings.redis.listen, () => server.listen());
    this.#server = server;
  }

  async #listenForAdmin(node: RaftNode): Promise<void> {
    const { admin } = this.#loaded.settings;
    const { process } = this.#platform;
    const server = this.#server!;
    const app = adminApp({
      view: () => this.#view(node),
      actions: node.operations,
      listenerStats: () => listenerStatsOf(server),
      processStats: () => ({
        ...process.memory(),
        cpuSeconds: process.cpuSeconds(),
        logLinesDropped: this.#logger.droppedLines,
      }),
      metrics: this.#metrics,
      token: this.#secrets.adminToken,
      hostname: admin.listen.hostname,
      version: VERSION,
      onBug: (error) =>
        queueMicrotask(() => {
          throw error;
        }),
    });
    await this.#serveAdmin(app.fetch);
  }

  /** Answers with `fetch` from now on. */
  async #serveAdmin(fetch: (request: Request) => Response | Promise<Response>): Promise<void> {
    this.#adminFetch = fetch;
    const { admin } = this.#loaded.settings;
    this.#admin ??= await listening("admin.listen", admin.listen, () =>
      this.#platform.http.serve({
        ...admin.listen,
        fetch: (request) => this.#adminFetch(request),
        requestTimeoutMs: admin.requestTimeoutMs,
      }));
  }

  #view(node: RaftNode): NodeView {
    const view = node.view();
    if (!this.#starting) return view;
    return { ...view, ready: false, notReadyReason: "the node is starting" };
  }

  #announce(): void {
    const { settings } = this.#loaded;
    const server = this.#server!;
    const admin = this.#admin!;
    const redis = formatHostPort({ hostname: server.hostname, port: server.port });
    this.#logger.info("Redis clients connect here", { address: redis });
    const { hostname: raftHostname } = settings.raft.listen;
    const raft = formatHostPort({
      hostname: raftHostname,
      port: this.#node!.options.network.listenPort,
    });
    this.#logger.info("members connect here", { address: raft });
    const { hostname, port } = admin;
    this.#logger.info("admin listens", { url: `http://${formatHostPort({ hostname, port })}/` });
  }

  /** Says once when the node can serve, and after a while why it cannot. */
  #awaitReady(impatientAtMs: number): void {
    const { clock } = this.#platform;
    const { ready, notReadyReason = "" } = this.#node!.view();
    if (ready) {
      const { hostname, port } = this.#server!;
      const tip = redisCliTip({ hostname, port }, this.#secrets.redisPassword !== "");
      return this.#logger.info("ready; try this next", { command: `${tip} SET greeting hello` });
    }
    let nextMs = impatientAtMs;
    if (clock.nowMs() >= impatientAtMs) {
      this.#logger.warn("not ready yet", { why: notReadyReason });
      nextMs = Infinity;
    }
    this.#readyTimer = clock.setTimer(READY_CHECK_MS, () => this.#awaitReady(nextMs));
  }

  // Signals and the end.

  #listenToProcess(): void {
    const { process } = this.#platform;
    process.onSignal("SIGTERM", () => this.#onStopSignal("terminated"));
    process.onSignal("SIGINT", () => this.#onStopSignal("interrupted"));
    // Its default opens a debugger in some runtimes.
    process.onSignal("SIGUSR1", () => {});
    process.onUncaught(() => this.#abandon());
  }

  #onStopSignal(atOnce: "terminated" | "interrupted"): void {
    const { clock, process } = this.#platform;
    if (this.#signals.has(atOnce)) process.exit(EXIT_CODES[atOnce].code);
    this.#signals.add(atOnce);
    // Ctrl-C reaches a whole group of processes, and a supervisor adds its SIGTERM: one request.
    if (this.#signals.size > 1) return;
    const graceMs = this.#loaded.settings.process.shutdownGraceMs;
    this.#logger.info("stopping; a second signal ends the process at once", { graceMs });
    clock.setTimer(graceMs, () => process.exit(EXIT_CODES.terminated.code));
    this.#end({ exit: "ok", text: undefined });
  }

  /** Answers what was asked, hands leadership over, closes files. */
  async #stop(): Promise<void> {
    const { shutdownGraceMs } = this.#loaded.settings.process;
    this.#readyTimer?.cancel();
    await this.#server?.drainAndClose(shutdownGraceMs * DRAIN_SHARE);
    await this.#node?.stop(shutdownGraceMs * (1 - DRAIN_SHARE));
    await this.#directory?.close();
    await this.#admin?.close(0);
    this.#sampler?.stop();
    this.#logger.info("stopped");
    await this.#flush();
  }

  /** After a failure: nothing more is answered or promised; the process is about to end. */
  #abandon(): void {
    this.#readyTimer?.cancel();
    this.#sampler?.stop();
    this.#server?.stopAccepting();
    for (const session of [...this.#server?.sessions.values() ?? []]) session.destroy();
  }

  async #flush(): Promise<void> {
    const { clock } = this.#platform;
    await new Promise<void>((resolve) => {
      const timer = clock.setTimer(FLUSH_MS_MAX, resolve);
      void this.#logger.flush().then(() => {
        timer.cancel();
        resolve();
      });
    });
  }
}

const FATAL_EXITS: Readonly<Record<FatalReason["kind"], ExitName>> = {
  diskFailed: "diskFailed",
  diskHung: "diskFailed",
  logDamaged: "damagedData",
  replaced: "replaced",
  removed: "removed",
  outdated: "outdated",
};

function fatalText({ kind, text }: FatalReason): string {
  const advice: Readonly<Record<FatalReason["kind"], string>> = {
    diskFailed: "check the disk, then start the node again: what was acknowledged is safe",
    diskHung: "check the disk, then start the node again: what was acknowledged is safe",
    logDamaged: "keep a copy of the data directory and run logboat log verify on it",
    replaced: "find the other process; never run one data directory, or a copy of it, twice",
    removed: "take its data directory away; to take part again it joins anew, as another member",
    outdated: "start the newer release of Logboat that the other members run",
  };
  return `Cannot go on: ${text}; ${advice[kind]}`;
}
