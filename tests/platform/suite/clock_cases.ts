/** The clock port and the small parts of the process port that need no child. */

import { assert, assertEquals } from "../../support/assert.ts";
import { type Case, sleep, until } from "./harness.ts";

/** RFC 4231, test case 2. */
const HMAC_HEX = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";

export const clockCases: readonly Case[] = [
  {
    name: "clock: never backwards, in milliseconds",
    async run({ platform: { clock } }) {
      let last = clock.nowMs();
      const [startMs, startWallMs] = [last, clock.wallMs()];
      for (let i = 0; i < 100_000; i++) {
        const now = clock.nowMs();
        assert(now >= last, `the clock went from ${last} to ${now}`);
        last = now;
      }
      await sleep(50);
      const passedMs = clock.nowMs() - startMs;
      assert(passedMs >= 45, `${passedMs} ms passed, expected at least 45`);
      assert(passedMs < 10_000, `${passedMs} ms passed, expected less than 10000`);
      assert(Math.abs(clock.wallMs() - Date.now()) < 1000);
      assert(clock.wallMs() >= startWallMs);
    },
  },
  {
    name: "timers: once, in order, not before their time, not when cancelled",
    async run({ platform: { clock } }) {
      const fired: string[] = [];
      const startMs = clock.nowMs();
      let laterMs = 0;
      clock.setTimer(40, () => {
        laterMs = clock.nowMs() - startMs;
        fired.push("later");
      });
      clock.setTimer(5, () => fired.push("sooner"));
      clock.setTimer(10, () => fired.push("cancelled")).cancel();
      const never = clock.setTimer(2 ** 40, () => fired.push("overflow"));
      await until("timer", () => fired.includes("later"));
      await sleep(20);
      never.cancel();
      never.cancel();
      assertEquals(fired, ["sooner", "later"]);
      assert(laterMs >= 38, `fired after ${laterMs} ms, expected about 40`);
    },
  },
  {
    name: "setImmediate: soon, in order, after the running turn",
    async run({ platform: { clock } }) {
      const order: string[] = [];
      clock.setImmediate(() => order.push("first"));
      clock.setImmediate(() => order.push("second"));
      order.push("turn");
      await until("immediate", () => order.length === 3);
      assertEquals(order, ["turn", "first", "second"]);
    },
  },
  {
    name: "process: hmac, random bytes, memory, processor time",
    // deno-lint-ignore require-await -- a case is asynchronous
    async run({ platform: { process } }) {
      const encode = (text: string) => new TextEncoder().encode(text);
      const mac = process.hmacSha256(encode("Jefe"), encode("what do ya want for nothing?"));
      assertEquals(mac.length, 32);
      assertEquals([...mac].map((byte) => byte.toString(16).padStart(2, "0")).join(""), HMAC_HEX);
      const [a, b] = [process.randomBytes(100_000), process.randomBytes(100_000)];
      assertEquals(a.length, 100_000);
      assert(a.some((byte, at) => byte !== b[at]), "twice the same random bytes");
      assertEquals(process.randomBytes(0).length, 0);
      const memory = process.memory();
      assert(memory.residentBytes > 1_000_000 && memory.heapUsedBytes > 100_000);
      assert(memory.heapTotalBytes >= memory.heapUsedBytes / 2);
      assert(process.cpuSeconds() > 0.01);
      assert(process.pid > 1);
      assertEquals(process.env.LOGBOAT_NOT_SET, undefined);
      assertEquals(process.env.constructor, undefined);
      assert(process.env.PATH !== undefined);
    },
  },
  {
    name: "spawn: lines, exit codes, signals, a program that is not there",
    async run({ platform: { process } }) {
      const lines: string[] = [];
      const onLine = (line: string, stream: string) => void lines.push(`${stream} ${line}`);
      const script = "echo one; printf 'two\\nthree'; sleep 0.1; echo err >&2; exit 7";
      assertEquals(await process.spawn(["sh", "-c", script], onLine).exited, 7);
      assertEquals(lines.filter((line) => line.startsWith("stdout")), [
        "stdout one",
        "stdout two",
        "stdout three",
      ]);
      assertEquals(lines.filter((line) => line.startsWith("stderr")), ["stderr err"]);
      const sleeper = process.spawn(["sleep", "100"], onLine);
      assert(sleeper.pid > 1);
      sleeper.kill("SIGKILL");
      assertEquals(await sleeper.exited, 137);
      sleeper.kill("SIGTERM");
      assertEquals(await process.spawn(["/no/such/program"], onLine).exited, 127);
      assert(lines.at(-1)!.startsWith("stderr Cannot start /no/such/program"), lines.at(-1)!);
    },
  },
];
