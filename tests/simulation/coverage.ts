/**
 * What the runs of this process have reached: the rules of recovery, the changes of role, and each
 * reason for which the core ignores or refuses an event. What could have been reached is read from
 * the tables and the source, so that new code that no run reaches shows up by itself.
 */

import { Raft, type RaftEvent } from "../../src/raft/mod.ts";
import * as recoveryTables from "../../src/storage/recovery_table.ts";

type Rules = { when: object; decision: string }[];

const counts = new Map<string, number>();
let watching = false;

/** Adds up everything since the last call. */
export function takeCoverage(): Record<string, number> {
  const taken = Object.fromEntries(counts);
  counts.clear();
  return taken;
}

/** From now on everything is counted. */
export function watchCoverage(): void {
  if (watching) return;
  watching = true;
  for (const [name, rules] of recoveryRules()) watchRules(name, rules);
  watchSteps();
}

/** Everything that can be counted, by the same names. */
export function reachable(): string[] {
  const rules = recoveryRules().flatMap(([name, table]) =>
    table.map((_, at) => ruleName(name, table, at))
  );
  return [...rules, ...EDGES.map((edge) => `role ${edge}`), ...reasonsInSource()];
}

/** As `raft/roles.ts` allows them, without those from a role to itself. */
const EDGES = [
  "follower>preCandidate",
  "follower>candidate",
  "preCandidate>follower",
  "preCandidate>candidate",
  "candidate>follower",
  "candidate>preCandidate",
  "candidate>leader",
  "leader>follower",
];

function recoveryRules(): [string, Rules][] {
  return Object.entries(recoveryTables)
    .filter(([, table]) => Array.isArray(table))
    .map(([name, table]) => [name, table as unknown as Rules]);
}

function ruleName(table: string, rules: Rules, at: number): string {
  const { when, decision } = rules[at];
  const facts = Object.entries(when).map(([name, value]) => `${name} ${value}`).join(", ");
  return `${table} ${at} ${facts || "otherwise"}: ${decision}`;
}

/** The tables are asked by `findIndex`; each answers with the rule that decides. */
function watchRules(name: string, rules: Rules): void {
  const names = rules.map((_, at) => ruleName(name, rules, at));
  const findIndex = rules.findIndex.bind(rules) as (test: (rule: unknown) => boolean) => number;
  rules.findIndex = (test: (rule: Rules[number], at: number, rules: Rules) => unknown) => {
    const at = findIndex(test as (rule: unknown) => boolean);
    count(names[at]);
    return at;
  };
}

function watchSteps(): void {
  const step = Raft.prototype.step;
  Raft.prototype.step = function (this: Raft, event: RaftEvent) {
    const before = this.role;
    const result = step.call(this, event);
    if (result.kind === "ignored" || result.kind === "refused") {
      count(`${result.kind} ${result.reason}`);
    }
    const { role } = this;
    if (role !== before) countEdge(before, role);
    return result;
  };
}

/** One step of a node that is alone goes through several roles. */
function countEdge(before: string, after: string): void {
  if (after === "leader" && before !== "candidate") {
    if (before === "follower") count("role follower>preCandidate");
    count("role preCandidate>candidate");
    count("role candidate>leader");
  } else count(`role ${before}>${after}`);
}

function count(name: string): void {
  counts.set(name, (counts.get(name) ?? 0) + 1);
}

function reasonsInSource(): string[] {
  const directory = new URL("../../src/raft/", import.meta.url);
  const reasons = new Set<string>();
  for (const { name } of Deno.readDirSync(directory)) {
    const source = Deno.readTextFileSync(new URL(name, directory));
    for (const [, kind, reason] of source.matchAll(/\b(ignored|refused)\("([^"]+)"\)/g)) {
      reasons.add(`${kind} ${reason}`);
    }
  }
  return [...reasons].sort();
}
