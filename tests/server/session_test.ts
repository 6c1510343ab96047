/** Sessions on real sockets with a fake node: order, limits, login, pauses, ends. */

import { assert, assertEquals, assertMatch } from "../support/assert.ts";
import { member } from "../support/fake_gateway.ts";
import { command } from "../support/resp_client.ts";
import { waitUntil, withServer } from "./support.ts";

Deno.test("ten thousand pipelined commands are answered in order, PING among them", async () => {
  await withServer(async ({ connect }) => {
    const client = await connect();
    const count = 10_000;
    let sent = "";
    let wanted = "";
    let counter = 0;
    for (let i = 0; i < count; i++) {
      if (i % 3 === 0) {
        sent += command("PING", String(i));
        wanted += `$${String(i).length}\r\n${i}\r\n`;
      } else if (i % 3 === 1) {
        sent += command("INCR", "n");
        wanted += `:${++counter}\r\n`;
      } else {
        sent += command("GET", "n");
        wanted += `$${String(counter).length}\r\n${counter}\r\n`;
      }
    }
    const sending = client.send(sent + command("ECHO", "the end"));
    assertEquals(await client.until("the end\r\n"), `${wanted}$7\r\nthe end\r\n`);
    await sending;
  });
});

Deno.test("session commands wait for their turn while the node is slow", async () => {
  await withServer(async ({ connect, gateway }) => {
    const client = await connect();
    gateway.stalled = true;
    await client.send(
      command("INCR", "n") + command("PING") + command("HELLO", "3", "SETNAME", "me") +
        command("HGETALL", "h") + command("CLIENT", "GETNAME") + command("INFO", "keyspace"),
    );
    await waitUntil("two operations at the node", () => gateway.pending === 2);
    gateway.resume();
    assertEquals(await client.replies(2), [":1\r\n", "+PONG\r\n"]);
    assertMatch(await client.reply(), /^%7\r\n\$6\r\nserver/);
    assertEquals(await client.replies(2), ["%0\r\n", "$2\r\nme\r\n"]);
    assertMatch(await client.reply(), /db0:keys=1,/);
  });
});

Deno.test("the protocol of a reply is that of its command, though HELLO has come since", async () => {
  await withServer(async ({ connect, gateway }) => {
    const client = await connect();
    gateway.stalled = true;
    await client.send(command("GET", "none") + command("HELLO", "3") + command("GET", "none"));
    await waitUntil("two operations at the node", () => gateway.pending === 2);
    gateway.resume();
    assertEquals(await client.reply(), "$-1\r\n");
    assertMatch(await client.reply(), /^%7/);
    assertEquals(await client.reply(), "_\r\n");
  });
});

Deno.test("a client has a bounded number of operations at the node, and loses none", async () => {
  await withServer(async ({ connect, gateway }) => {
    const client = await connect();
    gateway.stalled = true;
    const count = 9000;
    const sending = client.send(command("INCR", "n").repeat(count) + command("PING"));
    await waitUntil("the bound", () => gateway.pending === 4096);
    gateway.resume();
    const replies = await client.until("+PONG\r\n");
    await sending;
    assertEquals(replies.split("\r\n").at(-3), `:${count}`);
  });
});

Deno.test("a saturated node is not sent more until it says so", async () => {
  await withServer(async ({ connect, gateway }) => {
    const client = await connect();
    const other = await connect();
    assertEquals(await client.call("SET", "k", "v"), "+OK\r\n");
    gateway.saturated = true;
    await client.send(command("INCR", "n") + command("INCR", "n"));
    await other.send(command("INCR", "m"));
    await waitUntil("both to be read", () => gateway.pending === 0);
    assertEquals(gateway.stores[0].get("n"), undefined);
    gateway.relieve();
    assertEquals(await client.replies(2), [":1\r\n", ":2\r\n"]);
    assertEquals(await other.reply(), ":1\r\n");
  });
});

Deno.test("a client that does not read is closed; the others go on", async () => {
  await withServer(async ({ connect, gateway, server }) => {
    gateway.stores[0].set("big", "x".repeat(1_000_000));
    const slow = await connect();
    const other = await connect();
    const ask = command("GET", "big").repeat(100);
    await slow.send(ask);
    for (let i = 0; i < 200; i++) assertEquals(await other.call("PING"), "+PONG\r\n");
    await waitUntil("the slow client to be closed", () => server.sessions.size === 1);
    assertEquals(server.stats.outputLimitCloses, 1);
    assertEquals(await other.call("INCR", "n"), ":1\r\n");
  }, { outputBytesMax: 20_000_000 });
});

Deno.test("above the soft limit for too long a client is closed too", async () => {
  await withServer(async ({ connect, gateway, server }) => {
    gateway.stores[0].set("big", "x".repeat(1_000_000));
    const slow = await connect();
    await slow.send(command("GET", "big").repeat(20));
    await waitUntil("the slow client to be closed", () => server.sessions.size === 0);
    assertEquals(server.stats.outputLimitCloses, 1);
  }, { outputSoftBytes: 1_000_000, outputSoftMs: 50, assemblyTimeoutMs: 200 });
});

