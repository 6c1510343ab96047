/**
 * What the MIT 6.5840 labs' test harness offers its tests, in virtual time: the same polls, give-up
 * times and failures. Indexes are those of commands, from 1: the no-op that begins a term is an
 * entry of the log and not a command, which the labs do not know.
 */

import { Cluster, type ClusterOptions, LAB_TIMERS } from "./cluster.ts";
import type { LabNode } from "./node.ts";

/** Allowance of the labs for an election. */
export const ELECTION_MS = 1000;

export class MitLab extends Cluster {
  constructor(size: number, seed: number, options: Partial<ClusterOptions> = {}) {
    super({ ...LAB_TIMERS, ...options, size, seed });
  }

  fail(message: string): never {
    throw new Error(`seed ${this.seed} at ${this.nowMs} ms: ${message}`);
  }

  #connected(): LabNode[] {
    return this.nodes.filter((node) => node.isUp && this.network.isConnected(node.id));
  }

  /** Ten polls of about half a second; the leader of the newest term among the connected. */
  checkOneLeader(): LabNode {
    for (let round = 0; round < 10; round++) {
      this.run(this.prng.between(450, 549));
      const byTerm = new Map<number, LabNode>();
      for (const node of this.#connected()) {
        if (!node.isLeader) continue;
        if (byTerm.has(node.term)) this.fail(`term ${node.term} has two leaders`);
        byTerm.set(node.term, node);
      }
      if (byTerm.size > 0) return byTerm.get(Math.max(...byTerm.keys())) as LabNode;
    }
    return this.fail("expected one leader, got none");
  }

  checkNoLeader(): void {
    for (const node of this.#connected()) {
      if (node.isLeader) this.fail(`expected no leader among connected servers, ${node.id} leads`);
    }
  }

  /** The term that all connected servers agree on. */
  checkTerms(): number {
    const terms = new Set(this.#connected().map((node) => node.term));
    if (terms.size !== 1) this.fail(`servers disagree on term: ${[...terms]}`);
    return [...terms][0];
  }

  /** Submits to one server: the command's index and term, or undefined when it does not lead. */
  start(id: number, command: string): { ordinal: number; term: number } | undefined {
    return this.node(id).propose(command);
  }

  /** How many servers applied command `ordinal`, and which; fails when they differ. */
  nCommitted(ordinal: number): { count: number; command: string | undefined } {
    let count = 0;
    let command: string | undefined;
    for (const node of this.nodes) {
      const applied = node.isUp ? node.applied[ordinal - 1] : undefined;
      if (applied === undefined) continue;
      if (command !== undefined && command !== applied) {
        this.fail(`committed values at index ${ordinal} do not match: ${command}, ${applied}`);
      }
      count++;
      command = applied;
    }
    return { count, command };
  }

  /** Gets `command` committed on at least `expected` servers within ten seconds: its index. */
  one(command: string, expected: number, retry: boolean): number {
    const script = this.oneScript(command, expected, retry);
    for (;;) {
      const next = script.next();
      if (next.done) return next.value;
      this.run(next.value);
    }
  }

  /** `one` as a script for `spawn`, to run several beside each other. */
  *oneScript(command: string, expected: number, retry: boolean): Generator<number, number, void> {
    const endMs = this.nowMs + 10_000;
    let starts = 0;
    while (this.nowMs < endMs) {
      const submitted = this.#submit(command, starts++);
      if (submitted === undefined) {
        yield 50;
        continue;
      }
      const giveUpMs = this.nowMs + 2000;
      while (this.nowMs < giveUpMs) {
        const { count, command: found } = this.nCommitted(submitted.ordinal);
        if (count >= expected && found === command) return submitted.ordinal;
        yield 20;
      }
      if (!retry) this.fail(`one(${command}) failed to reach agreement`);
    }
    return this.fail(`one(${command}) failed to reach agreement within 10 s`);
  }

  #submit(command: string, from: number): { ordinal: number; term: number } | undefined {
    for (let offset = 0; offset < this.size; offset++) {
      const id = 1 + (from + offset) % this.size;
      if (!this.node(id).isUp || !this.network.isConnected(this.node(id).id)) continue;
      const submitted = this.start(id, command);
      if (submitted !== undefined) return submitted;
    }
    return undefined;
  }

  /**
   * Waits until at least `count` servers applied command `ordinal`: the command; undefined when the
   * term moved on meanwhile.
   */
  wait(ordinal: number, count: number, startTerm: number): string | undefined {
    let sleepMs = 10;
    for (let round = 0; round < 30; round++) {
      if (this.nCommitted(ordinal).count >= count) break;
      this.run(sleepMs);
      if (sleepMs < 1000) sleepMs *= 2;
      for (const node of this.nodes) if (node.isUp && node.term > startTerm) return undefined;
    }
    const { count: found, command } = this.nCommitted(ordinal);
    if (found < count) this.fail(`only ${found} decided for index ${ordinal}; wanted ${count}`);
    return command;
  }
}
