/**
 * The logger of a running node: lines on standard output that never block the event loop. While
 * nobody reads the output, lines are kept up to a limit, then dropped and counted; the count is the
 * first line that gets through again. A closed output costs lines, never the node.
 */

import type { LogFields, Logger, LogLevel } from "../base/mod.ts";
import { formatLine, type LogFormat } from "./log_line.ts";

export interface LineLoggerOptions {
  readonly level: LogLevel;
  readonly format: LogFormat;
  /** Bytes of lines that wait to be written. */
  readonly bufferBytesMax: number;
  /** Ms since 1970. */
  readonly wallMs: () => number;
  /** Resolves when the lines have left the process; may reject. */
  readonly write: (bytes: Uint8Array) => Promise<void>;
}

const RANK: Readonly<Record<LogLevel, number>> = { debug: 0, info: 1, warn: 2, error: 3 };

export class LineLogger implements Logger {
  readonly #options: LineLoggerOptions;
  readonly #encoder = new TextEncoder();
  #waiting: Uint8Array[] = [];
  #waitingBytes = 0;
  #droppedSinceWrite = 0;
  #droppedTotal = 0;
  #writing: Promise<void> | undefined;

  constructor(options: LineLoggerOptions) {
    this.#options = options;
  }

  /** Lines lost since the start. */
  get droppedLines(): number {
    return this.#droppedTotal;
  }

  debug(message: string, fields?: LogFields): void {
    this.#log("debug", message, fields);
  }

  info(message: string, fields?: LogFields): void {
    this.#log("info", message, fields);
  }

  warn(message: string, fields?: LogFields): void {
    this.#log("warn", message, fields);
  }

  error(message: string, fields?: LogFields): void {
    this.#log("error", message, fields);
  }

  /** Resolves when every line so far was written or lost. Does not end while nobody reads. */
  async flush(): Promise<void> {
    while (this.#writing !== undefined) await this.#writing;
  }

  #log(level: LogLevel, message: string, fields: LogFields = {}): void {
    if (RANK[level] < RANK[this.#options.level]) return;
    const line = this.#line(level, message, fields);
    if (this.#waitingBytes + line.length > this.#options.bufferBytesMax) {
      this.#countDropped(1);
      return;
    }
    this.#waiting.push(line);
    this.#waitingBytes += line.length;
    this.#writing ??= this.#writeAll();
  }

  #line(level: LogLevel, message: string, fields: LogFields): Uint8Array {
    const line = { wallMs: this.#options.wallMs(), level, message, fields };
    return this.#encoder.encode(formatLine(line, this.#options.format));
  }

  #countDropped(lines: number): void {
    this.#droppedSinceWrite += lines;
    this.#droppedTotal += lines;
  }

  async #writeAll(): Promise<void> {
    // The lines of one turn of the event loop leave together.
    await Promise.resolve();
    while (this.#waiting.length > 0) {
      const lines = this.#waiting;
      const reported = this.#droppedSinceWrite;
      this.#waiting = [];
      this.#waitingBytes = 0;
      this.#droppedSinceWrite = 0;
      try {
        await this.#options.write(
          joined(reported > 0 ? [this.#report(reported), ...lines] : lines),
        );
      } catch {
        this.#droppedSinceWrite += reported;
        this.#countDropped(lines.length);
      }
    }
    this.#writing = undefined;
  }

  #report(lines: number): Uint8Array {
    const fields = { lines, total: this.#droppedTotal };
    return this.#line("warn", "lines were dropped: the output was not read", fields);
  }
}

function joined(lines: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(lines.reduce((sum, line) => sum + line.length, 0));
  let at = 0;
  for (const line of lines) {
    bytes.set(line, at);
    at += line.length;
  }
  return bytes;
}
