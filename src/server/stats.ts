/** Counters of the Redis listener, since the start or the last `CONFIG RESETSTAT`. */

/** Rates are averaged over this many samples, one each `RATE_SAMPLE_MS`. */
const RATE_SAMPLES = 16;
export const RATE_SAMPLE_MS = 100;

export class ServerStats {
  connectionsReceived = 0;
  connectionsRejected = 0;
  commandsProcessed = 0;
  inputBytes = 0;
  outputBytes = 0;
  protocolErrors = 0;
  authFailures = 0;
  outputLimitCloses = 0;
  idleCloses = 0;
  assemblyCloses = 0;
  errorReplies = 0;
  reads = 0;
  writes = 0;
  /** Error replies by their code. */
  readonly errorsByCode = new Map<string, number>();

  countError(text: string): void {
    this.errorReplies++;
    const space = text.indexOf(" ");
    const code = space < 0 ? text : text.slice(0, space);
    const known = this.errorsByCode.get(code);
    if (known !== undefined || this.errorsByCode.size < ERROR_CODES_MAX) {
      this.errorsByCode.set(code, (known ?? 0) + 1);
    }
  }

  reset(): void {
    const fresh = new ServerStats();
    Object.assign(this, { ...fresh, errorsByCode: this.errorsByCode });
    this.errorsByCode.clear();
  }
}

const ERROR_CODES_MAX = 128;

/** A rate a second of a growing counter, as an average of the last samples. */
export class Rate {
  readonly #samples: number[] = new Array(RATE_SAMPLES).fill(0);
  #next = 0;
  #lastTotal = 0;
  #lastMs = 0;

  sample(total: number, nowMs: number): void {
    const elapsedMs = nowMs - this.#lastMs;
    if (this.#lastMs > 0 && elapsedMs > 0) {
      this.#samples[this.#next] = Math.max(0, total - this.#lastTotal) * 1000 / elapsedMs;
      this.#next = (this.#next + 1) % RATE_SAMPLES;
    }
    this.#lastTotal = total;
    this.#lastMs = nowMs;
  }

  get perSecond(): number {
    return this.#samples.reduce((sum, sample) => sum + sample, 0) / RATE_SAMPLES;
  }
}
