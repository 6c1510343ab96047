/** When the node's next turn comes. Asking twice for the same moment is asking once. */

import type { Clock, Timer } from "../platform/mod.ts";

export class Turns {
  readonly #clock: Clock;
  readonly #turn: () => void;
  #scheduled = false;
  #soon = false;
  #continuing = false;
  #timer: Timer | undefined;

  constructor(clock: Clock, turn: () => void) {
    this.#clock = clock;
    this.#turn = turn;
  }

  /** A turn is due as soon as what is running now has ended. */
  get isSoon(): boolean {
    return this.#soon;
  }

  /** A turn after the input of this one: what clients send at the same time goes together. */
  schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    this.#clock.setImmediate(() => {
      this.#scheduled = false;
      this.#turn();
    });
  }

  /** A turn after whatever waits at the event loop: for work that did not end in this one. */
  afterInput(): void {
    if (this.#continuing) return;
    this.#continuing = true;
    this.#clock.afterInput(() => {
      this.#continuing = false;
      this.#turn();
    });
  }

  /** What peers and the disk say is acted on before anything else is read. */
  soon(): void {
    if (this.#soon) return;
    this.#soon = true;
    queueMicrotask(() => {
      this.#soon = false;
      this.#turn();
    });
  }

  /** The next tick, which begins a turn of its own. */
  tickAfter(delayMs: number, tick: () => void): void {
    this.#timer = this.#clock.setTimer(delayMs, tick);
  }

  /** No more ticks. */
  end(): void {
    this.#timer?.cancel();
  }
}
