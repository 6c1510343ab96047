/** One HTTP request by the runtime's own `fetch`, with a deadline for silence. */

import { codeOf } from "./errors.ts";
import { type HttpAnswer, type HttpRequest, PlatformError } from "./ports.ts";

/** What the runtimes say when no connection came about, so that nothing was sent. */
const NOT_CONNECTED =
  /ECONNREFUSED|connection ?refused|unable to connect|\(Connect\)|are blocked|ENOTFOUND/i;

/** Resolves when the head of the answer is here. */
export async function sendRequest(request: HttpRequest): Promise<HttpAnswer> {
  const { url, method, headers, body, silenceMsMax } = request;
  const silence = new Silence(silenceMsMax);
  let response: Response;
  try {
    response = await fetch(url, {
      method,
      body,
      headers: { ...headers, connection: "close" },
      redirect: "manual",
      signal: silence.signal,
    });
  } catch (error) {
    silence.end();
    throw silence.hasLasted ? silence.failure(url) : failureOf(error, url);
  }
  return { status: response.status, body: chunksOf(response, silence, url) };
}

/** Aborts a request when nothing has been heard for too long. */
class Silence {
  readonly #controller = new AbortController();
  readonly #ms: number;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(ms: number) {
    this.#ms = ms;
    this.broken();
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  get hasLasted(): boolean {
    return this.#controller.signal.aborted;
  }

  /** Something was heard. */
  broken(): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#controller.abort(), this.#ms);
  }

  end(): void {
    clearTimeout(this.#timer);
  }

  failure(url: string): PlatformError {
    return new PlatformError("ETIMEDOUT", `Cannot read ${url}: nothing came for ${this.#ms} ms`);
  }
}

async function* chunksOf(
  response: Response,
  silence: Silence,
  url: string,
): AsyncGenerator<Uint8Array> {
  try {
    for await (const chunk of response.body ?? []) {
      silence.end();
      yield chunk;
      silence.broken();
    }
  } catch (error) {
    throw silence.hasLasted ? silence.failure(url) : failureOf(error, url);
  } finally {
    silence.end();
  }
}

function failureOf(error: unknown, url: string): PlatformError {
  const { message, cause } = error instanceof Error ? error : { message: String(error) };
  const reason = cause instanceof Error ? cause.message : message;
  const words = `${codeOf(error)} ${codeOf(cause)} ${message} ${reason}`;
  const code = NOT_CONNECTED.test(words) ? "ECONNREFUSED" : "ECONNRESET";
  return new PlatformError(code, `Cannot read ${url}: ${reason}`);
}
