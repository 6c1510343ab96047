/** One node of the demo: its place, its flags, and what to try with it. */

export interface DemoNode {
  readonly id: number;
  readonly host: string;
  readonly redisPort: number;
  readonly raftPort: number;
  readonly adminPort: number;
  readonly dataDir: string;
}

/** The flags of `serve` for one of `nodes`. */
export function nodeFlags(node: DemoNode, nodes: readonly DemoNode[]): string[] {
  const flags = [
    // A settings file of this directory belongs to another node.
    ...["--config", "/dev/null"],
    ...["--node-id", `${node.id}`, "--node-data-dir", node.dataDir],
    ...["--redis-listen", `${node.host}:${node.redisPort}`],
    ...["--raft-listen", `${node.host}:${node.raftPort}`, "--raft-timing", "lan"],
    ...["--admin-listen", `${node.host}:${node.adminPort}`],
  ];
  if (nodes.length === 1) return flags;
  for (const { id, host, raftPort, redisPort } of nodes) {
    flags.push("--raft-peer", `${id}=${host}:${raftPort},${host}:${redisPort}`);
  }
  return flags;
}

/** What is running, and what to do next in another terminal; `leaderId` is the node to kill. */
export function demoTips(
  nodes: readonly (DemoNode & { readonly pid: number })[],
  leaderId: number | undefined,
): string {
  const victim = nodes.find(({ id }) => id === leaderId) ?? nodes[0];
  const others = nodes.filter((node) => node !== victim);
  const first = others[0] ?? victim;
  const last = others[others.length - 1] ?? victim;
  const lines = ["", `${nodes.length} nodes are ready:`];
  for (const { id, host, redisPort, adminPort, pid } of nodes) {
    lines.push(
      `  node ${id}: Redis ${host}:${redisPort}, admin http://${host}:${adminPort}/, process ${pid}`,
    );
  }
  lines.push(
    "",
    "Try this in another terminal:",
    `  redis-cli -p ${first.redisPort} SET greeting hello`,
    `  redis-cli -p ${last.redisPort} GET greeting`,
    `  redis-cli -p ${last.redisPort} INFO raft`,
  );
  if (nodes.length > 2) {
    lines.push(
      `  kill -9 ${victim.pid}                           (node ${victim.id}, the leader)`,
      `  redis-cli -p ${last.redisPort} INCR survived`,
    );
  }
  lines.push("", "Ctrl-C stops all nodes.", "");
  return lines.join("\n");
}
