/** Asks a running node over its admin endpoint, for the subcommands that look at it or change it. */

import { formatHostPort, isWildcard } from "../base/mod.ts";
import { type Flags, parseFlags, type Settings } from "../config/mod.ts";
import {
  type HttpAnswer,
  type HttpRequest,
  type Platform,
  PlatformError,
} from "../platform/mod.ts";
import { CliFailure } from "./failure.ts";
import { readAdminToken, readSettings } from "./settings_source.ts";

/** An answer longer than this did not come from a node. */
const ANSWER_BYTES_MAX = 4 << 20;
/** A reason longer than this did not either. */
const REASON_CHARACTERS_MAX = 1000;

/** A whole answer. */
export interface AdminAnswer {
  readonly status: number;
  /** The JSON; undefined when it is none. */
  readonly value: unknown;
  /** The reason in it, or its beginning as it came. */
  readonly reason: string;
}

/** A request got no answer. */
export class AnswerLost extends Error {
  override readonly name = "AnswerLost";
  /** Whether it may have arrived all the same. */
  readonly sent: boolean;

  constructor({ code, message }: PlatformError) {
    super(message);
    this.sent = code !== "ECONNREFUSED";
  }
}

/** One node's endpoint, with the token that it wants. */
export class AdminClient {
  readonly base: string;
  readonly #platform: Platform;
  readonly #token: string;

  constructor(platform: Platform, base: string, token: string) {
    this.#platform = platform;
    this.base = base;
    this.#token = token;
  }

  /**
   * The node that `--admin` names, else that of the same settings on this machine, with the token of
   * `--token`, else of the settings. Throws a `CliFailure` "usage".
   */
  static async of(platform: Platform, flags: Flags): Promise<AdminClient> {
    const { settings } = await readSettings(platform, flags);
    const token = flags.own.get("token") ?? await readAdminToken(platform, settings);
    return new AdminClient(platform, baseOf(settings, flags), token);
  }

  /** The same node, for questions that need no token. */
  static async withoutToken(platform: Platform, flags: Flags): Promise<AdminClient> {
    const { settings } = await readSettings(platform, flags);
    return new AdminClient(platform, baseOf(settings, flags), "");
  }

  /**
   * The whole answer, whatever its status, but not a refusal of the question itself: that, like a
   * wrong token, is a `CliFailure`. Throws `AnswerLost`.
   */
  async ask(
    method: HttpRequest["method"],
    path: string,
    options: { readonly body?: unknown; readonly silenceMsMax: number },
  ): Promise<AdminAnswer> {
    try {
      const { status, body } = await this.#send(method, path, options);
      const answer = answerOf(status, await textOf(body));
      this.#refuse(answer);
      return answer;
    } catch (error) {
      if (error instanceof PlatformError) throw new AnswerLost(error);
      throw error;
    }
  }

  /** A long answer as it comes; anything but 200 is a failure. Its body throws `PlatformError`. */
  async stream(path: string, silenceMsMax: number): Promise<AsyncIterable<Uint8Array>> {
    let answer: HttpAnswer;
    try {
      answer = await this.#send("GET", path, { silenceMsMax });
    } catch (error) {
      if (error instanceof PlatformError) throw this.unreachable(error.message);
      throw error;
    }
    if (answer.status === 200) return answer.body;
    const refusal = answerOf(answer.status, await textOf(answer.body));
    this.#refuse(refusal);
    throw new CliFailure("refused", [refusal.reason]);
  }

  /** What is said when the node does not answer. */
  unreachable(reason: string): CliFailure {
    return new CliFailure("notHealthy", [
      `The node at ${this.base} does not answer (${lastPart(reason)}). Start it, or name another ` +
      "with --admin",
    ]);
  }

  async #send(
    method: HttpRequest["method"],
    path: string,
    { body, silenceMsMax }: { readonly body?: unknown; readonly silenceMsMax: number },
  ): Promise<HttpAnswer> {
    const headers: Record<string, string> = {};
    if (this.#token !== "") headers.authorization = `Bearer ${this.#token}`;
    if (body !== undefined) headers["content-type"] = "application/json";
    return await this.#platform.http.request({
      url: `${this.base}${path}`,
      method,
      headers,
      body: body === undefined ? undefined : JSON.stringify(body),
      silenceMsMax,
    });
  }

  /** What is wrong with the question and not with the cluster. */
  #refuse({ status, reason }: AdminAnswer): void {
    if (status === 401) {
      const wanted = "give it with --token, admin.token or admin.token-file";
      throw new CliFailure("usage", [`The node at ${this.base} wants its admin token: ${wanted}`]);
    }
    if (status === 403 || status === 400) throw new CliFailure("usage", [reason]);
    if (status === 404 || status === 405) {
      const what = `it is no node of Logboat, or of an earlier release (${reason})`;
      throw new CliFailure("usage", [
        `The node at ${this.base} does not know this request: ${what}`,
      ]);
    }
  }
}

/** Flags of a subcommand that asks a node. */
export function adminFlags(args: readonly string[], own: readonly string[] = []): Flags {
  return parseFlags(args, { settings: true, own: ["admin", "token", ...own] });
}

/** What the system said, without who passed it on. */
function lastPart(text: string): string {
  return text.slice(text.lastIndexOf(": ") + 1).trim();
}

/** `http://HOST:PORT` without a slash at its end. */
function baseOf(settings: Settings, flags: Flags): string {
  const base = flags.own.get("admin") ?? localAdmin(settings);
  if (/^https?:\/\/[^/\s]+\/?$/.test(base)) return base.replace(/\/$/, "");
  throw new CliFailure("usage", [
    `Cannot use --admin: found "${base}", expected http://HOST:PORT`,
  ]);
}

/** Where this machine reaches the listener of these settings. */
function localAdmin({ admin }: Settings): string {
  const { hostname, port } = admin.listen;
  const reachable = isWildcard(hostname) ? (hostname === "::" ? "::1" : "127.0.0.1") : hostname;
  return `http://${formatHostPort({ hostname: reachable, port })}`;
}

async function textOf(body: AsyncIterable<Uint8Array>): Promise<string> {
  const decoder = new TextDecoder();
  let text = "";
  for await (const chunk of body) {
    text += decoder.decode(chunk, { stream: true });
    if (text.length > ANSWER_BYTES_MAX) break;
  }
  return text + decoder.decode();
}

function answerOf(status: number, text: string): AdminAnswer {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    // It is no JSON: shown as it came.
  }
  return { status, value, reason: reasonIn(value) ?? text.trim().slice(0, REASON_CHARACTERS_MAX) };
}

function reasonIn(value: unknown): string | undefined {
  if (typeof value !== "object" || value === null) return undefined;
  const { error, reason, text } = value as Record<string, unknown>;
  const found = error ?? reason ?? text;
  return typeof found === "string" ? found : undefined;
}
