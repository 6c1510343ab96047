/** Members come and go, by `--join` and `logboat cluster`, while clients are served. */

import { assertEquals, assertMatch, assertStringIncludes } from "../support/assert.ts";
import { EXIT_CODES } from "../../src/cli/exit_codes.ts";
import { withMembers } from "../support/members.ts";
import { until } from "../support/wait.ts";

Deno.test("a cluster grows from one to three, loses its leader, shrinks to one and grows again", async () => {
  await withMembers(async (members) => {
    const [one, two, three, four] = [1, 2, 3, 4].map(() => members.place());
    await one.start();
    for (let i = 0; i < 50; i++) await one.command("SET", `key:${i}`, `${i}`);
    await two.start("--join", one.raft);
    await one.sees("1 voter, 2 voter");
    await three.start("--join", two.raft, "--join-as", "learner");
    await one.sees("1 voter, 2 voter, 3 learner");
    assertEquals(await three.command("GET", "key:49"), "49", "a learner reads what all know");
    assertEquals(await three.command("SET", "through", "the learner"), "OK");
    assertStringIncludes(await three.done("cluster", "promote", "3"), "becomes a voter by itself");
    await three.sees("1 voter, 2 voter, 3 voter");
    const table = await three.done("cluster", "status");
    assertMatch(table, /^3 \* +voter/m);

    assertEquals(await one.done("cluster", "transfer", "2"), "node 2 leads");
    await two.process!.kill();
    await until("a write without node 2", { withinMs: 15_000 }, async () => {
      return await three.command("SET", "after", "the kill") === "OK";
    });
    await two.start();
    assertMatch(two.process!.lines.join("\n"), /node=2 /);
    const leader = (await one.seen()).leaderId;
    const [leading, other] = leader === 1 ? [one, three] : [three, one];
    const remove = await other.done("cluster", "remove", `${leader}`);
    assertStringIncludes(remove, `node ${leader} is no member any more`);
    assertEquals(await leading.ended(), EXIT_CODES.removed.code);
    assertEquals(await two.command("GET", "after"), "the kill");
    const rest = leader === 1 ? 3 : 1;
    await two.done("cluster", "remove", `${rest}`);
    assertEquals(await other.ended(), EXIT_CODES.removed.code);
    await two.sees("2 voter");
    const last = await two.run("cluster", "remove", "2");
    assertEquals(last.code, EXIT_CODES.refused.code);
    assertMatch(last.output, /^Cannot remove node 2: it is the last voter/);

    await four.start("--join", two.raft);
    await two.sees("2 voter, 4 voter");
    assertEquals(await four.command("GET", "key:0"), "0");
    assertEquals(await four.command("DBSIZE"), 52);
  });
});

Deno.test("a wiped voter is refused as it was, and comes back in its place as another member", async () => {
  await withMembers(async (members) => {
    const [one, two, three] = [1, 2, 3].map(() => members.place());
    await one.start();
    await two.start("--join", one.raft);
    await one.sees("1 voter, 2 voter");
    await three.start("--join", one.raft);
    await one.sees("1 voter, 2 voter, 3 voter");
    await one.command("SET", "kept", "yes");
    assertEquals(await two.stop(), 0);
    await two.start("--join", one.raft);
    const again = two.process!.lines.filter((line) => line.includes("raft.join is not used"));
    assertEquals(again.length, 1, "one line says that it has joined before");

    await two.process!.kill();
    await Deno.remove(two.dataDir, { recursive: true });
    two.spawn("--join", one.raft);
    assertEquals(await two.ended(), EXIT_CODES.refused.code);
    assertMatch(two.process!.lines.join("\n"), /^Cannot join the cluster: .*--replace 2/m);
    await two.start("--join", one.raft, "--replace", "2");
    await one.sees("1 voter, 3 voter, 4 voter");
    assertEquals(await two.command("GET", "kept"), "yes");
    assertEquals((await two.seen()).nodeId, 4);
  });
});

Deno.test("joining waits for a cluster that is not there, and says so; a refusal ends it", async () => {
  await withMembers(async (members) => {
    const [one, two] = [1, 2].map(() => members.place());
    const waiting = two.spawn("--join", one.raft);
    const ready = await until("a reason", { withinMs: 20_000 }, async () => {
      const { status, body } = await two.get("/readyz");
      return status === 503 && body.includes("nothing listens there") ? body : undefined;
    });
    assertStringIncludes(ready, `joining the cluster through ${one.raft}`);
    assertEquals((await two.get("/healthz")).status, 200);
    assertEquals((await two.get("/api/v1/cluster")).status, 503);
    const lines = () => waiting.lines.filter((line) => line.includes("not joined yet"));
    assertEquals(lines().length, 1, "the same reason is said once");
    await one.start();
    await one.sees("1 voter, 2 voter");
    assertEquals(await two.command("SET", "a", "1"), "OK");

    const three = members.place();
    three.spawn("--join", one.raft, "--raft-secret", "another");
    assertEquals(await three.ended(), EXIT_CODES.refused.code);
    assertMatch(three.process!.lines.join("\n"), /^Cannot join the cluster: .*secret/m);
    const stranger = members.place();
    stranger.spawn("--join", `127.0.0.1:${one.redisPort}`);
    assertEquals(await stranger.ended(), EXIT_CODES.refused.code);
    assertMatch(stranger.process!.lines.join("\n"), /no member of a Logboat cluster/);
    const four = members.place();
    const stopped = four.spawn("--join", "127.0.0.1:1");
    await until("the wait", { withinMs: 20_000 }, () => {
      return stopped.lines.some((line) => line.includes("not joined yet"));
    });
    assertEquals(await four.stop(), 0, "a signal ends the wait in order");
  });
});

