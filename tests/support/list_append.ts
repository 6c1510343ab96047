/**
 * A checker for transactions that append unique elements to lists and read lists, after Elle
 * (Kingsbury and Alvaro 2020): a read tells the order of the appends before it, so dependencies can
 * be inferred, and a history is strictly serializable only if they and real time form no cycle.
 *
 * Edges: `ww` from an append to the next one, `wr` from the newest append that a read saw to the
 * read, `rw` from a read to the first append that it did not see, `rt` from a transaction to those
 * called after its return.
 */

export type MicroOperation =
  | { readonly kind: "append"; readonly key: string; readonly element: number }
  /** `elements` is undefined when the outcome is not known. */
  | {
    readonly kind: "read";
    readonly key: string;
    readonly elements: readonly number[] | undefined;
  };

export interface ListTransaction {
  readonly operations: readonly MicroOperation[];
  readonly callMs: number;
  /** `Infinity` when the outcome is not known. */
  readonly returnMs: number;
  /** `failed`: the reply says that it had no effect and never will. */
  readonly outcome: "ok" | "unknown" | "failed";
}

export type AnomalyKind =
  | "phantom"
  | "duplicate"
  | "incompatibleOrder"
  | "internal"
  | "G0"
  | "G1a"
  | "G1b"
  | "G1c"
  | "G-single"
  | "G2"
  | "G0-realtime"
  | "G1c-realtime"
  | "G-single-realtime"
  | "G2-realtime";

export interface Anomaly {
  readonly kind: AnomalyKind;
  readonly text: string;
}

type EdgeKind = "ww" | "wr" | "rw" | "rt";

interface Edge {
  readonly to: number;
  readonly kind: EdgeKind;
}

interface Append {
  readonly transaction: number;
  readonly key: string;
  /** Whether its transaction appended to the key again after it. */
  intermediate: boolean;
}

/** The first anomaly, the gravest kinds first; undefined when there is none. */
export function findAnomaly(transactions: readonly ListTransaction[]): Anomaly | undefined {
  const appends = collectAppends(transactions);
  const direct = findDirect(transactions, appends);
  if (direct !== undefined) return direct;
  const orders = versionOrders(transactions);
  if ("kind" in orders) return orders;
  return findCycle(transactions, buildGraph(transactions, appends, orders.byKey));
}

function collectAppends(transactions: readonly ListTransaction[]): Map<number, Append> {
  const appends = new Map<number, Append>();
  transactions.forEach(({ operations }, transaction) => {
    const newest = new Map<string, Append>();
    for (const operation of operations) {
      if (operation.kind !== "append") continue;
      const { key, element } = operation;
      if (appends.has(element)) throw new Error(`Element ${element} is appended twice`);
      const before = newest.get(key);
      if (before !== undefined) before.intermediate = true;
      const append = { transaction, key, intermediate: false };
      newest.set(key, append);
      appends.set(element, append);
    }
  });
  return appends;
}

/** What single reads show: elements from nowhere, of failed transactions, twice, half of one. */
function findDirect(
  transactions: readonly ListTransaction[],
  appends: ReadonlyMap<number, Append>,
): Anomaly | undefined {
  for (let reader = 0; reader < transactions.length; reader++) {
    const own = new Map<string, number[]>();
    const seen = new Map<string, readonly number[]>();
    for (const operation of transactions[reader].operations) {
      const { key } = operation;
      if (operation.kind === "append") {
        own.set(key, [...(own.get(key) ?? []), operation.element]);
        continue;
      }
      const { elements } = operation;
      if (elements === undefined) continue;
      const where = `transaction ${reader} read ${key} = [${elements}]`;
      if (new Set(elements).size < elements.length) return { kind: "duplicate", text: where };
      for (const element of elements) {
        const append = appends.get(element);
        if (append?.key !== key) {
          return { kind: "phantom", text: `${where}: who wrote ${element}?` };
        }
        if (transactions[append.transaction].outcome === "failed") {
          return { kind: "G1a", text: `${where}: the append of ${element} had failed` };
        }
      }
      const mine = own.get(key) ?? [];
      const later = elements.some((element) =>
        appends.get(element)!.transaction === reader && !mine.includes(element)
      );
      if (later) return { kind: "internal", text: `${where}: before it wrote that` };
      const tail = elements.slice(elements.length - mine.length);
      const before = seen.get(key);
      const expected = before === undefined ? undefined : [...before, ...mine];
      if (String(tail) !== String(mine) || (expected && String(expected) !== String(elements))) {
        return { kind: "internal", text: `${where}: not what it wrote and read before` };
      }
      if (before === undefined) seen.set(key, elements.slice(0, elements.length - mine.length));
      const newest = appends.get(elements.at(-1)!);
      if (newest?.intermediate && newest.transaction !== reader) {
        return { kind: "G1b", text: `${where}: transaction ${newest.transaction} went on` };
      }
    }
  }
  return undefined;
}

