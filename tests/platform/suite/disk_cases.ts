/** The disk port: modes, positions, errors, directories, locks. */

import * as fs from "node:fs";
import { assert, assertEquals } from "../../support/assert.ts";
import { type Case, codeOfFailure, firstDifference, pattern } from "./harness.ts";

const MODE_BITS = 0o777;

export const diskCases: readonly Case[] = [
  {
    name: "open: each mode does what it says",
    async run({ platform: { disk }, directory }) {
      const path = `${directory}/file`;
      assertEquals(await codeOfFailure(() => disk.open(path, "readOnly")), "ENOENT");
      assertEquals(await codeOfFailure(() => disk.open(path, "existing")), "ENOENT");
      const made = await disk.open(path, "createNew");
      made.writeSync(new Uint8Array([1, 2, 3]), 0);
      await made.close();
      assertEquals(await codeOfFailure(() => disk.open(path, "createNew")), "EEXIST");
      const again = await disk.open(path, "create");
      assertEquals(await again.size(), 3, "create keeps what is there");
      await again.close();
      const reader = await disk.open(path, "readOnly");
      assertEquals(await codeOfFailure(() => reader.writeSync(new Uint8Array(1), 0)), "EBADF");
      assertEquals(await codeOfFailure(() => reader.write(new Uint8Array(1), 0)), "EBADF");
      await reader.close();
    },
  },
  {
    name: "open: files are private, directories too",
    async run({ platform: { disk }, directory }) {
      await disk.makeDirectory(`${directory}/a/b`);
      await disk.makeDirectory(`${directory}/a/b`);
      await (await disk.open(`${directory}/a/b/file`, "create")).close();
      assertEquals(fs.statSync(`${directory}/a/b/file`).mode & MODE_BITS, 0o600);
      assertEquals(fs.statSync(`${directory}/a`).mode & MODE_BITS, 0o700);
      assertEquals(fs.statSync(`${directory}/a/b`).mode & MODE_BITS, 0o700);
    },
  },
  {
    name: "read and write: by position, with holes, up to the end",
    async run({ platform: { disk }, directory }) {
      const file = await disk.open(`${directory}/file`, "createNew");
      await file.write(new Uint8Array([7, 8, 9]), 5);
      file.writeSync(new Uint8Array([1]), 0);
      const into = new Uint8Array(20).fill(0xee);
      assertEquals(await file.read(into, 0), 8);
      assertEquals([...into.subarray(0, 9)], [1, 0, 0, 0, 0, 7, 8, 9, 0xee]);
      assertEquals(await file.read(into.subarray(0, 2), 6), 2);
      assertEquals([...into.subarray(0, 2)], [8, 9]);
      assertEquals(await file.read(into, 8), 0);
      assertEquals(await file.read(into, 1000), 0);
      await file.truncate(6);
      assertEquals(await file.size(), 6);
      await file.truncate(10);
      assertEquals(await file.read(into, 0), 10);
      assertEquals([...into.subarray(5, 10)], [7, 0, 0, 0, 0]);
      await file.write(new Uint8Array(0), 3);
      assertEquals(await file.size(), 10);
      await file.close();
    },
  },
  {
    name: "read and write: a view writes only its own bytes",
    async run({ platform: { disk }, directory }) {
      const file = await disk.open(`${directory}/file`, "createNew");
      const whole = pattern(1000);
      await file.write(whole.subarray(100, 200), 0);
      file.writeSync(whole.subarray(200, 300), 100);
      const into = new Uint8Array(400).fill(0xee);
      assertEquals(await file.read(into.subarray(50, 350), 0), 200);
      assertEquals(firstDifference(into.subarray(50, 250), whole.subarray(100, 300)), -1);
      assertEquals(into[49], 0xee);
      assertEquals(into[250], 0xee);
      await file.close();
    },
  },
  {
    name: "read and write: 8 MB at once, reads beside writes and syncs",
    async run({ platform: { disk }, directory }) {
      const file = await disk.open(`${directory}/file`, "createNew");
      const bytes = pattern(8_000_003);
      await file.write(bytes, 11);
      const into = new Uint8Array(bytes.length);
      const head = new Uint8Array(100);
      const [all, some] = await Promise.all([
        file.read(into, 11),
        file.read(head, 511),
        file.write(pattern(1000, 3), 9_000_000),
        file.sync(),
      ]);
      assertEquals(all, bytes.length);
      assertEquals(some, 100);
      assertEquals(firstDifference(into, bytes), -1);
      assertEquals(firstDifference(head, bytes.subarray(500, 600)), -1);
      await file.close();
    },
  },
  {
    name: "errors: the codes of the system",
    async run({ platform: { disk }, directory }) {
      fs.writeFileSync(`${directory}/file`, "x");
      assertEquals(await codeOfFailure(() => disk.open(directory, "existing")), "EISDIR");
      assertEquals(
        await codeOfFailure(() => disk.open(`${directory}/file/x`, "create")),
        "ENOTDIR",
      );
      assertEquals(await codeOfFailure(() => disk.readFile(`${directory}/none`)), "ENOENT");
      assertEquals(await codeOfFailure(() => disk.list(`${directory}/none`)), "ENOENT");
      assertEquals(await codeOfFailure(() => disk.remove(`${directory}/none`)), "ENOENT");
      const missing = `${directory}/none`;
      assertEquals(await codeOfFailure(() => disk.rename(missing, `${directory}/b`)), "ENOENT");
      assertEquals(await codeOfFailure(() => disk.makeDirectory(`${directory}/file`)), "EEXIST");
      const file = await disk.open(`${directory}/file`, "existing");
      await file.close();
      assertEquals(await codeOfFailure(() => file.sync()), "EBADF");
    },
  },
  {
    name: "errors: a full disk and a sync that fails",
    async run({ platform: { disk } }) {
      const full = await disk.open("/dev/full", "existing");
      assertEquals(await codeOfFailure(() => full.writeSync(pattern(100), 0)), "ENOSPC");
      assertEquals(await codeOfFailure(() => full.write(pattern(100), 0)), "ENOSPC");
      assertEquals(await codeOfFailure(() => full.sync()), "EINVAL");
      await full.close();
    },
  },
  {
    name: "sync: the event loop goes on",
    async run({ platform: { disk, clock }, directory }) {
      const file = await disk.open(`${directory}/file`, "createNew");
      await file.write(new Uint8Array(16 * 1024 * 1024), 0);
      let turns = 0;
      let done = false;
      const turn = () => {
        turns++;
        if (!done) clock.setImmediate(turn);
      };
      turn();
      await file.sync();
      done = true;
      await file.close();
      assert(turns > 1, "no turn of the event loop during a sync");
    },
  },
  {
    name: "directories: list, stat, rename, remove, sync",
    async run({ platform: { disk }, directory }) {
      fs.writeFileSync(`${directory}/b`, "hello");
      fs.mkdirSync(`${directory}/a`);
      fs.symlinkSync("b", `${directory}/c`);
      assertEquals(
        (await disk.list(directory)).map(({ name, kind }) => `${name} ${kind}`),
        ["a directory", "b file", "c link"],
      );
      assertEquals(await disk.stat(`${directory}/b`), { name: "b", kind: "file", bytes: 5 });
      assertEquals((await disk.stat(`${directory}/c`))?.kind, "link");
      assertEquals(await disk.stat(`${directory}/none`), undefined);
      await disk.rename(`${directory}/b`, `${directory}/d`);
      assertEquals(new TextDecoder().decode(await disk.readFile(`${directory}/d`)), "hello");
      await disk.remove(`${directory}/d`);
      await disk.remove(`${directory}/a`);
      await disk.syncDirectory(directory);
      assertEquals((await disk.list(directory)).map(({ name }) => name), ["c"]);
      assertEquals(await codeOfFailure(() => disk.syncDirectory(`${directory}/none`)), "ENOENT");
      fs.writeFileSync(`${directory}/file`, "x");
      assertEquals(await codeOfFailure(() => disk.syncDirectory(`${directory}/file`)), "ENOTDIR");
    },
  },
  {
    name: "lock: exclusive within the process, free after close",
    async run({ platform: { disk }, directory }) {
      const path = `${directory}/lock`;
      const held = await disk.lock(path);
      assertEquals(await codeOfFailure(() => disk.lock(path)), "ELOCKED");
      assertEquals(await codeOfFailure(() => disk.lock(path)), "ELOCKED");
      await held.close();
      await (await disk.lock(path)).close();
      assertEquals(fs.statSync(path).mode & MODE_BITS, 0o600);
      assertEquals(await codeOfFailure(() => disk.lock(`${directory}/none/lock`)), "ENOENT");
    },
  },
];
