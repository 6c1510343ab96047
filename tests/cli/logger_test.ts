/** The logger: formats, levels, a reader that stops, an output that closes (E47). */

import { assert, assertEquals, assertStringIncludes } from "../support/assert.ts";
import { LineLogger } from "../../src/cli/logger.ts";
import { escapeControls, formatLine, type LogFormat } from "../../src/cli/log_line.ts";
import type { LogLevel } from "../../src/base/mod.ts";

/** An output whose writes end when the test says so. */
class GatedOutput {
  text = "";
  writes = 0;
  readonly #waiting: { resolve: () => void; reject: (error: Error) => void }[] = [];
  blocked = false;
  broken = false;

  readonly write = (bytes: Uint8Array): Promise<void> => {
    this.writes++;
    if (this.broken) return Promise.reject(new Error("EPIPE"));
    this.text += new TextDecoder().decode(bytes);
    if (!this.blocked) return Promise.resolve();
    return new Promise((resolve, reject) => this.#waiting.push({ resolve, reject }));
  };

  release(): void {
    this.blocked = false;
    for (const { resolve } of this.#waiting.splice(0)) resolve();
  }
}

function makeLogger(
  output: GatedOutput,
  change: { level?: LogLevel; format?: LogFormat; bufferBytesMax?: number } = {},
): LineLogger {
  return new LineLogger({
    level: "info",
    format: "text",
    bufferBytesMax: 10_000,
    wallMs: () => 0,
    write: output.write,
    ...change,
  });
}

Deno.test("text lines: time, level, message, fields", async () => {
  const output = new GatedOutput();
  const logger = makeLogger(output, { level: "debug" });
  logger.debug("one");
  logger.info("two", { count: 3, name: "a b", plain: "x-1", missing: undefined, ok: true });
  await logger.flush();
  assertEquals(
    output.text,
    "1970-01-01T00:00:00.000Z DEBUG one\n" +
      '1970-01-01T00:00:00.000Z INFO  two count=3 name="a b" plain=x-1 ok=true\n',
  );
  assertEquals(output.writes, 1, "the lines of one turn leave in one write");
});

Deno.test("JSON lines hold the same facts, and no field can pose as time, level or message", async () => {
  const output = new GatedOutput();
  const logger = makeLogger(output, { format: "json" });
  logger.error('bad "thing"\n', { level: "debug", time: 1, path: "/x", n: undefined });
  await logger.flush();
  assertEquals(output.text.split("\n").length, 2);
  assertEquals(JSON.parse(output.text), {
    time: "1970-01-01T00:00:00.000Z",
    level: "error",
    message: 'bad "thing"\n',
    field_level: "debug",
    field_time: 1,
    path: "/x",
  });
});

Deno.test("lines below the level cost nothing", async () => {
  for (const [level, expected] of [["debug", 4], ["info", 3], ["warn", 2], ["error", 1]] as const) {
    const output = new GatedOutput();
    const logger = makeLogger(output, { level });
    logger.debug("x");
    logger.info("x");
    logger.warn("x");
    logger.error("x");
    await logger.flush();
    assertEquals(output.text.split("\n").length - 1, expected, level);
  }
});

Deno.test("a user's control characters cannot forge a line or move the cursor", () => {
  const nasty = "a\r\n2026 INFO  forged\x1b[2J\x00\x7f\x9b\u2028\u202e\ud800";
  for (const format of ["text", "json"] as const) {
    const line = formatLine(
      { wallMs: 0, level: "info", message: nasty, fields: { name: nasty, [nasty]: 1 } },
      format,
    );
    assertEquals(line.indexOf("\n"), line.length - 1, format);
    // deno-lint-ignore no-control-regex
    assert(!/[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u202e]/.test(line), format);
  }
  assertEquals(escapeControls("a\x1bé😀\u202e"), "a\\u001bé😀\\u202e");
});

Deno.test("a text of a user is cut", () => {
  const line = formatLine(
    { wallMs: 0, level: "info", message: "m", fields: { name: "x".repeat(1_000_000) } },
    "text",
  );
  assert(line.length < 5000, `${line.length}`);
  assertStringIncludes(line, "(1000000 characters)");
});

Deno.test("while nobody reads, lines are kept up to the limit, then dropped, counted and reported", async () => {
  const output = new GatedOutput();
  const logger = makeLogger(output, { bufferBytesMax: 1000 });
  output.blocked = true;
  logger.info("first");
  await Promise.resolve();
  await Promise.resolve();
  for (let line = 0; line < 1000; line++) logger.info("filler", { line });
  const dropped = logger.droppedLines;
  assert(dropped > 900 && dropped < 1000, `${dropped}`);
  assertEquals(output.writes, 1);
  output.release();
  await logger.flush();
  const lines = output.text.trimEnd().split("\n");
  assertEquals(lines.length, 1 + 1 + (1000 - dropped));
  assertStringIncludes(lines[0], "first");
  assertStringIncludes(
    lines[1],
    `WARN  lines were dropped: the output was not read lines=${dropped}`,
  );
  assertStringIncludes(lines[2], "filler line=0");
  logger.info("afterwards");
  await logger.flush();
  assert(output.text.endsWith("INFO  afterwards\n"));
  assertEquals(logger.droppedLines, dropped);
});

Deno.test("a broken output costs lines and nothing else; they are counted", async () => {
  const output = new GatedOutput();
  const logger = makeLogger(output);
  output.broken = true;
  for (let line = 0; line < 10; line++) {
    logger.info("lost");
    await logger.flush();
  }
  assertEquals(logger.droppedLines, 10);
  output.broken = false;
  logger.info("back");
  await logger.flush();
  const lines = output.text.trimEnd().split("\n");
  assertEquals(lines.length, 2);
  assertStringIncludes(lines[0], "lines=10 total=10");
  assertStringIncludes(lines[1], "back");
});
