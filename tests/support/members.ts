/** Nodes of a cluster whose members come and go: each has its place, and joins when it is told to. */

import { EXIT_CODES } from "../../src/cli/exit_codes.ts";
import { assertEquals } from "./assert.ts";
import { freePorts } from "./ports.ts";
import { logboatCommand, runLogboat, ServerProcess } from "./server_process.ts";
import { until, within } from "./wait.ts";
import { WireClient } from "./wire_client.ts";

const START_MS = 30_000;

/** The part of `/api/v1/cluster` that tests look at. */
export interface SeenCluster {
  readonly nodeId: number;
  readonly leaderId: number | null;
  readonly changingMembers: boolean;
  readonly appliedIndex: number;
  readonly snapshotIndex: number;
  readonly members: readonly { readonly id: number; readonly standing: string }[];
}

/** A place for a node; its id is whatever the cluster gives it. */
export class Member {
  readonly name: string;
  readonly redisPort: number;
  readonly raftPort: number;
  readonly adminPort: number;
  dataDir: string;
  readonly #members: Members;
  process: ServerProcess | undefined;

  constructor(members: Members, name: string, ports: readonly number[]) {
    this.#members = members;
    this.name = name;
    [this.redisPort, this.raftPort, this.adminPort] = ports;
    this.dataDir = `${members.directory}/${name}`;
  }

  get raft(): string {
    return `127.0.0.1:${this.raftPort}`;
  }

  get settings(): string[] {
    return [
      ...["--node-data-dir", this.dataDir, "--redis-listen", `127.0.0.1:${this.redisPort}`],
      ...["--raft-listen", this.raft, "--admin-listen", `127.0.0.1:${this.adminPort}`],
      ...["--raft-timing", "lan"],
    ];
  }

  /** Starts the process without waiting for it. */
  spawn(...flags: readonly string[]): ServerProcess {
    const command = [...logboatCommand("default"), "serve", ...this.settings, ...flags];
    this.process = new ServerProcess(this.name, command);
    this.#members.processes.push(this.process);
    return this.process;
  }

  /** Starts it and waits until it serves. */
  async start(...flags: readonly string[]): Promise<void> {
    const process = this.spawn(...flags);
    await until(`${this.name} ready`, { withinMs: START_MS }, async () => {
      if (process.status !== undefined) {
        throw new Error(`${this.name} ended with code ${process.status.code}`);
      }
      return (await this.get("/readyz")).status === 200;
    });
  }

  async get(path: string): Promise<{ status: number; body: string }> {
    const response = await fetch(`http://127.0.0.1:${this.adminPort}${path}`, {
      signal: AbortSignal.timeout(2000),
      headers: { connection: "close" },
    });
    return { status: response.status, body: await response.text() };
  }

  async seen(): Promise<SeenCluster> {
    return JSON.parse((await this.get("/api/v1/cluster")).body);
  }

  /** Waits until this node knows exactly these members, and no change is under way. */
  async sees(wanted: string): Promise<void> {
    await until(`${this.name} seeing ${wanted}`, { withinMs: START_MS }, async () => {
      const { members, changingMembers, leaderId } = await this.seen();
      const found = members.map(({ id, standing }) => `${id} ${standing}`).join(", ");
      return found === wanted && !changingMembers && leaderId !== null;
    });
  }

  /** Runs a subcommand against this node. */
  run(...args: readonly string[]): ReturnType<typeof runLogboat> {
    const admin = ["--admin", `http://127.0.0.1:${this.adminPort}`];
    return runLogboat([...args, ...admin], { withinMs: 60_000 });
  }

  /** The same, to succeed; returns what it printed. */
  async done(...args: readonly string[]): Promise<string> {
    const { code, output } = await this.run(...args);
    assertEquals(code, EXIT_CODES.ok.code, output);
    return output;
  }

  /** The exit code of a process that ends by itself. */
  async ended(): Promise<number> {
    return (await within(`the end of ${this.name}`, START_MS, this.process!.exited)).code;
  }

  async stop(): Promise<number> {
    this.process!.signal("SIGTERM");
    return await this.ended();
  }

  /** Sends one command on a connection of its own. */
  async command(...words: readonly string[]): Promise<unknown> {
    const client = await WireClient.connect(this.redisPort);
    try {
      return await client.call(...words);
    } finally {
      client.close();
      await client.closed;
    }
  }
}

export class Members {
  readonly directory: string;
  readonly processes: ServerProcess[] = [];
  readonly #ports = freePorts(3 * 6);
  #made = 0;

  constructor(directory: string) {
    this.directory = directory;
  }

  /** The next place, at most six. */
  place(): Member {
    const at = this.#made++;
    return new Member(this, `place-${at + 1}`, this.#ports.slice(3 * at, 3 * at + 3));
  }
}

/** Runs `test`; ends all processes and removes the directory. Prints the logs when it throws. */
export async function withMembers(test: (members: Members) => Promise<void>): Promise<void> {
  const members = new Members(await Deno.makeTempDir({ prefix: "logboat-members-" }));
  try {
    await test(members);
  } catch (error) {
    for (const process of members.processes) {
      console.error(`${process.name} (${process.status?.code ?? "running"})\n${process.tail(40)}`);
    }
    throw error;
  } finally {
    await Promise.all(members.processes.map((process) => process.kill()));
    await Deno.remove(members.directory, { recursive: true });
  }
}
