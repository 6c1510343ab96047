/** Every route of the admin endpoint, without a socket. */

import { assert, assertEquals, assertMatch, assertStringIncludes } from "../support/assert.ts";
import {
  ADMIN_ROUTES,
  adminApp,
  type AdminDeps,
  clusterSchema,
  statusSchema,
  waitingApp,
} from "../../src/admin/mod.ts";
import { fakeNode, view } from "./support.ts";

const BASE = "http://localhost:8379";

async function ask(deps: AdminDeps, path: string, init: RequestInit = {}) {
  const headers = new Headers(init.headers);
  if (!headers.has("host")) headers.set("host", "localhost:8379");
  const response = await adminApp(deps).request(`${BASE}${path}`, { ...init, headers });
  const text = await response.text();
  return { status: response.status, headers: response.headers, text };
}

function post(body?: string, headers: Record<string, string> = {}): RequestInit {
  return { method: "POST", body, headers: { "content-type": "application/json", ...headers } };
}

Deno.test("/healthz says that the process answers, ready or not", async () => {
  const deps = fakeNode({ view: () => ({ ...view, ready: false }) });
  const { status, text } = await ask(deps, "/healthz");
  assertEquals([status, JSON.parse(text)], [200, { ok: true }]);
});

Deno.test("/readyz says yes, or 503 and why not", async () => {
  assertEquals((await ask(fakeNode(), "/readyz")).status, 200);
  const notReady = { ...view, ready: false, notReadyReason: "no leader is known" };
  const { status, text } = await ask(fakeNode({ view: () => notReady }), "/readyz");
  assertEquals([status, JSON.parse(text)], [
    503,
    { ready: false, reason: "no leader is known" },
  ]);
});

Deno.test("/api/v1/status is the view in its documented shape", async () => {
  const { status, text } = await ask(fakeNode(), "/api/v1/status");
  assertEquals(status, 200);
  const answer = JSON.parse(text);
  assertEquals(statusSchema.parse(answer), answer, "a field is not in the schema");
  assertEquals([answer.nodeId, answer.role, answer.leaderId, answer.version], [
    1,
    "leader",
    1,
    "1.2.3",
  ]);
  assertEquals(answer.members[0].lastContactMs, null);
  const lost = { ...view, leaderId: undefined, role: "candidate" as const };
  assertEquals(
    JSON.parse((await ask(fakeNode({ view: () => lost }), "/api/v1/status")).text).leaderId,
    null,
  );
});

