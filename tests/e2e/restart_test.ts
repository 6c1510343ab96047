/** E2 to E4: members and whole clusters die with SIGKILL and come back with what they acknowledged. */

import { assertEquals, assertGreater, assertGreaterOrEqual } from "../support/assert.ts";
import { type Cluster, withCluster } from "../support/cluster.ts";
import { checkHistory, History } from "../support/history.ts";
import { Load, MixedOperations } from "../support/load.ts";
import { recordsOfLastSegment } from "../support/log_files.ts";
import { assertSameContents } from "../support/state.ts";
import { until } from "../support/wait.ts";

interface LoadShape {
  readonly history: History;
  readonly mixed: MixedOperations;
  readonly clients: number;
  readonly seed: number;
}

function mixedLoad(cluster: Cluster, { history, mixed, clients, seed }: LoadShape): Load {
  return new Load({
    history,
    nodes: cluster.nodes,
    clients,
    seed,
    thinkMsMax: 10,
    choose: (random) => mixed.choose(random),
  });
}

async function successes(load: Load, more: number): Promise<void> {
  const wanted = load.succeeded + more;
  await until(`${more} more answers`, { withinMs: 30_000 }, () => load.succeeded >= wanted);
}

Deno.test("E2: a follower killed under load catches up from the log and changes no term", async () => {
  await withCluster({ nodes: 3 }, async (cluster) => {
    const history = new History();
    const load = mixedLoad(cluster, {
      history,
      mixed: new MixedOperations(60),
      seed: 3,
      clients: 12,
    });
    try {
      await successes(load, 200);
      const leader = await cluster.leader();
      const { term } = await leader.status();
      const follower = cluster.nodes.find((node) => node !== leader)!;
      await follower.kill();
      await successes(load, 600);
      const { commitIndex } = await leader.status();
      await follower.start();
      await until(
        `the follower applies entry ${commitIndex}`,
        { withinMs: 15_000 },
        async () => (await follower.status()).appliedIndex >= commitIndex,
      );
      await successes(load, 200);
      const status = await leader.status();
      assertEquals({ role: status.role, term: status.term }, { role: "leader", term });
      for (const node of cluster.nodes.filter((node) => node !== follower)) {
        assertEquals(load.problemsOf(node, 0), [], `node ${node.id}`);
      }
    } finally {
      await load.stop();
    }
    assertEquals(checkHistory(history.operations, { budgetMs: 20_000 }).problem, undefined);
    await cluster.caughtUp();
    await assertSameContents(cluster);
  });
});

const rounds = 6;

Deno.test("E3: all nodes killed at one instant keep every acknowledged write, term and vote", async () => {
  await withCluster({ nodes: 3 }, async (cluster) => {
    const history = new History();
    const mixed = new MixedOperations(60);
    for (let round = 0; round < rounds; round++) {
      const load = mixedLoad(cluster, { history, mixed, seed: 10 + round, clients: 15 });
      let terms: number[];
      try {
        await successes(load, 300);
        terms = await Promise.all(cluster.nodes.map(async (node) => (await node.status()).term));
        for (const node of cluster.nodes) node.process!.signal("SIGKILL");
        await Promise.all(cluster.nodes.map((node) => node.kill()));
      } finally {
        await load.stop();
      }
      await cluster.start();
      for (const [i, node] of cluster.nodes.entries()) {
        assertGreaterOrEqual((await node.status()).term, terms[i], `term of node ${node.id}`);
      }
      await cluster.caughtUp();
      await assertSameContents(cluster);
    }
    // Reads after the last start put what was acknowledged to the proof.
    const last = mixedLoad(cluster, { history, mixed, seed: 20, clients: 15 });
    try {
      await successes(last, 600);
    } finally {
      await last.stop();
    }
    const report = checkHistory(history.operations, { budgetMs: 20_000 });
    assertEquals(report.problem, undefined);
    assertGreater(report.operations, rounds * 200);
    await cluster.caughtUp();
    await assertSameContents(cluster);
  });
});

Deno.test("E3: what a dead leader alone had on disk is dropped when it comes back, on all replicas", async () => {
  await withCluster({ nodes: 3 }, async (cluster) => {
    for (let round = 0; round < 3; round++) {
      const leader = await cluster.leader();
      const others = cluster.nodes.filter((node) => node !== leader);
      await leader.withClient((client) => client.call("APPEND", "list", `kept ${round};`));
      await cluster.caughtUp();
      const { commitIndex } = await leader.status();
      // From here on the leader is alone: what it appends can never be committed.
      for (const node of others) node.process!.signal("SIGSTOP");
      const client = await leader.connect();
      const outcome = client.command("APPEND", "list", `lost ${round};`).then(
        (reply) => `answered ${JSON.stringify(reply)}`,
        () => "no answer",
      );
      await until(
        "the entry is in the leader's log alone",
        { withinMs: 10_000 },
        async () => (await recordsOfLastSegment(leader.dataDir)).at(-1)!.index > commitIndex,
      );
      for (const node of cluster.nodes) node.process!.signal("SIGKILL");
      await Promise.all(cluster.nodes.map((node) => node.kill()));
      assertEquals(await outcome, "no answer");
      client.close();
      // The others go on without it; then it comes back with its different end of the log.
      for (const node of others) node.spawn();
      await Promise.all(others.map((node) => node.ready()));
      await others[0].withClient((again) => again.call("APPEND", "list", `next ${round};`));
      await leader.start();
      await cluster.caughtUp();
      await assertSameContents(cluster);
      const value = await leader.withClient((again) => again.call("GET", "list"));
      const rounds = Array.from({ length: round + 1 }, (_, i) => `kept ${i};next ${i};`);
      assertEquals(value, rounds.join(""));
    }
  });
});

Deno.test("E4: a single node killed right after each reply never loses an acknowledged write", async () => {
  await withCluster({ nodes: 1 }, async (cluster) => {
    const [node] = cluster.nodes;
    for (let round = 1; round <= 6; round++) {
      const client = await node.connect();
      const value = `value of round ${round}`;
      await client.call("APPEND", "list", `${round};`);
      // Nothing may come between this reply and the kill.
      const reply = await client.call("SET", `key:${round}`, value);
      node.process!.signal("SIGKILL");
      assertEquals(reply, "OK");
      await client.closed;
      await node.kill();
      await node.start();
      await node.withClient(async (reader) => {
        assertEquals(await reader.call("GET", `key:${round}`), value);
        const expected = Array.from({ length: round }, (_, i) => `${i + 1};`).join("");
        assertEquals(await reader.call("GET", "list"), expected);
      });
    }
  });
});
