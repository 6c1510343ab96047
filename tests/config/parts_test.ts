/** The small parts: addresses, sizes, nearest words, lines of a file, the seed of a cluster. */

import fc from "fast-check";
import { assert, assertEquals, assertNotEquals } from "../support/assert.ts";
import {
  editDistance,
  formatBytes,
  formatHostPort,
  initialClusterSeed,
  isLoopback,
  nearest,
  parseBytes,
  parseFlags,
  parseHostPort,
} from "../../src/config/mod.ts";
import { tomlLines } from "../../src/config/toml_lines.ts";
import { loaded } from "./support.ts";

Deno.test("addresses are read and written back", () => {
  assertEquals(parseHostPort("127.0.0.1:6379"), { hostname: "127.0.0.1", port: 6379 });
  assertEquals(parseHostPort("[::1]:0"), { hostname: "::1", port: 0 });
  assertEquals(parseHostPort("node-1.example.org:65535")?.port, 65_535);
  for (const text of ["127.0.0.1:6379", "[fe80::1%eth0]:1", "a:1"]) {
    assertEquals(formatHostPort(parseHostPort(text)!), text);
  }
  const bad = ["", "a", ":1", "a:", "a:65536", "a:-1", "a:1x", "::1:80", "[::1]", "[]:1", "[a]:1"];
  for (const text of [...bad, "a b:1", "redis://a:1", "user@a:1", "a:1\n", "a:123456"]) {
    assertEquals(parseHostPort(text), undefined, JSON.stringify(text));
  }
});

Deno.test("only loopback names are loopback", () => {
  for (const host of ["127.0.0.1", "127.9.9.9", "localhost", "LocalHost", "::1"]) {
    assert(isLoopback(host), host);
  }
  const others = ["0.0.0.0", "::", "10.0.0.1", "127.0.0.1.example.org", "localhost.example.org"];
  for (const host of [...others, "1127.0.0.1", "::2", "*"]) assert(!isLoopback(host), host);
});

Deno.test("sizes are powers of 1024", () => {
  assertEquals(["0", "7", "1kb", "2 MB", "3Gb", "5b"].map(parseBytes), [
    0,
    7,
    1024,
    2_097_152,
    3_221_225_472,
    5,
  ]);
  for (const text of ["", "-1", "1.5mb", "mb", "1tb", "1 m", "999999999999999gb"]) {
    assertEquals(parseBytes(text), undefined, text);
  }
  assertEquals([5, 1536, 67_108_864, 2 ** 30].map(formatBytes), [
    "5 bytes",
    "1.5 KiB",
    "64 MiB",
    "1 GiB",
  ]);
});

Deno.test("edit distance is a distance", () => {
  const word = fc.string({ maxLength: 8 });
  fc.assert(fc.property(word, word, (a, b) => {
    const distance = editDistance(a, b);
    assertEquals(distance, editDistance(b, a));
    assertEquals(distance === 0, a.toLowerCase() === b.toLowerCase());
    const longer = Math.max(a.toLowerCase().length, b.toLowerCase().length);
    assert(distance <= longer, `${distance} > ${longer}`);
  }));
  assertEquals(editDistance("listen", "lisetn"), 1);
  assertEquals(editDistance("kitten", "sitting"), 3);
});

Deno.test("nearest suggests what is close and nothing far-fetched", () => {
  assertEquals(nearest("serv", ["serve", "demo"]), "serve");
  assertEquals(nearest("zzzzzzzz", ["serve", "demo"]), undefined);
  assertEquals(nearest("x".repeat(100_000), ["serve"]), undefined);
  assertEquals(nearest("serve", []), undefined);
});

Deno.test("flags of the caller, help, words and the end of flags", () => {
  const flags = parseFlags(["--nodes", "5", "dir", "-h", "--", "--node-id"], {
    settings: true,
    own: ["nodes"],
  });
  assertEquals(flags.own.get("nodes"), "5");
  assertEquals(flags.settings.size, 0);
  assertEquals(flags.help, true);
  assertEquals(flags.words, ["dir", "--node-id"]);
  assertEquals(flags.problems, []);
  const strict = parseFlags(["--node-id", "5"], { settings: false, own: ["token"] });
  assertEquals(strict.problems.length, 1);
  assertEquals(parseFlags(["--config", "x"], { settings: true, own: [] }).configFile, "x");
});

Deno.test("lines of a file: tables, lists of tables, arrays over lines, strings with brackets", () => {
  const { lines, repeated } = tomlLines(
    'top = 1\n[a] # note\nb = [\n  "x]", # [\n  2,\n]\nc = "["\r\n[[a.d]]\ne = 1\n[[a.d]]\ne = 2\n' +
      "[f]\n[a]\nc = 3\n",
  );
  assertEquals(Object.fromEntries(lines), {
    "top": 1,
    "a": 2,
    "a.b": 3,
    "a.c": 7,
    "a.d.0": 8,
    "a.d.0.e": 9,
    "a.d.1": 10,
    "a.d.1.e": 11,
    "f": 12,
  });
  assertEquals(repeated, [{ path: "a", line: 13 }, { path: "a.c", line: 14 }]);
});

Deno.test("members configured alike derive the same seed, in any order; others do not", () => {
  const seed = (...peers: string[]) => {
    const args = peers.flatMap((peer) => ["--raft-peer", peer]);
    return initialClusterSeed(loaded({ args: ["--node-id", "1", ...args] }).settings);
  };
  const both = seed("1=a:1,a:2", "2=b:1,b:2");
  assertEquals(seed("2=b:1,b:2", "1=a:1,a:2"), both);
  assertEquals(seed("2=b:1,b:9", "1=a:1,a:2"), both, "Redis addresses do not matter");
  assertNotEquals(seed("1=a:1,a:2"), both);
  assertNotEquals(seed("1=a:1,a:2", "2=b:2,b:3"), both);
  assertNotEquals(seed("1=a:1,a:2", "3=b:1,b:2"), both);
  assertEquals(seed(), undefined);
});
