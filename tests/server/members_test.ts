/** What clients are told of the members: CLUSTER, INFO and ROLE follow the configuration. */

import { assert, assertEquals, assertStringIncludes } from "../support/assert.ts";
import { member } from "../support/fake_gateway.ts";
import { withServer } from "./support.ts";

const MEMBERS = [
  member(1),
  member(2, { matchIndex: 90, lastContactMs: 20 }),
  member(3, { standing: "learner", matchIndex: 80 }),
  member(4, { standing: "joining", matchIndex: 5 }),
  member(5, { standing: "leaving", connected: false }),
];

Deno.test("learners are replicas; members that come or go are not named to cluster clients", async () => {
  await withServer(async ({ connect, gateway }) => {
    gateway.viewChanges = { role: "leader", nodeId: 1, leaderId: 1, members: MEMBERS };
    const client = await connect();
    const slots = await client.value("CLUSTER", "SLOTS") as [
      number,
      number,
      ...[string, number][],
    ][];
    assertEquals(slots.length, 1);
    const [, , ...nodes] = slots[0];
    assertEquals(nodes.map(([host]) => host), ["10.0.0.1", "10.0.0.2", "10.0.0.3"]);
    const shards = JSON.stringify(await client.value("CLUSTER", "SHARDS"));
    assertStringIncludes(shards, "10.0.0.3");
    assert(!shards.includes("10.0.0.4") && !shards.includes("10.0.0.5"), shards);
    const lines = `${await client.value("CLUSTER", "NODES")}`.trim().split("\n");
    assertEquals(
      lines.map((line) => line.split(" ")[1]),
      [1, 2, 3, 4, 5].map((id) => `10.0.0.${id}:6379@7379`),
    );
    assertStringIncludes(lines[0], "myself,master");
    for (const line of lines.slice(1)) assertStringIncludes(line, " slave ");
    assertStringIncludes(lines[4], " disconnected");
  });
});

Deno.test("INFO raft says how each member stands, what the snapshot covers and what is wrong", async () => {
  await withServer(async ({ connect, gateway }) => {
    gateway.viewChanges = {
      members: MEMBERS,
      snapshotIndex: 70,
      snapshotBytes: 2048,
      snapshotting: true,
      configurationIndex: 60,
      changingMembers: true,
      recovering: true,
      quarantined: "its state differs",
      damagedEntries: 3,
    };
    const client = await connect();
    const info = `${await client.value("INFO", "raft")}`.split("\r\n");
    for (
      const line of [
        "raft_snapshot_index:70",
        "raft_snapshot_bytes:2048",
        "raft_snapshot_in_progress:1",
        "raft_configuration_index:60",
        "raft_changing_members:1",
        "raft_recovering:1",
        "raft_quarantined:its state differs",
        "raft_damaged_entries:3",
        "raft_member3:raft=10.0.0.3:7379,redis=10.0.0.3:6379,standing=learner,connected=1,match=80," +
        "last_contact_ms=",
      ]
    ) assert(info.includes(line), `${line} is not in ${info.join("\n")}`);
    const persistence = `${await client.value("INFO", "persistence")}`;
    assertStringIncludes(persistence, "rdb_bgsave_in_progress:1");
  });
});