Deno.test("/ is a page that loads nothing and lets no member's address become markup", async () => {
  const { status, headers, text } = await ask(fakeNode(), "/");
  assertEquals(status, 200);
  assertMatch(headers.get("content-type") ?? "", /^text\/html/);
  assertStringIncludes(text, "Logboat node 1");
  assertStringIncludes(text, "10 entries");
  for (
    const shown of [
      "voter, leads",
      "gets a snapshot: 25 of 100 bytes",
      "up to entry 70, 2048 bytes; another is being taken",
      "as of entry 60",
    ]
  ) assertStringIncludes(text, shown);
  const troubled = {
    ...view,
    quarantined: "its state differs",
    recovering: true,
    damagedEntries: 2,
  };
  const page = (await ask(fakeNode({ view: () => troubled }), "/")).text;
  for (const shown of ["its state differs", "votes for nobody", "2 wait for a peer"]) {
    assertStringIncludes(page, shown);
  }
  assert(!text.includes("<script"), "an address became a script");
  assertStringIncludes(text, "&#60;script&#62;");
  assert(!/(src|href)="(?!\/)/.test(text), "the page loads something from elsewhere");
  assertStringIncludes(headers.get("content-security-policy") ?? "", "default-src 'none'");
});

Deno.test("every answer forbids caching, sniffing and framing", async () => {
  for (const path of [...ADMIN_ROUTES.map((route) => route.path), "/nowhere"]) {
    const { headers } = await ask(fakeNode(), path);
    assertEquals(headers.get("cache-control"), "no-store", path);
    assertEquals(headers.get("x-content-type-options"), "nosniff", path);
    assertEquals(headers.get("x-frame-options"), "DENY", path);
    assertEquals(headers.get("access-control-allow-origin"), null, path);
  }
});

Deno.test("transfer: to a node, to the best one, refused", async () => {
  const deps = fakeNode();
  assertEquals((await ask(deps, "/api/v1/transfer", post('{"to":3}'))).text, '{"leaderId":3}');
  assertEquals((await ask(deps, "/api/v1/transfer", post("{}"))).status, 200);
  assertEquals((await ask(deps, "/api/v1/transfer", { method: "POST" })).status, 200);
  assertEquals(deps.transfers, [3, undefined, undefined]);
  const outcome = { kind: "refused", reason: "node 3 is not a member" } as const;
  const refused = await ask(fakeNode({ outcome }), "/api/v1/transfer", post('{"to":3}'));
  assertEquals([refused.status, JSON.parse(refused.text)], [
    409,
    { error: "Cannot transfer leadership: node 3 is not a member" },
  ]);
});

Deno.test("transfer: bodies that are refused before anything is done", async () => {
  const deps = fakeNode();
  for (const body of ["{", "[]", "null", '{"to":0}', '{"to":"2"}', '{"to":1.5}', '{"too":2}']) {
    assertEquals((await ask(deps, "/api/v1/transfer", post(body))).status, 400, body);
  }
  const form = post("to=2", { "content-type": "application/x-www-form-urlencoded" });
  assertEquals((await ask(deps, "/api/v1/transfer", form)).status, 415);
  const long = await ask(deps, "/api/v1/transfer", post(`{"to":${" ".repeat(5000)}2}`));
  assertEquals(long.status, 413);
  assertEquals(deps.transfers, []);
});

Deno.test("a client that goes while it sends its body is no bug, and nothing is done", async () => {
  const deps = fakeNode();
  let sent = false;
  const body = new ReadableStream<Uint8Array>({
    pull(controller) {
      if (sent) return controller.error(new Error("aborted"));
      sent = true;
      controller.enqueue(new TextEncoder().encode("{"));
    },
  });
  assertEquals((await ask(deps, "/api/v1/transfer", { ...post(), body })).status, 400);
  assertEquals([deps.bugs, deps.transfers], [[], []]);
});

Deno.test("/api/v1/cluster is the members with their standing and how far they are", async () => {
  const answer = JSON.parse((await ask(fakeNode(), "/api/v1/cluster")).text);
  assertEquals(clusterSchema.parse(answer), answer, "a field is not in the schema");
  const [, second] = answer.members;
  assertEquals([second.standing, second.leads, second.lagEntries], ["voter", false, 10]);
  const followers = view.members.map((member) => ({ ...member, matchIndex: undefined }));
  const other = fakeNode({ view: () => ({ ...view, members: followers, leaderId: 3 }) });
  const seen = JSON.parse((await ask(other, "/api/v1/cluster")).text);
  assertEquals(seen.members.map((each: { lagEntries: unknown }) => each.lagEntries), [
    null,
    null,
    null,
  ]);
  assertEquals(seen.members[2].leads, true);
});

Deno.test("members: add, remove, promote and demote reach the node as they were asked", async () => {
  const deps = fakeNode();
  const body = '{"raftAddress":"10.0.0.4:7379","redisAddress":"10.0.0.4:6379"}';
  const added = await ask(deps, "/api/v1/members", post(body));
  assertEquals([added.status, JSON.parse(added.text)], [200, { id: 4, text: "done so" }]);
  const full = body.replace("}", ',"as":"voter","id":9,"replaces":2}');
  assertEquals((await ask(deps, "/api/v1/members", post(full))).status, 200);
  assertEquals((await ask(deps, "/api/v1/members/3", { method: "DELETE" })).status, 200);
  assertEquals((await ask(deps, "/api/v1/members/3/move", post(body))).status, 200);
  assertEquals((await ask(deps, "/api/v1/members/3/promote", { method: "POST" })).status, 200);
  assertEquals((await ask(deps, "/api/v1/members/3/demote", { method: "POST" })).status, 200);
  const [raftAddress, redisAddress] = ["10.0.0.4:7379", "10.0.0.4:6379"];
  assertEquals(deps.changes, [
    { kind: "add", raftAddress, redisAddress, as: "voter" },
    { kind: "add", raftAddress, redisAddress, as: "voter", id: 9, replaces: 2 },
    { kind: "remove", id: 3 },
    { kind: "move", id: 3, raftAddress, redisAddress },
    { kind: "promote", id: 3 },
    { kind: "demote", id: 3 },
  ]);
});

Deno.test("members: refused is 409, not known is 504, nonsense 400 before anything is done", async () => {
  const remove = { method: "DELETE" };
  for (const [kind, status] of [["refused", 409], ["unknown", 504]] as const) {
    const deps = fakeNode({ change: { kind, text: "Cannot remove node 3: why" } });
    const answer = await ask(deps, "/api/v1/members/3", remove);
    assertEquals([answer.status, JSON.parse(answer.text)], [
      status,
      { error: "Cannot remove node 3: why" },
    ]);
  }
  const deps = fakeNode();
  for (const id of ["0", "-1", "x", "1.5", "12345678901"]) {
    assertEquals((await ask(deps, `/api/v1/members/${id}`, remove)).status, 400, id);
  }
  const addresses = ["a", "a:b", "0.0.0.0:7379", "10.0.0.4:0", "", 7];
  for (const raftAddress of addresses) {
    const body = JSON.stringify({ raftAddress, redisAddress: "10.0.0.4:6379" });
    assertEquals((await ask(deps, "/api/v1/members", post(body))).status, 400, body);
  }
  assertEquals((await ask(deps, "/api/v1/members", post('{"as":"boss"}'))).status, 400);
  assertEquals((await ask(deps, "/api/v1/members/x/move", post("{}"))).status, 400);
  assertEquals((await ask(deps, "/api/v1/members/3/move", post("{}"))).status, 400);
  assertEquals(deps.changes, []);
});

Deno.test("snapshot: what it covers, or why there is none", async () => {
  const done = await ask(fakeNode(), "/api/v1/snapshot", { method: "POST" });
  assertEquals([done.status, JSON.parse(done.text)], [200, { index: 94, bytes: 2048 }]);
  const snapshot = { kind: "refused", text: "why" } as const;
  const refused = await ask(fakeNode({ snapshot }), "/api/v1/snapshot", { method: "POST" });
  assertEquals([refused.status, JSON.parse(refused.text)], [409, {
    error: "Cannot take a snapshot: why",
  }]);
});

Deno.test("backup: the file with its index; refused; left early", async () => {
  const { status, headers, text } = await ask(fakeNode(), "/api/v1/backup");
  assertEquals([status, text, headers.get("x-logboat-index")], [200, "RDB", "94"]);
  const backup = { kind: "refused", text: "why" } as const;
  const refused = await ask(fakeNode({ backup }), "/api/v1/backup");
  assertEquals([refused.status, JSON.parse(refused.text)], [409, { error: "Cannot back up: why" }]);

  let asked = 0;
  let left = false;
  async function* endless() {
    try {
      for (;; asked++) yield await Promise.resolve(new Uint8Array(10));
    } finally {
      left = true;
    }
  }
  const started = { kind: "started", index: 1, chunks: endless() } as const;
  const response = await adminApp(fakeNode({ backup: started })).request(`${BASE}/api/v1/backup`, {
    headers: { host: "localhost" },
  });
  const reader = response.body!.getReader();
  await reader.read();
  await reader.cancel();
  assertEquals([left, asked <= 2], [true, true], `the walk went on: ${asked} pieces`);
});

Deno.test("before there is a node: alive, not ready and why, everything else 503 or denied", async () => {
  const app = waitingApp({ token: "s3cret", hostname: "10.0.0.1" }, () => "joining: no answer yet");
  const get = async (path: string, headers: Record<string, string> = {}) => {
    const response = await app.request(`${BASE}${path}`, { headers: { host: "x", ...headers } });
    assertEquals(response.headers.get("cache-control"), "no-store", path);
    return [response.status, JSON.parse(await response.text())];
  };
  assertEquals(await get("/healthz"), [200, { ok: true }]);
  assertEquals(await get("/readyz"), [503, { ready: false, reason: "joining: no answer yet" }]);
  assertEquals((await get("/api/v1/status"))[0], 401);
  const answer = await get("/api/v1/status", { authorization: "Bearer s3cret" });
  assertEquals(answer, [503, { error: "Cannot answer yet: joining: no answer yet" }]);
});

Deno.test("unknown paths and wrong methods are JSON errors that say what is there", async () => {
  const missing = await ask(fakeNode(), "/nowhere");
  assertEquals(missing.status, 404);
  assertStringIncludes(JSON.parse(missing.text).error, "/api/v1/status");
  const wrong = await ask(fakeNode(), "/api/v1/transfer");
  assertEquals([wrong.status, wrong.headers.get("allow")], [405, "POST"]);
  assertEquals((await ask(fakeNode(), "/metrics", { method: "DELETE" })).status, 405);
  const member = await ask(fakeNode(), "/api/v1/members/3", { method: "POST" });
  assertEquals([member.status, member.headers.get("allow")], [405, "DELETE"]);
  assertEquals((await ask(fakeNode(), "/api/v1/members/3/eject", { method: "POST" })).status, 404);
});

Deno.test("with a token, only health and readiness are open", async () => {
  const deps = fakeNode({ token: "s3cret", hostname: "10.0.0.1" });
  for (const { path: pattern, method } of ADMIN_ROUTES) {
    const path = pattern.replace("{id}", "3");
    const open = path === "/healthz" || path === "/readyz";
    for (
      const authorization of [undefined, "Bearer wrong", "Bearer s3cre", "Basic s3cret", "s3cret"]
    ) {
      const headers = authorization === undefined ? undefined : { authorization };
      const { status, headers: answered } = await ask(deps, path, { method, headers });
      assertEquals(status, open ? 200 : 401, `${path} ${authorization}`);
      if (!open) assertMatch(answered.get("www-authenticate") ?? "", /^Bearer/);
    }
    const right = { authorization: "bearer s3cret", host: "any.example.org" };
    const wanted = path === "/api/v1/members" || path.endsWith("/move") ? 400 : 200;
    assertEquals((await ask(deps, path, { method, headers: right })).status, wanted, path);
  }
  assertEquals(deps.transfers, [undefined]);
  assertEquals(deps.changes.map(({ kind }) => kind), ["remove", "promote", "demote"]);
});

Deno.test("a browser may give the token as its password, to look and not to act", async () => {
  const deps = fakeNode({ token: "a:b\u00e9", hostname: "10.0.0.1" });
  const basic = (pair: string) => {
    const bytes = new TextEncoder().encode(pair);
    return `Basic ${btoa(String.fromCharCode(...bytes))}`;
  };
  const accept = "text/html,application/xhtml+xml,*/*;q=0.8";
  const asked = await ask(deps, "/", { headers: { accept } });
  assertEquals(asked.status, 401);
  assertMatch(asked.headers.get("www-authenticate") ?? "", /^Basic realm="logboat"/);
  for (const { path: pattern, method } of ADMIN_ROUTES) {
    const path = pattern.replace("{id}", "3");
    if (path === "/healthz" || path === "/readyz") continue;
    const right = { authorization: basic("anyone:a:b\u00e9"), accept };
    const looks = method === "GET";
    const { status, headers } = await ask(deps, path, { method, headers: right });
    assertEquals(status, looks ? 200 : 401, path);
    if (!looks) assertMatch(headers.get("www-authenticate") ?? "", /^Bearer/);
    for (const wrong of [basic("a:b\u00e9"), basic("x"), basic(":"), "Basic !!", "Basic"]) {
      const authorization = wrong;
      assertEquals((await ask(deps, path, { method, headers: { authorization } })).status, 401);
    }
    const foreign = { ...right, "sec-fetch-site": "cross-site" };
    assertEquals((await ask(deps, path, { method, headers: foreign })).status, 403, path);
  }
  assertEquals(deps.transfers, []);
});

Deno.test("without a token, a host that is not this machine is refused (DNS rebinding)", async () => {
  const deps = fakeNode();
  for (const host of ["localhost:8379", "127.0.0.1:8379", "[::1]:8379", "LOCALHOST", "127.0.0.1"]) {
    assertEquals((await ask(deps, "/metrics", { headers: { host } })).status, 200, host);
  }
  for (
    const host of ["evil.example:8379", "localhost.evil.example", "127.0.0.1.evil.example", ""]
  ) {
    const { status, text } = await ask(deps, "/metrics", { headers: { host } });
    assertEquals(status, 403, host);
    assertStringIncludes(JSON.parse(text).error, "admin.token");
    assertEquals((await ask(deps, "/api/v1/transfer", post("{}", { host }))).status, 403);
  }
  assertEquals(deps.transfers, []);
});

Deno.test("a page of another site is refused, token or not", async () => {
  for (const token of ["", "t"]) {
    const deps = fakeNode({ token });
    const authorization = "Bearer t";
    const pages: Record<string, string>[] = [
      { origin: "http://evil.example", authorization },
      { origin: "null", authorization },
      { origin: "http://localhost:9999", authorization },
      { "sec-fetch-site": "cross-site", authorization },
      { "sec-fetch-site": "same-site", authorization },
    ];
    for (const headers of pages) {
      assertEquals((await ask(deps, "/api/v1/transfer", post("{}", headers))).status, 403);
    }
    assertEquals(deps.transfers, []);
    const own = { origin: "http://localhost:8379", "sec-fetch-site": "same-origin", authorization };
    assertEquals((await ask(deps, "/api/v1/transfer", post("{}", own))).status, 200);
  }
});

Deno.test("a handler that throws is a bug: reported, answered without details", async () => {
  const bug = new Error("secret detail");
  const deps = fakeNode({
    view: () => {
      throw bug;
    },
  });
  const { status, text } = await ask(deps, "/api/v1/status");
  assertEquals(status, 500);
  assert(!text.includes("secret detail"));
  assertEquals(deps.bugs, [bug]);
});
