/** Turns what a runtime throws into `PlatformError`, so that callers see one set of codes. */

import { PlatformError } from "./ports.ts";

/** Deno gives some errors a class and no code. */
const CODE_OF_CLASS: Readonly<Record<string, string>> = {
  AddrInUse: "EADDRINUSE",
  AddrNotAvailable: "EADDRNOTAVAIL",
  AlreadyExists: "EEXIST",
  BadResource: "ECANCELED",
  BrokenPipe: "EPIPE",
  ConnectionAborted: "ECONNABORTED",
  ConnectionRefused: "ECONNREFUSED",
  ConnectionReset: "ECONNRESET",
  FilesystemLoop: "ELOOP",
  Interrupted: "ECANCELED",
  IsADirectory: "EISDIR",
  NetworkUnreachable: "ENETUNREACH",
  NotADirectory: "ENOTDIR",
  NotCapable: "EACCES",
  NotConnected: "ENOTCONN",
  NotFound: "ENOENT",
  PermissionDenied: "EACCES",
  TimedOut: "ETIMEDOUT",
  TimeoutError: "ETIMEDOUT",
  UnexpectedEof: "EIO",
  WouldBlock: "EAGAIN",
  WriteZero: "EIO",
};

/**
 * The same failure with a code of errno. `action` completes "Cannot …", with the path or address.
 * What has neither a code nor a known class is `EUNKNOWN`; the message keeps the original text.
 */
export function toPlatformError(error: unknown, action: string): PlatformError {
  if (error instanceof PlatformError) return error;
  const code = codeOf(error);
  const text = error instanceof Error ? error.message : String(error);
  const detail = text.includes(code) ? text : `${code}, ${text}`;
  return new PlatformError(code, `Cannot ${action}: ${detail}`);
}

/** The errno name of an error of any runtime. */
export function codeOf(error: unknown): string {
  if (typeof error !== "object" || error === null) return "EUNKNOWN";
  const { code, name } = error as { code?: unknown; name?: unknown };
  if (typeof code === "string" && /^E[A-Z0-9]+$/.test(code)) return code;
  return CODE_OF_CLASS[String(name)] ?? "EUNKNOWN";
}