Deno.test("one client too many is told so and closed", async () => {
  await withServer(async ({ connect, server }) => {
    const first = await connect();
    assertEquals(await first.call("PING"), "+PONG\r\n");
    const second = await connect();
    assertEquals(await second.untilClosed(), "-ERR max number of clients reached\r\n");
    assertEquals(server.view().connectionsRejected, 1);
    first.close();
    await waitUntil("the place to be free", () => server.sessions.size === 0);
    assertEquals(await (await connect()).call("PING"), "+PONG\r\n");
  }, { maxClients: 1 });
});

Deno.test("failed logins are answered later and later, and counted", async () => {
  await withServer(async ({ connect, server }) => {
    const client = await connect();
    const wrong = "-WRONGPASS invalid username-password pair or user is disabled.\r\n";
    for (let i = 0; i < 3; i++) assertEquals(await client.call("AUTH", "no"), wrong);
    const startedMs = performance.now();
    assertEquals(await client.call("AUTH", "no"), wrong);
    assert(performance.now() - startedMs >= 45, "the fourth answer came at once");
    assertEquals(server.stats.authFailures, 4);
    assertEquals(await client.call("AUTH", "default", "secret"), "+OK\r\n");
    assertEquals(await client.call("PING"), "+PONG\r\n");
    const hello = await connect();
    assertMatch(await hello.call("HELLO", "3", "AUTH", "default", "secret"), /^%7/);
  }, { password: "secret" });
});

Deno.test("outcomes that are not replies say what may have happened", async () => {
  await withServer(async ({ connect, gateway }) => {
    const client = await connect();
    gateway.failure = { effect: "notApplied", reason: "no leader is known; try again" };
    const refused = "-CLUSTERDOWN The command was not applied: no leader is known; try again\r\n";
    assertEquals(await client.call("SET", "k", "v"), refused);
    await client.send(command("MULTI") + command("SET", "k", "v") + command("EXEC"));
    assertEquals(await client.replies(3), ["+OK\r\n", "+QUEUED\r\n", refused]);
    gateway.failure = {
      effect: "maybeApplied",
      reason: "the leader changed; read before you retry",
    };
    assertMatch(await client.call("SET", "k", "v"), /^-UNCERTAIN The command may or may not have/);
    gateway.failure = undefined;
    assertEquals(await client.call("SET", "k", "v"), "+OK\r\n");
  });
});

Deno.test("with redirects, a follower names the leader for commands with keys", async () => {
  await withServer(async ({ connect, gateway }) => {
    gateway.viewChanges = { role: "follower", leaderId: 2, members: [member(1), member(2)] };
    const client = await connect();
    assertEquals(await client.call("SET", "foo", "v"), "-MOVED 12182 10.0.0.2:6379\r\n");
    assertEquals(await client.call("GET", "{foo}x"), "-MOVED 12182 10.0.0.2:6379\r\n");
    assertEquals(await client.call("READONLY"), "+OK\r\n");
    assertEquals(await client.call("PING"), "+PONG\r\n");
    assertEquals(await client.call("GET", "{foo}x"), "$-1\r\n");
    await client.send(command("MULTI") + command("SET", "foo", "v") + command("EXEC"));
    assertMatch((await client.replies(3))[2], /^-EXECABORT/);
    assertEquals(await client.call("READWRITE"), "+OK\r\n");
    gateway.viewChanges = { role: "follower", leaderId: undefined };
    await waitUntil("the old picture to age", () => gateway.view().leaderId === undefined);
    await new Promise((resolve) => setTimeout(resolve, 20));
    assertMatch(await client.call("GET", "foo"), /^-CLUSTERDOWN/);
  }, { follower: "redirect" });
});

Deno.test("CLIENT PAUSE holds writes, or everything, and keeps their order", async () => {
  await withServer(async ({ connect, gateway }) => {
    const admin = await connect();
    const client = await connect();
    assertEquals(await admin.call("CLIENT", "PAUSE", "60000", "WRITE"), "+OK\r\n");
    await client.send(command("GET", "k") + command("SET", "k", "v") + command("PING"));
    assertEquals(await client.reply(), "$-1\r\n");
    assertEquals(await admin.call("PING"), "+PONG\r\n");
    assertEquals(gateway.stores[0].size, 0);
    assertEquals(await admin.call("CLIENT", "UNPAUSE"), "+OK\r\n");
    assertEquals(await client.replies(2), ["+OK\r\n", "+PONG\r\n"]);
    const startedMs = performance.now();
    assertEquals(await admin.call("CLIENT", "PAUSE", "150", "ALL"), "+OK\r\n");
    assertEquals(await client.call("PING"), "+PONG\r\n");
    assert(performance.now() - startedMs >= 140, "PING did not wait");
  });
});

