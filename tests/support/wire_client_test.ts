import { assertEquals, assertRejects } from "./assert.ts";
import { arrivals } from "./codec_cases.ts";
import { ConnectionLost, encodeCommand, WireClient, WireError } from "./wire_client.ts";

/** Replies of every type, and what the client makes of them. */
const stream =
  "+OK\r\n-ERR no\r\n:-7\r\n$-1\r\n$4\r\na\r\nb\r\n*-1\r\n*2\r\n:1\r\n*1\r\n$0\r\n\r\n" +
  "_\r\n,2.5\r\n,inf\r\n#t\r\n(12345678901234567890\r\n!5\r\nERR x\r\n=6\r\ntxt:hi\r\n" +
  "~1\r\n+a\r\n%1\r\n+k\r\n:1\r\n>2\r\n+message\r\n+hello\r\n+end\r\n";
const replies = [
  "OK",
  new WireError("ERR no"),
  -7,
  null,
  "a\r\nb",
  null,
  [1, [""]],
  null,
  2.5,
  Infinity,
  true,
  12345678901234567890n,
  new WireError("ERR x"),
  "hi",
  ["a"],
  new Map([["k", 1]]),
  "end",
];

/** A server for one connection that says `chunks` and then closes. */
function speaker(chunks: readonly Uint8Array[]): { port: number; done: Promise<void> } {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const speak = async () => {
    const connection = await listener.accept();
    connection.setNoDelay(true);
    for (const chunk of chunks) await connection.write(chunk);
    connection.close();
    listener.close();
  };
  return { port: listener.addr.port, done: speak() };
}

Deno.test("wire client reads every type of reply, in whatever pieces it comes", async () => {
  const bytes = new TextEncoder().encode(stream);
  for (const { name, chunks } of arrivals(bytes)) {
    const { port, done } = speaker(chunks);
    const client = await WireClient.connect(port);
    const received = await Promise.all(replies.map(() => client.nextReply()));
    assertEquals(received as unknown[], replies as unknown[], name);
    assertEquals(client.pushes, [["message", "hello"]], name);
    await done;
    client.close();
    await client.closed;
  }
});

Deno.test("wire client rejects what was not answered when the connection ends", async () => {
  const { port, done } = speaker([new TextEncoder().encode("+OK\r\n$5\r\nhal")]);
  const client = await WireClient.connect(port);
  const [first, second] = [client.nextReply(), client.nextReply()];
  assertEquals(await first, "OK");
  await assertRejects(() => second, ConnectionLost, "closed by the server");
  await assertRejects(() => client.command("PING"), ConnectionLost);
  await done;
});

Deno.test("wire client sends arrays of bulk strings", () => {
  assertEquals(encodeCommand(["SET", "k", 12]), "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$2\r\n12\r\n");
});
