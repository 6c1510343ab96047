/** Text output. `log` always means the Raft log; this is the logger. */

export type LogLevel = "debug" | "info" | "warn" | "error";

/** Named facts of a line. Values of users are escaped by the implementation. */
export type LogFields = Readonly<Record<string, string | number | boolean | undefined>>;

/** Never blocks and never throws; an implementation may drop lines and then counts them. */
export interface Logger {
  debug(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
}

/** Says nothing: for tests and tools. */
export const silentLogger: Logger = { debug() {}, info() {}, warn() {}, error() {} };
