/** A first-in, first-out queue with constant-time `push` and `shift`; grows by doubling. */

export class Ring<T> {
  #slots: (T | undefined)[] = new Array(16);
  #head = 0;
  #length = 0;

  get length(): number {
    return this.#length;
  }

  push(value: T): void {
    if (this.#length === this.#slots.length) this.#grow();
    this.#slots[(this.#head + this.#length) & (this.#slots.length - 1)] = value;
    this.#length++;
  }

  /** The oldest element, or undefined when empty. */
  peek(): T | undefined {
    return this.#length === 0 ? undefined : this.#slots[this.#head];
  }

  /** Removes and returns the oldest element, or undefined when empty. */
  shift(): T | undefined {
    if (this.#length === 0) return undefined;
    const value = this.#slots[this.#head];
    this.#slots[this.#head] = undefined;
    this.#head = (this.#head + 1) & (this.#slots.length - 1);
    this.#length--;
    return value;
  }

  /** The element `offset` places behind the oldest one. */
  at(offset: number): T | undefined {
    if (offset < 0 || offset >= this.#length) return undefined;
    return this.#slots[(this.#head + offset) & (this.#slots.length - 1)];
  }

  clear(): void {
    this.#slots = new Array(16);
    this.#head = 0;
    this.#length = 0;
  }

  *[Symbol.iterator](): Iterator<T> {
    for (let offset = 0; offset < this.#length; offset++) yield this.at(offset) as T;
  }

  #grow(): void {
    const bigger = new Array<T | undefined>(this.#slots.length * 2);
    for (let offset = 0; offset < this.#length; offset++) bigger[offset] = this.at(offset);
    this.#slots = bigger;
    this.#head = 0;
  }
}
