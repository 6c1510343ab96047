/** Promises that need a process of their own: bugs, signals, streams, descriptors, locks, clock. */

import { assert, assertEquals } from "../support/assert.ts";
import { withChild } from "./child.ts";
import { programCommand, RUNTIME_NAMES, type RuntimeName } from "./runtimes.ts";
import { sleep, withDirectory } from "./suite/harness.ts";

const BUGS = [
  "onData",
  "onDrained",
  "onClosed",
  "onConnection",
  "timer",
  "immediate",
  "rejection",
];
/** Descriptors that the accept storm leaves; a runtime opens up to about 40 itself. */
const DESCRIPTORS_MAX = 64;
const STORM_CONNECTIONS = 150;

/** One test for each runtime. */
function testEach(
  name: string,
  run: (command: string[], runtime: RuntimeName) => Promise<void>,
  runtimes: readonly RuntimeName[] = RUNTIME_NAMES,
) {
  for (const runtime of runtimes) {
    Deno.test(`${name}: ${runtime}`, async () => run(await programCommand(runtime), runtime));
  }
}

testEach("a bug in a callback reaches onUncaught", async (command) => {
  for (const place of BUGS) {
    await withChild([...command, "bug", place], async (child) => {
      child.readStdout();
      assertEquals(await child.exit(), 70, `${place}: ${child.errors.join("\n")}`);
      assertEquals(child.lines, [`uncaught bug in ${place}`]);
    });
  }
});

testEach("stdout that nobody reads does not stop the event loop (E47)", async (command) => {
  await withChild([...command, "flood"], async (child) => {
    await child.until("report", () => child.errors.some((line) => line.startsWith("gap ")));
    const gapMs = Number(child.errors.find((line) => line.startsWith("gap "))!.slice(4));
    assert(gapMs < 500, `the event loop stood still for ${gapMs} ms`);
    assert(!child.errors.includes("done"), "a write resolved that the kernel cannot have");
    child.readStdout();
    assertEquals(await child.exit(), 0);
    assertEquals(child.lines.length, 1000);
    assert(child.lines.every((line) => line === "x".repeat(999)), "lines are cut or mixed");
  });
});

testEach("a reader of stdout that is gone is no error", async (command) => {
  await withChild([...command, "pipe"], async (child) => {
    await child.process.stdout.cancel();
    assertEquals(await child.exit(), 0, child.errors.join("\n"));
    assertEquals(child.errors, ["alive"]);
  });
});

testEach("signals are delivered", async (command) => {
  await withChild([...command, "signals"], async (child) => {
    await child.readStdout().line("ready");
    for (const signal of ["SIGHUP", "SIGUSR1", "SIGINT", "SIGTERM"] as const) {
      child.process.kill(signal);
      await child.line(signal);
    }
    assertEquals(child.lines, ["ready", "SIGHUP", "SIGUSR1", "SIGINT", "SIGTERM"]);
  });
});

// Not on Deno from source: half a second after its start it opens its debugger on SIGUSR1, and no
// flag, variable or listener prevents that.
testEach("SIGUSR1 opens no debugger in the runtime of the executable (E49)", async (command) => {
  await withChild([...command, "signals"], async (child) => {
    await child.readStdout().line("ready");
    // Longer than the grace after which a runtime begins to listen for the signal.
    await sleep(1200);
    child.process.kill("SIGUSR1");
    await child.line("SIGUSR1");
    await sleep(500);
    assertEquals(child.errors, []);
    assertEquals(listeningPorts(child.process.pid), []);
  });
}, ["bun"]);

/** The TCP ports on which a process listens, from the tables of the kernel. */
function listeningPorts(pid: number): number[] {
  const inodes = new Set<string>();
  for (const { name } of Deno.readDirSync(`/proc/${pid}/fd`)) {
    const found = /^socket:\[(\d+)\]$/.exec(Deno.readLinkSync(`/proc/${pid}/fd/${name}`));
    if (found !== null) inodes.add(found[1]);
  }
  const ports: number[] = [];
  for (const table of ["tcp", "tcp6"]) {
    for (const line of Deno.readTextFileSync(`/proc/${pid}/net/${table}`).split("\n").slice(1)) {
      const [, local, , state, , , , , , inode] = line.trim().split(/\s+/);
      if (state === "0A" && inodes.has(inode)) ports.push(parseInt(local.split(":")[1], 16));
    }
  }
  return ports;
}

Deno.test("the check of listening ports sees one", async () => {
  await withChild([...(await programCommand("bun")), "echo"], async (child) => {
    const port = Number(await child.readStdout().line("port"));
    assertEquals(listeningPorts(child.process.pid), [port]);
  });
});

