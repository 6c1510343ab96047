/** Reads what the settings come from: the command line, the environment, the file, secret files. */

import {
  CONFIG_VARIABLE,
  type Flags,
  type LoadedSettings,
  loadSettings,
  parseFlags,
  type Settings,
} from "../config/mod.ts";
import { type Platform, PlatformError } from "../platform/mod.ts";
import { CliFailure } from "./failure.ts";

/** Read when it is there and no other is named. */
const DEFAULT_FILE = "logboat.toml";
const SECRET_BYTES_MAX = 64 * 1024;

/** Secrets, wherever they were kept; empty for none. */
export interface Secrets {
  readonly redisPassword: string;
  readonly raftSecret: string;
  readonly adminToken: string;
}

/** The settings of a subcommand that takes all their flags. Throws a `CliFailure` "usage". */
export async function readSettings(
  platform: Platform,
  flags: Flags,
): Promise<LoadedSettings & { readonly fileName: string | undefined }> {
  const file = await readSettingsFile(platform, flags);
  const result = loadSettings({ flags, env: platform.process.env, file });
  if (result.kind === "loaded") return { ...result, fileName: file?.name };
  throw new CliFailure("usage", result.problems.map((problem) => problem.message));
}

/** Flags of a subcommand that takes nothing else. Throws a `CliFailure` for a word too many. */
export function settingsFlags(args: readonly string[], own: readonly string[] = []): Flags {
  const flags = parseFlags(args, { settings: true, own });
  // After an unknown flag its value looks like a word of its own.
  if (flags.words.length > 0 && flags.problems.length === 0) {
    throw new CliFailure("usage", [`Cannot use "${flags.words[0]}": expected flags only`]);
  }
  return flags;
}

async function readSettingsFile(platform: Platform, flags: Flags) {
  const named = flags.configFile ?? platform.process.env[CONFIG_VARIABLE];
  const name = named ?? DEFAULT_FILE;
  try {
    if (named === undefined && await platform.disk.stat(name) === undefined) return undefined;
    return { name, text: utf8(name, await platform.disk.readFile(name)) };
  } catch (error) {
    if (!(error instanceof PlatformError)) throw error;
    throw new CliFailure("usage", [`Cannot read the settings in ${name}: ${error.message}`]);
  }
}

/** Reads the secret files. Throws a `CliFailure` "usage" that never holds a secret. */
export async function readSecrets(platform: Platform, settings: Settings): Promise<Secrets> {
  const { redis, raft } = settings;
  return {
    redisPassword: await secret(
      platform,
      "redis.password-file",
      redis.password,
      redis.passwordFile,
    ),
    raftSecret: await secret(platform, "raft.secret-file", raft.secret, raft.secretFile),
    adminToken: await readAdminToken(platform, settings),
  };
}

/** The admin token alone: who asks a node need not be able to read its other secrets. */
export function readAdminToken(platform: Platform, { admin }: Settings): Promise<string> {
  return secret(platform, "admin.token-file", admin.token, admin.tokenFile);
}

async function secret(
  platform: Platform,
  key: string,
  given: string,
  path: string,
): Promise<string> {
  if (path === "") return given;
  const refuse = (reason: string) =>
    new CliFailure("usage", [`Cannot use ${key} ${path}: ${reason}`]);
  let bytes: Uint8Array;
  try {
    bytes = await platform.disk.readFile(path);
  } catch (error) {
    if (error instanceof PlatformError) throw refuse(error.message);
    throw error;
  }
  if (bytes.length > SECRET_BYTES_MAX) {
    throw refuse(`found ${bytes.length} bytes, expected at most ${SECRET_BYTES_MAX}`);
  }
  const line = utf8(path, bytes).split(/\r?\n/)[0];
  if (line === "") throw refuse("found an empty first line, expected the secret");
  return line;
}

function utf8(name: string, bytes: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    throw new CliFailure("usage", [`Cannot read ${name}: found bytes that are not UTF-8`]);
  }
}
