/** Virtual time: callbacks in order of time, and of scheduling when the time is equal. */

interface Scheduled {
  readonly atMs: number;
  readonly order: number;
  readonly run: () => void;
}

export class EventQueue {
  nowMs = 0;
  #heap: Scheduled[] = [];
  #order = 0;

  at(atMs: number, run: () => void): void {
    const heap = this.#heap;
    const item = { atMs: Math.max(atMs, this.nowMs), order: this.#order++, run };
    let slot = heap.push(item) - 1;
    while (slot > 0) {
      const parent = (slot - 1) >> 1;
      if (!isBefore(item, heap[parent])) break;
      heap[slot] = heap[parent];
      slot = parent;
    }
    heap[slot] = item;
  }

  after(delayMs: number, run: () => void): void {
    this.at(this.nowMs + delayMs, run);
  }

  /** Runs everything up to `untilMs`, which is then the time. */
  runUntil(untilMs: number): void {
    while (this.#heap.length > 0 && this.#heap[0].atMs <= untilMs) {
      const item = this.#pop();
      this.nowMs = item.atMs;
      item.run();
    }
    this.nowMs = Math.max(this.nowMs, untilMs);
  }

  #pop(): Scheduled {
    const heap = this.#heap;
    const top = heap[0];
    const last = heap.pop() as Scheduled;
    if (heap.length === 0) return top;
    let slot = 0;
    for (;;) {
      let child = slot * 2 + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && isBefore(heap[child + 1], heap[child])) child++;
      if (!isBefore(heap[child], last)) break;
      heap[slot] = heap[child];
      slot = child;
    }
    heap[slot] = last;
    return top;
  }
}

function isBefore(a: Scheduled, b: Scheduled): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order);
}