testEach("the program knows itself", async (command, runtime) => {
  const env = { LOGBOAT_TEST_COLOR: "blue" };
  await withChild([...command, "self"], async (child) => {
    child.readStdout();
    assertEquals(await child.exit(), 5, child.errors.join("\n"));
    const seen = JSON.parse(child.lines[0]);
    assertEquals(seen.args.slice(-1), ["self"]);
    assertEquals(seen.color, "blue");
    assertEquals(seen.stdoutIsTerminal, false);
    assertEquals(seen.pid, child.process.pid);
    assert(seen.versions.runtime.startsWith(runtime === "bun" ? "bun " : "deno "));
    assert(seen.versions.os.startsWith("linux "), seen.versions.os);
    // What it says must start the same program again.
    await withChild([...seen.selfCommand, command.at(-1)!, "self"], async (again) => {
      again.readStdout();
      assertEquals(await again.exit(), 5, again.errors.join("\n"));
    }, { env });
  }, { env });
});

testEach("the clock includes time that the process was stopped", async (command) => {
  await withChild([...command, "clock"], async (child) => {
    await child.readStdout().line("now");
    child.process.kill("SIGSTOP");
    await sleep(50);
    const before = child.lines.length;
    await sleep(600);
    child.process.kill("SIGCONT");
    await child.until("ticks", () => child.lines.length >= before + 5);
    const times = child.lines.map((line) => Number(line.slice(4)));
    const steps = times.slice(1).map((time, at) => time - times[at]);
    assert(steps.every((step) => step >= 0), "the clock went back");
    assert(Math.max(...steps) >= 550, `longest step ${Math.max(...steps)} ms, expected 600`);
  });
});

/** Deno's own `node:net` stops accepting for ever here; nobody ships that pairing. */
const SHIPPED_RUNTIMES: readonly RuntimeName[] = ["deno", "bun"];

testEach("accepting survives the end of descriptors", async (command) => {
  const script = `ulimit -n ${DESCRIPTORS_MAX}; exec "$@"`;
  await withChild(["bash", "-c", script, "bash", ...command, "echo"], async (child) => {
    const port = Number(await child.readStdout().line("port"));
    const storm: Deno.Conn[] = [];
    try {
      for (let i = 0; i < STORM_CONNECTIONS; i++) {
        storm.push(await Deno.connect({ hostname: "127.0.0.1", port }));
      }
      const [from, to] = await cpuOverTwoSeconds(child);
      assert(to - from < 1, `used ${to - from} s of processor in two seconds without descriptors`);
    } finally {
      for (const connection of storm) connection.close();
    }
    // Until the ends of the storm have been noticed, a newcomer may still be turned away.
    await untilEchoes(port);
    assertEquals(child.errors, []);
  });
}, SHIPPED_RUNTIMES);

async function cpuOverTwoSeconds(child: {
  readonly lines: string[];
  until(what: string, condition: () => boolean): Promise<void>;
}): Promise<[number, number]> {
  const cpu = () =>
    child.lines.filter((line) => line.startsWith("cpu ")).map((line) => Number(line.slice(4)));
  const before = cpu().length + 1;
  await child.until("processor time", () => cpu().length >= before + 4);
  return [cpu()[before - 1], cpu()[before + 3]];
}

async function untilEchoes(port: number): Promise<void> {
  const endMs = performance.now() + 10_000;
  let answer = "";
  while (answer !== "hello") {
    assert(performance.now() < endMs, `no echo in time, the last answer was "${answer}"`);
    answer = await echoOf(port, "hello").catch(turnedAway);
    if (answer !== "hello") await sleep(20);
  }
}

/** A reset is how a newcomer is turned away; anything else is a failure. */
function turnedAway(error: unknown): string {
  const { ConnectionReset, BrokenPipe } = Deno.errors;
  if (error instanceof ConnectionReset || error instanceof BrokenPipe) return "turned away";
  throw error;
}

async function echoOf(port: number, text: string): Promise<string> {
  const signal = AbortSignal.timeout(10_000);
  const connection = await Deno.connect({ hostname: "127.0.0.1", port, signal });
  const timer = setTimeout(() => connection.close(), 10_000);
  try {
    await connection.write(new TextEncoder().encode(text));
    const into = new Uint8Array(10);
    const bytes = await connection.read(into);
    return new TextDecoder().decode(into.subarray(0, bytes ?? 0));
  } finally {
    clearTimeout(timer);
    connection.close();
  }
}

Deno.test("locks exclude each other across processes and runtimes", async (test) => {
  for (const holder of RUNTIME_NAMES) {
    for (const other of RUNTIME_NAMES) {
      await test.step(`${holder} against ${other}`, () =>
        withDirectory(async (directory) => {
          const path = `${directory}/lock`;
          const contender = [...(await programCommand(other)), "lock", path];
          await withChild([...(await programCommand(holder)), "lock", path], async (first) => {
            await first.readStdout().line("locked");
            await withChild(contender, async (second) => {
              await second.readStdout().line("ELOCKED");
              assertEquals(await second.exit(), 3);
            });
          });
          // The holder was killed: the kernel let go.
          await withChild(contender, async (third) => void await third.readStdout().line("locked"));
        }));
    }
  }
});