/** The longest read of each key; every other read must be a prefix of it. */
function versionOrders(
  transactions: readonly ListTransaction[],
): Anomaly | { readonly byKey: ReadonlyMap<string, readonly number[]> } {
  const reads = transactions.flatMap(({ operations }) =>
    operations.flatMap((operation) =>
      operation.kind === "read" && operation.elements !== undefined
        ? [{ key: operation.key, elements: operation.elements }]
        : []
    )
  );
  const byKey = new Map<string, readonly number[]>();
  for (const { key, elements } of reads) {
    if (elements.length >= (byKey.get(key)?.length ?? 0)) byKey.set(key, elements);
  }
  for (const { key, elements } of reads) {
    const longest = byKey.get(key)!;
    if (elements.some((element, at) => element !== longest[at])) {
      return { kind: "incompatibleOrder", text: `${key}: [${elements}] beside [${longest}]` };
    }
  }
  return { byKey };
}

/** Nodes: the transactions, then one for each return, a chain that carries real time. */
function buildGraph(
  transactions: readonly ListTransaction[],
  appends: ReadonlyMap<number, Append>,
  orders: ReadonlyMap<string, readonly number[]>,
): Edge[][] {
  const graph: Edge[][] = transactions.map(() => []);
  const add = (from: number, to: number, kind: EdgeKind) => {
    if (from !== to) graph[from].push({ to, kind });
  };
  const unseen = new Map<string, number[]>();
  for (const [element, { key, transaction }] of appends) {
    const failed = transactions[transaction].outcome === "failed";
    if (failed || orders.get(key)?.includes(element)) continue;
    unseen.set(key, [...(unseen.get(key) ?? []), transaction]);
  }
  for (const [key, order] of orders) {
    const writers = order.map((element) => appends.get(element)!.transaction);
    for (let at = 1; at < writers.length; at++) add(writers[at - 1], writers[at], "ww");
    for (const late of unseen.get(key) ?? []) {
      if (writers.length > 0) add(writers.at(-1)!, late, "ww");
    }
  }
  transactions.forEach(({ operations }, reader) => {
    for (const operation of operations) {
      if (operation.kind !== "read" || operation.elements === undefined) continue;
      const { key, elements } = operation;
      const order = orders.get(key)!;
      if (elements.length > 0) add(appends.get(elements.at(-1)!)!.transaction, reader, "wr");
      if (elements.length < order.length) {
        add(reader, appends.get(order[elements.length])!.transaction, "rw");
      } else for (const late of unseen.get(key) ?? []) add(reader, late, "rw");
    }
  });
  addRealTime(transactions, graph);
  return graph;
}

function addRealTime(transactions: readonly ListTransaction[], graph: Edge[][]): void {
  const returns = transactions
    .map(({ returnMs, outcome }, transaction) => ({ returnMs, outcome, transaction }))
    .filter(({ outcome }) => outcome === "ok")
    .sort((a, b) => a.returnMs - b.returnMs);
  const base = transactions.length;
  returns.forEach(({ transaction }, at) => {
    graph.push(at + 1 < returns.length ? [{ to: base + at + 1, kind: "rt" }] : []);
    graph[transaction].push({ to: base + at, kind: "rt" });
  });
  transactions.forEach(({ callMs, outcome }, transaction) => {
    if (outcome === "failed") return;
    let low = 0;
    let high = returns.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (returns[middle].returnMs < callMs) low = middle + 1;
      else high = middle;
    }
    if (low > 0) graph[base + low - 1].push({ to: transaction, kind: "rt" });
  });
}

