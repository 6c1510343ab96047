/** The small parts of the command line: wiring, failures, bugs, the sampler. */

import { assert, assertEquals, assertMatch, assertNotEquals } from "../support/assert.ts";
import { AssertionError } from "../../src/base/mod.ts";
import { loadSettings, parseFlags, type Settings } from "../../src/config/mod.ts";
import { runCli } from "../../src/cli/cli.ts";
import { EXIT_CODES } from "../../src/cli/exit_codes.ts";
import { failureOf } from "../../src/cli/failure.ts";
import { LoopDelaySampler } from "../../src/cli/loop_delay.ts";
import { redisCliTip } from "../../src/cli/redis_cli_tip.ts";
import { bootstrapOf, firstClusterId, nodeLimitsOf } from "../../src/cli/wiring.ts";
import type { Clock, Platform, Process } from "../../src/platform/mod.ts";
import { PlatformError } from "../../src/platform/mod.ts";
import { denoPlatform } from "../../src/platform/deno/mod.ts";
import { CorruptionError, StorageError } from "../../src/storage/mod.ts";

function settingsOf(...args: string[]): Settings {
  const flags = parseFlags(args, { settings: true, own: [] });
  const result = loadSettings({ flags, env: {}, file: undefined });
  assert(result.kind === "loaded", JSON.stringify(result));
  return result.settings;
}

const PEERS = ["--raft-peer", "1=a:1,a:2", "--raft-peer", "2=b:1,b:2", "--raft-peer", "3=c:1,c:2"];

Deno.test("members configured alike name their cluster alike; nodes alone each their own", () => {
  const { process } = denoPlatform();
  const ids = [1, 2, 3].map((id) =>
    firstClusterId(process, settingsOf("--node-id", `${id}`, ...PEERS))
  );
  assertMatch(ids[0], /^[0-9a-f]{32}$/);
  assertEquals(new Set(ids).size, 1);
  assertNotEquals(firstClusterId(process, settingsOf(...PEERS.slice(0, 4))), ids[0]);
  const alone = [1, 2].map(() => firstClusterId(process, settingsOf()));
  assertMatch(alone[0], /^[0-9a-f]{32}$/);
  assertNotEquals(alone[0], alone[1]);
});

Deno.test("a cluster of one is its own member, at its listeners", () => {
  const { members: [member, ...others] } = bootstrapOf(settingsOf("--node-id", "7"));
  assertEquals(others, []);
  assertEquals({ ...member }, {
    id: member.id,
    raftAddress: "127.0.0.1:7379",
    redisAddress: "127.0.0.1:6379",
    standing: "voter",
  });
  assertEquals(Number(member.id), 7);
});

Deno.test("an entry that clients may make fits into what the leader may hold", () => {
  for (const query of ["16mb", "64mb"]) {
    const { raftLimits, proposalLimits } = nodeLimitsOf(
      settingsOf("--redis-query-bytes-max", query),
    );
    assert(proposalLimits.entryBytesMax <= raftLimits.uncommittedBytesMax);
    assert(proposalLimits.batchBytesMax <= proposalLimits.entryBytesMax);
  }
});

Deno.test("errors of the environment have an exit code, others are bugs", () => {
  const exit = (error: unknown) => failureOf(error)?.exit;
  assertEquals(exit(new StorageError("locked", "x")), "locked");
  assertEquals(exit(new StorageError("wrongNode", "x")), "wrongIdentity");
  assertEquals(exit(new StorageError("notWritable", "x")), "unusableData");
  assertEquals(exit(new StorageError("stateLost", "x")), "damagedData");
  assertEquals(exit(new StorageError("failed", "x")), "diskFailed");
  assertEquals(exit(new CorruptionError("f", 1, "x")), "damagedData");
  assertEquals(exit(new PlatformError("EIO", "x")), "unusableData");
  assertEquals(exit(new AssertionError("x")), undefined);
  assertEquals(exit(new TypeError("x")), undefined);
});

Deno.test("the tip reaches the listener from this machine", () => {
  const tip = (hostname: string, hasPassword = false) =>
    redisCliTip({ hostname, port: 6380 }, hasPassword);
  assertEquals(tip("127.0.0.1"), "redis-cli -p 6380");
  assertEquals(tip("0.0.0.0", true), "redis-cli -p 6380 --askpass");
  assertEquals(tip("::"), "redis-cli -p 6380");
  assertEquals(tip("10.0.0.1"), "redis-cli -h 10.0.0.1 -p 6380");
  assertEquals(tip("::1"), "redis-cli -h ::1 -p 6380");
});

/** A process that remembers what it was told. */
class FakeProcess {
  readonly args = ["version"];
  readonly env = {};
  stderr = "";
  readonly exits: number[] = [];
  uncaught: (error: unknown) => void = () => {};
  readonly versionError: Error | undefined;

  constructor(versionError?: Error) {
    this.versionError = versionError;
  }

  get versions(): Process["versions"] {
    if (this.versionError !== undefined) throw this.versionError;
    return { runtime: "r", v8: "v", os: "o" };
  }

  onUncaught(callback: (error: unknown) => void): void {
    this.uncaught = callback;
  }

  writeStdout(): Promise<void> {
    return Promise.resolve();
  }

  writeStderr(bytes: Uint8Array): Promise<void> {
    this.stderr += new TextDecoder().decode(bytes);
    return Promise.resolve();
  }

  exit(code: number): void {
    this.exits.push(code);
  }
}

function platformWith(process: FakeProcess, delays: number[] = []): Platform {
  const clock = {
    setTimer(delayMs: number) {
      delays.push(delayMs);
      return { cancel() {} };
    },
  };
  return { process, clock } as unknown as Platform;
}

Deno.test("a bug ends the program with code 1, its text and a plea, and waits for no reader", async () => {
  const process = new FakeProcess(new AssertionError("Cannot count: found 2, expected 3"));
  const delays: number[] = [];
  await runCli(platformWith(process, delays));
  assertEquals(process.exits, [EXIT_CODES.bug.code]);
  assertMatch(process.stderr, /^Cannot go on: this is a bug in Logboat, please report it\.\n/);
  assertMatch(process.stderr, /Cannot count: found 2, expected 3/);
  assertEquals(delays.length, 1, "the exit does not depend on the output alone");
});

Deno.test("what nothing caught ends the program too", async () => {
  const process = new FakeProcess();
  await runCli(platformWith(process));
  assertEquals(process.exits, [0]);
  process.uncaught(new Error("late"));
  await Promise.resolve();
  await Promise.resolve();
  assertMatch(process.stderr, /late/);
});

Deno.test("the sampler reports how late its timer ran", () => {
  let nowMs = 1000;
  let callback = () => {};
  let cancelled = false;
  const clock = {
    nowMs: () => nowMs,
    setTimer(_delayMs: number, run: () => void) {
      callback = run;
      return { cancel: () => cancelled = true };
    },
  };
  const delays: number[] = [];
  const sampler = new LoopDelaySampler(clock as unknown as Clock, (late) => delays.push(late));
  nowMs += 250;
  callback();
  nowMs += 250 + 40;
  callback();
  assertEquals(delays, [0, 0.04]);
  sampler.stop();
  assert(cancelled);
});
