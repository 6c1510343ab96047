import { ByteWriter, latin1FromBytes, Prng } from "../../src/base/mod.ts";
import {
  encodeReply,
  formatDouble,
  NULL_ARRAY,
  OK,
  PONG,
  type Reply,
  RespBoolean,
  RespDouble,
  RespError,
  RespMap,
  RespPairs,
  RespPush,
  RespSet,
  RespVerbatim,
  type RespVersion,
  SimpleString,
} from "../../src/resp/mod.ts";
import { assertEquals } from "../support/assert.ts";

function encoded(reply: Reply, version: RespVersion): string {
  const writer = new ByteWriter(1);
  encodeReply(writer, reply, version);
  return latin1FromBytes(writer.view());
}

const LONG = "long ".repeat(50);
const LONG_HIGH = "\xff\x80\x00".repeat(60);

const CASES: readonly [reply: Reply, resp2: string, resp3: string][] = [
  [OK, "+OK\r\n", "+OK\r\n"],
  [PONG, "+PONG\r\n", "+PONG\r\n"],
  [new SimpleString("a\r\nb"), "+a  b\r\n", "+a  b\r\n"],
  [new RespError("ERR a\r\nb"), "-ERR a  b\r\n", "-ERR a  b\r\n"],
  [0, ":0\r\n", ":0\r\n"],
  [9, ":9\r\n", ":9\r\n"],
  [10, ":10\r\n", ":10\r\n"],
  [-1, ":-1\r\n", ":-1\r\n"],
  [1_073_741_823, ":1073741823\r\n", ":1073741823\r\n"],
  [9_007_199_254_740_991, ":9007199254740991\r\n", ":9007199254740991\r\n"],
  [-(2n ** 63n), ":-9223372036854775808\r\n", ":-9223372036854775808\r\n"],
  ["", "$0\r\n\r\n", "$0\r\n\r\n"],
  ["a\r\n\x00\xff", "$5\r\na\r\n\x00\xff\r\n", "$5\r\na\r\n\x00\xff\r\n"],
  [LONG, `$250\r\n${LONG}\r\n`, `$250\r\n${LONG}\r\n`],
  [LONG_HIGH, `$180\r\n${LONG_HIGH}\r\n`, `$180\r\n${LONG_HIGH}\r\n`],
  [new Uint8Array([0, 255]), "$2\r\n\x00\xff\r\n", "$2\r\n\x00\xff\r\n"],
  [null, "$-1\r\n", "_\r\n"],
  [NULL_ARRAY, "*-1\r\n", "_\r\n"],
  [[], "*0\r\n", "*0\r\n"],
  [[1, ["a"], null], "*3\r\n:1\r\n*1\r\n$1\r\na\r\n$-1\r\n", "*3\r\n:1\r\n*1\r\n$1\r\na\r\n_\r\n"],
  [new RespMap(["a", 1]), "*2\r\n$1\r\na\r\n:1\r\n", "%1\r\n$1\r\na\r\n:1\r\n"],
  [new RespSet(["a"]), "*1\r\n$1\r\na\r\n", "~1\r\n$1\r\na\r\n"],
  [
    new RespPairs(["a", 1, "b", 2]),
    "*4\r\n$1\r\na\r\n:1\r\n$1\r\nb\r\n:2\r\n",
    "*2\r\n*2\r\n$1\r\na\r\n:1\r\n*2\r\n$1\r\nb\r\n:2\r\n",
  ],
  [new RespDouble(1.5), "$3\r\n1.5\r\n", ",1.5\r\n"],
  [new RespDouble(-Infinity), "$4\r\n-inf\r\n", ",-inf\r\n"],
  [new RespBoolean(true), ":1\r\n", "#t\r\n"],
  [new RespBoolean(false), ":0\r\n", "#f\r\n"],
  [new RespVerbatim("text"), "$4\r\ntext\r\n", "=8\r\ntxt:text\r\n"],
  [new RespVerbatim("# a", "mkd"), "$3\r\n# a\r\n", "=7\r\nmkd:# a\r\n"],
  [new RespPush(["a"]), "*1\r\n$1\r\na\r\n", ">1\r\n$1\r\na\r\n"],
];

Deno.test("each reply has the form of RESP2 and of RESP3", () => {
  for (const [reply, resp2, resp3] of CASES) {
    assertEquals(encoded(reply, 2), resp2);
    assertEquals(encoded(reply, 3), resp3);
  }
});

Deno.test("replies are appended behind what the buffer holds", () => {
  const writer = new ByteWriter(3);
  for (const [reply] of CASES) encodeReply(writer, reply, 3);
  assertEquals(latin1FromBytes(writer.view()), CASES.map(([, , resp3]) => resp3).join(""));
});

Deno.test("lengths and integers of every number of digits", () => {
  for (let digits = 1; digits <= 16; digits++) {
    for (const value of [10 ** (digits - 1), 10 ** digits - 1].filter(Number.isSafeInteger)) {
      assertEquals(encoded(value, 2), `:${value}\r\n`);
      if (digits <= 6) {
        assertEquals(encoded("x".repeat(value), 2).slice(0, digits + 3), `$${value}\r\n`);
      }
    }
  }
});

/** `%.17g` as C prints it, through awk, which counts in doubles. */
async function printed(values: readonly number[]): Promise<string[]> {
  const program = '{ printf "%.17g\\n", $1 + 0 }';
  const child = new Deno.Command("awk", { args: [program], stdin: "piped", stdout: "piped" })
    .spawn();
  const writer = child.stdin.getWriter();
  await writer.write(new TextEncoder().encode(values.map((it) => `${it}\n`).join("")));
  await writer.close();
  const { stdout } = await child.output();
  return new TextDecoder().decode(stdout).trim().split("\n");
}

Deno.test("doubles look as C's %.17g prints them", async () => {
  const seed = 17;
  const random = new Prng(seed);
  const values = [0.1, 0.2, 0.1 + 0.2, 5.1, 1e-7, 1e-4, 0.00001234, 1e16, 1e17, 1e20, 1.5e300];
  values.push(5e-324, 1.7976931348623157e308, 123456789.125, 9007199254740993, -2.5, 3, -0.5);
  values.push(1125899906842624.25, 1125899906842624.75, 4503599627370497.5, 0.000030517578125);
  const view = new DataView(new ArrayBuffer(8));
  for (let i = 0; i < 2000; i++) {
    view.setUint32(0, random.u32());
    view.setUint32(4, random.u32());
    const value = view.getFloat64(0);
    if (Number.isFinite(value)) values.push(value);
  }
  const wanted = await printed(values);
  for (let i = 0; i < values.length; i++) {
    assertEquals(formatDouble(values[i]), wanted[i], `seed ${seed}, value ${values[i]}`);
  }
  assertEquals(["nan", "-0", "inf"], [formatDouble(NaN), formatDouble(-0), formatDouble(Infinity)]);
});