function findCycle(
  transactions: readonly ListTransaction[],
  graph: readonly (readonly Edge[])[],
): Anomaly | undefined {
  const stages: readonly (readonly [AnomalyKind, AnomalyKind, readonly EdgeKind[]])[] = [
    ["G0", "G0", ["ww"]],
    ["G1c", "G1c", ["ww", "wr"]],
    ["G-single", "G2", ["ww", "wr", "rw"]],
    ["G0-realtime", "G0-realtime", ["ww", "rt"]],
    ["G1c-realtime", "G1c-realtime", ["ww", "wr", "rt"]],
    ["G-single-realtime", "G2-realtime", ["ww", "wr", "rw", "rt"]],
  ];
  for (const [single, several, kinds] of stages) {
    const component = components(graph, kinds);
    const cycle = shortestCycle(graph, kinds, component, "rw") ??
      shortestCycle(graph, kinds, component, undefined);
    if (cycle === undefined) continue;
    const antidependencies = cycle.filter((edge) => edge.kind === "rw").length;
    const names = cycle.filter(({ to }) => to < transactions.length)
      .map(({ to, kind }) => `-${kind}-> ${to}`);
    return { kind: antidependencies > 1 ? several : single, text: names.join(" ") };
  }
  return undefined;
}

/**
 * A cycle in a component of more than one node. With `once`, one whose first edge is of that kind
 * and that has no other of it.
 */
function shortestCycle(
  graph: readonly (readonly Edge[])[],
  kinds: readonly EdgeKind[],
  component: Int32Array,
  once: EdgeKind | undefined,
): Edge[] | undefined {
  for (let from = 0; from < graph.length; from++) {
    for (const first of graph[from]) {
      const fits = once === undefined ? kinds.includes(first.kind) : first.kind === once;
      if (!fits || !kinds.includes(first.kind) || component[first.to] !== component[from]) continue;
      const rest = kinds.filter((kind) => kind !== once);
      const path = pathBetween(graph, rest, first.to, from);
      if (path !== undefined) return [first, ...path];
    }
  }
  return undefined;
}

function pathBetween(
  graph: readonly (readonly Edge[])[],
  kinds: readonly EdgeKind[],
  from: number,
  to: number,
): Edge[] | undefined {
  const cameBy = new Map<number, { readonly edge: Edge; readonly from: number }>();
  let frontier = [from];
  while (frontier.length > 0) {
    const next: number[] = [];
    for (const node of frontier) {
      for (const edge of graph[node]) {
        if (!kinds.includes(edge.kind) || edge.to === from || cameBy.has(edge.to)) continue;
        cameBy.set(edge.to, { edge, from: node });
        next.push(edge.to);
      }
    }
    if (cameBy.has(to)) break;
    frontier = next;
  }
  const path: Edge[] = [];
  for (let at = to; at !== from;) {
    const step = cameBy.get(at);
    if (step === undefined) return undefined;
    path.unshift(step.edge);
    at = step.from;
  }
  return path;
}

/** The strongly connected component of each node (Tarjan 1972), iterative. */
function components(
  graph: readonly (readonly Edge[])[],
  kinds: readonly EdgeKind[],
): Int32Array {
  const component = new Int32Array(graph.length).fill(-1);
  const number = new Int32Array(graph.length).fill(-1);
  const low = new Int32Array(graph.length);
  const stack: number[] = [];
  let next = 0;
  for (let root = 0; root < graph.length; root++) {
    if (number[root] !== -1) continue;
    const calls = [{ node: root, edge: 0 }];
    while (calls.length > 0) {
      const call = calls[calls.length - 1];
      const { node } = call;
      if (call.edge === 0) {
        number[node] = low[node] = next++;
        stack.push(node);
      }
      const edge = graph[node][call.edge++];
      if (edge !== undefined) {
        if (!kinds.includes(edge.kind)) continue;
        if (number[edge.to] === -1) calls.push({ node: edge.to, edge: 0 });
        else if (component[edge.to] === -1) low[node] = Math.min(low[node], number[edge.to]);
        continue;
      }
      calls.pop();
      const caller = calls[calls.length - 1];
      if (caller !== undefined) low[caller.node] = Math.min(low[caller.node], low[node]);
      if (low[node] !== number[node]) continue;
      for (let member = -1; member !== node;) {
        member = stack.pop()!;
        component[member] = node;
      }
    }
  }
  return component;
}