Deno.test("CLIENT KILL closes the chosen clients, the asking one after its reply", async () => {
  await withServer(async ({ connect, server }) => {
    const admin = await connect();
    const [one, two] = [await connect(), await connect()];
    const id = (await one.call("CLIENT", "ID")).slice(1, -2);
    await two.call("PING");
    assertEquals(await admin.call("CLIENT", "KILL", "ID", id), ":1\r\n");
    assertEquals(await one.untilClosed(), "");
    assertEquals(
      await admin.call("CLIENT", "KILL", `127.0.0.1:${two.localPort}`),
      "+OK\r\n",
    );
    assertEquals(await two.untilClosed(), "");
    await waitUntil("both to go", () => server.sessions.size === 1);
    await admin.send(command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "no"));
    assertEquals(await admin.untilClosed(), ":1\r\n");
  });
});

Deno.test("CLIENT LIST and INFO show what a client has set", async () => {
  await withServer(async ({ connect }) => {
    const client = await connect();
    await client.call("CLIENT", "SETNAME", "worker");
    await client.call("CLIENT", "SETINFO", "LIB-NAME", "ioredis");
    await client.call("CLIENT", "SETINFO", "LIB-VER", "6.0.0");
    await client.call("SELECT", "5");
    const line = await client.value("CLIENT", "INFO") as string;
    for (
      const part of [" name=worker ", " db=5 ", " lib-name=ioredis lib-ver=6.0.0\n", " resp=2 "]
    ) {
      assert(line.includes(part), `${JSON.stringify(part)} is not in ${line}`);
    }
    assert((await client.value("CLIENT", "LIST") as string).includes("cmd=client|list"));
  });
});

Deno.test("WAIT counts members that have the writes, and ends early when told", async () => {
  await withServer(async ({ connect, gateway }) => {
    const client = await connect();
    assertEquals(await client.call("SET", "k", "v"), "+OK\r\n");
    assertEquals(await client.call("WAIT", "1", "0"), ":1\r\n");
    assertEquals(await client.call("WAIT", "2", "20"), ":1\r\n");
    await client.send(command("WAIT", "2", "0") + command("PING"));
    const admin = await connect();
    const id = (await admin.value("CLIENT", "LIST") as string).match(/id=(\d+) .*cmd=wait/)![1];
    assertEquals(await admin.call("CLIENT", "UNBLOCK", id, "ERROR"), ":1\r\n");
    assertEquals(await client.replies(2), [
      "-UNBLOCKED client unblocked via CLIENT UNBLOCK\r\n",
      "+PONG\r\n",
    ]);
    await client.send(command("WAIT", "2", "0"));
    gateway.viewChanges = {
      members: [
        member(1, { matchIndex: 42 }),
        member(2, { matchIndex: 42 }),
        member(3, {
          matchIndex: 42,
        }),
      ],
    };
    assertEquals(await client.reply(), ":2\r\n");
  });
});

Deno.test("a command that does not arrive whole in time ends its connection", async () => {
  await withServer(async ({ connect, server }) => {
    const slow = await connect();
    const idle = await connect();
    assertEquals(await idle.call("PING"), "+PONG\r\n");
    await slow.send("*2\r\n$3\r\nGET\r\n$5\r\nab");
    assertEquals(await slow.untilClosed(), "");
    assertEquals(server.stats.assemblyCloses, 1);
    assertEquals(await idle.call("PING"), "+PONG\r\n");
  }, { assemblyTimeoutMs: 100 });
});

Deno.test("an idle client is closed when a timeout is set", async () => {
  await withServer(async ({ connect, server }) => {
    const client = await connect();
    assertEquals(await client.untilClosed(), "");
    assertEquals(server.stats.idleCloses, 1);
  }, { idleTimeoutMs: 50, assemblyTimeoutMs: 100 });
});

Deno.test("draining answers what is pending, then closes", async () => {
  await withServer(async ({ connect, gateway, server, port }) => {
    const busy = await connect();
    const idle = await connect();
    await idle.call("PING");
    gateway.stalled = true;
    await busy.send(command("INCR", "n"));
    await waitUntil("the operation", () => gateway.pending === 1);
    const drained = server.drainAndClose(5000);
    assertEquals(await idle.untilClosed(), "");
    gateway.resume();
    assertEquals(await busy.untilClosed(), ":1\r\n");
    await drained;
    let refused = false;
    await Deno.connect({ hostname: "127.0.0.1", port }).then((it) => it.close(), () => {
      refused = true;
    });
    assert(refused, "the listener still accepts");
  });
});

Deno.test("a client that has sent all gets every answer before the end, as with printf and nc", async () => {
  await withServer(async ({ connect, gateway }) => {
    const client = await connect();
    gateway.stalled = true;
    await client.send(command("INCR", "n") + command("PING") + command("GET", "n"));
    await client.endInput();
    await waitUntil("two operations at the node", () => gateway.pending === 2);
    gateway.resume();
    assertEquals(await client.untilClosed(), ":1\r\n+PONG\r\n$1\r\n1\r\n");
  });
});