Deno.test("a snapshot, a transfer and a refusal are in the metrics", async () => {
  await withMembers(async (members) => {
    const [one, two] = [1, 2].map(() => members.place());
    await one.start();
    await one.command("SET", "a", "1");
    assertMatch(await one.done("snapshot"), /^snapshot up to entry \d+, \d+ bytes$/);
    await two.start("--join", one.raft);
    await one.sees("1 voter, 2 voter");
    await one.done("cluster", "transfer", "2");
    const metrics = (await one.get("/metrics")).body;
    assertMatch(metrics, /^logboat_snapshots_total\{outcome="taken"\} 1$/m);
    assertMatch(metrics, /^logboat_raft_transfers_total 1$/m);
    assertMatch(metrics, /^logboat_cluster_members\{standing="voter"\} 2$/m);
    const unknown = await two.run("cluster", "demote", "9");
    assertEquals(unknown.code, EXIT_CODES.refused.code);
    assertMatch(unknown.output, /node 9: it is no member; the members are 1, 2$/);
  });
});

Deno.test("a node that starts at another address finds the others, and is moved in the log", async () => {
  await withMembers(async (members) => {
    const [one, two, elsewhere, three] = [1, 2, 3, 4].map(() => members.place());
    await one.start();
    await two.start("--join", one.raft);
    await one.sees("1 voter, 2 voter");
    assertEquals(await two.stop(), 0);
    elsewhere.dataDir = two.dataDir;
    await elsewhere.start();
    assertEquals(await elsewhere.command("SET", "from", "elsewhere"), "OK");
    const addresses = [elsewhere.raft, `127.0.0.1:${elsewhere.redisPort}`];
    const text = await one.done("cluster", "move", "2", ...addresses);
    assertStringIncludes(text, `node 2 is at ${elsewhere.raft}`);
    assertStringIncludes(await one.done("cluster", "status"), elsewhere.raft);
    assertMatch(`${await one.command("CLUSTER", "NODES")}`, new RegExp(` ${addresses[1]}@`));
    await three.start("--join", elsewhere.raft);
    await one.sees("1 voter, 2 voter, 3 voter");
    await one.process!.kill();
    await until("a write without node 1", { withinMs: 15_000 }, async () => {
      return await three.command("SET", "after", "the kill") === "OK";
    });
    assertEquals(await elsewhere.command("GET", "from"), "elsewhere");
  });
});

Deno.test("a node that moved while the members changed waits, and is brought back by a move", async () => {
  await withMembers(async (members) => {
    const [one, two, elsewhere, three] = [1, 2, 3, 4].map(() => members.place());
    await one.start();
    await two.start("--join", one.raft, "--join-as", "learner");
    await one.sees("1 voter, 2 learner");
    assertEquals(await two.stop(), 0);
    await three.start("--join", one.raft);
    await one.sees("1 voter, 2 learner, 3 voter");
    assertEquals(await one.done("cluster", "transfer", "3"), "node 3 leads");
    assertStringIncludes(await three.done("cluster", "remove", "1"), "no member any more");
    assertEquals(await three.command("SET", "left", "behind"), "OK");
    elsewhere.dataDir = two.dataDir;
    const process = elsewhere.spawn();
    await until("the node waiting", { withinMs: 15_000 }, async () => {
      const { status, body } = await elsewhere.get("/readyz");
      return status === 503 && /leader/.test(body);
    });
    const addresses = [elsewhere.raft, `127.0.0.1:${elsewhere.redisPort}`];
    assertStringIncludes(
      await three.done("cluster", "move", "2", ...addresses),
      `node 2 is at ${elsewhere.raft}`,
    );
    await elsewhere.sees("2 learner, 3 voter");
    assertEquals(await elsewhere.command("GET", "left"), "behind");
    assertEquals(process.status, undefined, "it is the same process");
  });
});

Deno.test("a member may be added before its node comes, which then takes its place", async () => {
  await withMembers(async (members) => {
    const [one, two] = [1, 2].map(() => members.place());
    await one.start();
    const addresses = [two.raft, `127.0.0.1:${two.redisPort}`];
    const text = await one.done("cluster", "add", ...addresses, "--as", "learner");
    assertStringIncludes(text, "node 2 is a learner");
    const twice = await one.run("cluster", "add", ...addresses);
    assertEquals(twice.code, EXIT_CODES.refused.code);
    await two.start("--join", one.raft, "--join-as", "learner");
    await one.sees("1 voter, 3 learner");
    assertEquals(await two.command("SET", "a", "1"), "OK");
    const used = await one.run("cluster", "add", "127.0.0.1:9", "127.0.0.1:9", "--id", "2");
    assertEquals(used.code, EXIT_CODES.refused.code, used.output);
  });
});
