/**
 * CF: committed configurations follow each other as joint consensus has it (Raft thesis §4.3), so that
 * no two of them in a row have majorities without a common voter; whoever was removed stays out, and
 * no id is used twice.
 */

import type { NodeId } from "../../src/base/mod.ts";
import { type Configuration, encodeConfiguration } from "../../src/raft/mod.ts";
import { votingSets } from "./quorum.ts";
import { Violation } from "./violation.ts";

export class ConfigurationChecks {
  /** The newest that is committed, and its entry. */
  newest: Configuration;
  index = 0;
  term = 0;
  readonly #everMembers: Set<NodeId>;
  /** All that were committed, the newest last. */
  readonly #history: { readonly index: number; readonly configuration: Configuration }[];
  /** What nodes go by, and the committed one that it was found equal to; neither ever changes. */
  readonly #equals = new WeakMap<Configuration, Configuration>();

  constructor(first: Configuration) {
    this.newest = first;
    this.#history = [{ index: 0, configuration: first }];
    this.#everMembers = new Set(first.members.map(({ id }) => id));
  }

  committed(configuration: Configuration, index: number, term: number): void {
    const before = this.newest;
    const fail = (what: string) => {
      const texts = [before, configuration].map(describe);
      throw new Violation("CF", `configuration ${index} ${what}: ${texts.join(" and then ")}`);
    };
    const [incomingBefore, outgoingBefore] = votingSets(before);
    const [incoming, outgoing] = votingSets(configuration);
    if (incoming.length === 0) fail("has no voter");
    if (outgoingBefore === undefined) {
      if (outgoing === undefined) fail("is not joint");
      else if (!isSame(outgoing, incomingBefore)) fail("leaves other voters than those that were");
    } else {
      if (outgoing !== undefined) fail("begins a change while another one is under way");
      if (!isSame(incoming, incomingBefore)) fail("has other voters than were decided on");
    }
    if (configuration.featureLevel < before.featureLevel) fail("uses a lower feature level");
    this.#checkIds(configuration, fail);
    this.newest = configuration;
    this.index = index;
    this.term = term;
    this.#history.push({ index, configuration });
  }

  /** Whether a node that has committed up to `commitIndex` may go by `configuration`. */
  isAt(commitIndex: number, configuration: Configuration): boolean {
    const expected = this.#expected(commitIndex);
    // Who joins knows nobody before the log or a snapshot says it.
    if (configuration === expected || configuration.members.length === 0) return true;
    if (this.#equals.get(configuration) === expected) return true;
    if (!isEqual(configuration, expected)) return false;
    this.#equals.set(configuration, expected);
    return true;
  }

  refuse(id: NodeId, commitIndex: number, configuration: Configuration): never {
    const texts = [configuration, this.#expected(commitIndex)].map(describe);
    throw new Violation("CF", `node ${id} goes by other members: ${texts.join(" instead of ")}`);
  }

  #expected(commitIndex: number): Configuration {
    return this.#history.findLast(({ index }) => index <= commitIndex)!.configuration;
  }

  #checkIds(configuration: Configuration, fail: (what: string) => void): void {
    const before = this.newest;
    const known = new Set(before.members.map(({ id }) => id));
    const removed = new Set(configuration.removed);
    for (const id of before.removed) if (!removed.has(id)) fail(`forgets that ${id} was removed`);
    for (const { id } of configuration.members) {
      if (removed.has(id)) fail(`has member ${id}, which was removed`);
      if (!known.has(id) && this.#everMembers.has(id)) fail(`uses id ${id} again`);
      this.#everMembers.add(id);
    }
    const now = new Set(configuration.members.map(({ id }) => id));
    for (const id of known) if (!now.has(id) && !removed.has(id)) fail(`loses member ${id}`);
  }
}

function isSame(a: readonly NodeId[], b: readonly NodeId[]): boolean {
  return a.length === b.length && a.every((id) => b.includes(id));
}

function isEqual(a: Configuration, b: Configuration): boolean {
  const [left, right] = [a, b].map(encodeConfiguration);
  return left.length === right.length && left.every((byte, at) => byte === right[at]);
}

function describe({ members, outgoing, removed }: Configuration): string {
  const texts = members.map(({ id, standing }) => `${id} ${standing}`);
  return `[${texts.join(", ")}; leaves ${outgoing}; removed ${removed}]`;
}
