/**
 * Commands with generated arguments: right ones, wrong types, wrong numbers of arguments, extreme
 * numbers, binary values, options in any order and case. One entry a command: a test holds the table
 * complete.
 */

import { bytesFromLatin1, latin1FromBytes, Prng } from "../../src/base/mod.ts";
import { dumpValue, HashValue, stringValue } from "../../src/keyspace/mod.ts";

/** Draws arguments; everything follows from the seed. */
export class Draw {
  readonly random: Prng;
  constructor(seed: number) {
    this.random = new Prng(seed);
  }

  /** One of few keys, so that commands meet each other's values. */
  key(): string {
    return this.random.pick(KEYS);
  }

  field(): string {
    return this.random.chance(0.1) ? this.value() : this.random.pick(FIELDS);
  }

  value(): string {
    const random = this.random;
    if (random.chance(0.3)) return random.pick(INTEGERS);
    if (random.chance(0.2)) return random.pick(FLOATS);
    if (random.chance(0.2)) return String(random.between(-100000, 100000));
    return this.bytes(random.pick([0, 1, 3, 20, 21, 44, 45, 63, 64, 65, 300, 1024, 1025, 5000]));
  }

  bytes(length: number): string {
    let text = "";
    const wide = this.random.chance(0.3);
    for (let i = 0; i < length; i++) {
      text += String.fromCharCode(wide ? this.random.between(0, 255) : this.random.between(97, 99));
    }
    return text;
  }

  integer(): string {
    const random = this.random;
    return random.chance(0.5) ? String(random.between(-20, 20)) : random.pick(INTEGERS);
  }

  float(): string {
    return this.random.chance(0.3) ? this.integer() : this.random.pick(FLOATS);
  }

  /** An index of a database, mostly one that exists. */
  database(): string {
    return this.random.chance(0.8) ? String(this.random.between(0, 3)) : this.integer();
  }

  /** Seconds to live that do not end during a run, or nonsense. */
  seconds(): string {
    return this.random.chance(0.85)
      ? String(this.random.between(1000, 1_000_000_000))
      : this.random.pick(TIMES);
  }

  milliseconds(): string {
    return this.random.chance(0.85)
      ? String(this.random.between(1_000_000, 900_000_000_000))
      : this.random.pick(TIMES);
  }

  /** Seconds since 1970, far ahead or long past. */
  atSeconds(): string {
    const random = this.random;
    if (random.chance(0.2)) return random.pick(TIMES);
    return String(random.chance(0.2) ? random.between(1, 1_600_000_000) : random.between(4e9, 8e9));
  }

  atMilliseconds(): string {
    const random = this.random;
    if (random.chance(0.2)) return random.pick(TIMES);
    return String(random.chance(0.2) ? random.between(1, 1.6e12) : random.between(4e12, 8e12));
  }

  /** What DUMP gives for a drawn value, now and then damaged or of a later version. */
  payload(): string {
    const bytes = dumpValue(this.random.chance(0.5) ? stringValue(this.#raw()) : this.#hash());
    if (this.random.chance(0.15)) bytes[this.random.between(0, bytes.length - 1)] ^= 1;
    const text = latin1FromBytes(bytes);
    return this.random.chance(0.05) ? text.slice(0, this.random.between(0, 12)) : text;
  }

  #raw(): Uint8Array {
    return bytesFromLatin1(this.value());
  }

  #hash(): HashValue {
    const hash = new HashValue();
    const fields = this.random.chance(0.1) ? 600 : this.random.between(1, 5);
    for (let i = 0; i < fields; i++) {
      hash.set(i < 4 ? this.field() : `field:${i}`, stringValue(this.#raw()));
    }
    return hash;
  }

  /** Any case of a word. */
  cased(word: string): string {
    const random = this.random;
    return random.pick([
      word,
      word.toUpperCase(),
      [...word].map((letter) => random.chance(0.5) ? letter.toUpperCase() : letter).join(""),
    ]);
  }

  /** Up to `most` of the given groups of arguments, in any order, sometimes one twice. */
  some(groups: readonly (() => string[])[], most: number): string[] {
    const chosen: string[] = [];
    for (let i = this.random.between(0, most); i > 0; i--) {
      const [word, ...rest] = this.random.pick(groups)();
      chosen.push(this.cased(word), ...rest);
    }
    return chosen;
  }

  many(least: number, most: number, one: () => string[]): string[] {
    return Array.from({ length: this.random.between(least, most) }, one).flat();
  }
}

const KEYS = [
  "a",
  "b",
  "c",
  "user:1",
  "user:2",
  "key with blank",
  "",
  "\0\r\n\xff",
  "{tag}x",
  "counter",
  "h1",
  "h2",
];
const FIELDS = ["f", "g", "h", "name", "", "\xfe\0", "1", "12345678901234567890"];
export const INTEGERS = [
  "0",
  "1",
  "-1",
  "10",
  "9999",
  "10000",
  "9007199254740991",
  "9007199254740992",
  "-9007199254740993",
  "9223372036854775807",
  "9223372036854775806",
  "-9223372036854775808",
  "-9223372036854775807",
  "9223372036854775808",
  "-9223372036854775809",
  "18446744073709551616",
  "9223372036854775",
  "9223372036854776",
  "2147483648",
  "-2147483649",
  "4294967295",
  " 1",
  "1 ",
  "01",
  "+1",
  "-0",
  "1e3",
  "",
  "-",
  "abc",
  "1\0",
];
/** Without times to live that end during a run: when they do differs between the two sides. */
const TIMES = INTEGERS.filter((text) => !/^[1-9]\d{0,8}$/.test(text));
export const FLOATS = [
  "0.1",
  "0.2",
  "-0.3",
  "3.14159265358979312",
  "1e20",
  "1e300",
  "-1e300",
  "1e-18",
  "5e-18",
  "1e4932",
  "-1.18e4932",
  "1e4933",
  "1e-4950",
  "1e-4951",
  "1e-5000",
  "0x10",
  "0x1.8p3",
  "-0X.8P-1",
  "inf",
  "-Inf",
  "infinity",
  "nan",
  "1.",
  ".5",
  ".",
  "1e",
  "1e+",
  " 1.5",
  "1.5 ",
  "1,5",
  "-0.0",
  "9007199254740993",
  "123456789012345678901234567890",
  "0.00000000000000000501",
];

type Generate = (draw: Draw) => string[];

const oneKey: Generate = (d) => [d.key()];
const slot = (d: Draw) => d.random.chance(0.7) ? String(d.random.between(0, 16_383)) : d.integer();
const keys: Generate = (d) => d.many(1, 4, () => [d.key()]);
const pairs: Generate = (d) => d.many(1, 4, () => [d.key(), d.value()]);
const conditions = (d: Draw) => d.some([...CONDITIONS], 2);
const SORTING = [
  ["asc"],
  ["desc"],
  ["alpha"],
  ["limit", "0", "10"],
  ["limit", "x", "1"],
  ["limit", "1"],
  ["by", "w_*"],
  ["by"],
  ["get", "#"],
  ["get", "store"],
].map((words) => () => words);
const CONDITIONS = ["nx", "xx", "gt", "lt", "foo", "N\rX"].map((word) => () => [word]);

/** Arguments behind the name, for every data command; subcommands under `object|encoding`. */
export const GENERATORS: Record<string, Generate> = {
  append: (d) => [d.key(), d.value()],
  decr: oneKey,
  decrby: (d) => [d.key(), d.integer()],
  get: oneKey,
  getdel: oneKey,
  getex: (d) => [
    d.key(),
    ...d.some([
      () => ["ex", d.seconds()],
      () => ["px", d.milliseconds()],
      () => ["exat", d.atSeconds()],
      () => ["pxat", d.atMilliseconds()],
      () => ["persist"],
      () => ["nx"],
      () => ["ex"],
    ], 2),
  ],
  getrange: (d) => [d.key(), d.integer(), d.integer()],
  getset: (d) => [d.key(), d.value()],
  incr: oneKey,
  incrby: (d) => [d.key(), d.integer()],
  incrbyfloat: (d) => [d.key(), d.float()],
  lcs: (d) => [
    d.key(),
    d.key(),
    ...d.some([
      () => ["idx"],
      () => ["len"],
      () => ["withmatchlen"],
      () => ["minmatchlen", d.integer()],
    ], 3),
  ],
  mget: keys,
  mset: pairs,
  msetnx: pairs,
  psetex: (d) => [d.key(), d.milliseconds(), d.value()],
  set: (d) => [
    d.key(),
    d.value(),
    ...d.some([
      () => ["nx"],
      () => ["xx"],
      () => ["get"],
      () => ["keepttl"],
      () => ["ex", d.seconds()],
      () => ["px", d.milliseconds()],
      () => ["exat", d.atSeconds()],
      () => ["pxat", d.atMilliseconds()],
      () => ["persist"],
      () => ["nx\0x"],
    ], 3),
  ],
  setex: (d) => [d.key(), d.seconds(), d.value()],
  setnx: (d) => [d.key(), d.value()],
  setrange: (d) => [
    d.key(),
    d.random.chance(0.7) ? String(d.random.between(0, 3000)) : d.random.pick(INTEGERS),
    d.value(),
  ],
  strlen: oneKey,
  substr: (d) => [d.key(), d.integer(), d.integer()],

  copy: (d) => [
    d.key(),
    d.key(),
    ...d.some([() => ["replace"], () => ["db", d.database()], () => ["db"]], 2),
  ],
  del: keys,
  dump: oneKey,
  exists: keys,
  expire: (d) => [d.key(), d.seconds(), ...conditions(d)],
  expireat: (d) => [d.key(), d.atSeconds(), ...conditions(d)],
  expiretime: oneKey,
  keys: (d) => [d.random.pick(["*", "?", "user:*", "[a-c]", "*\\*", "", "k*blank", "[^a]*", "**"])],
  move: (d) => [d.key(), d.database()],
  object: (d) => d.many(0, 3, () => [d.key()]),
  "object|encoding": oneKey,
  "object|freq": oneKey,
  "object|help": () => [],
  "object|idletime": oneKey,
  "object|refcount": oneKey,
  persist: oneKey,
  pexpire: (d) => [d.key(), d.milliseconds(), ...conditions(d)],
  pexpireat: (d) => [d.key(), d.atMilliseconds(), ...conditions(d)],
  pexpiretime: oneKey,
  pttl: oneKey,
  randomkey: () => [],
  rename: (d) => [d.key(), d.key()],
  renamenx: (d) => [d.key(), d.key()],
  restore: (d) => [
    d.key(),
    d.random.chance(0.5) ? "0" : d.milliseconds(),
    d.payload(),
    ...d.some([
      () => ["replace"],
      () => ["replace"],
      () => ["absttl"],
      () => ["idletime", d.integer()],
      () => ["freq", d.integer()],
      () => ["freq"],
    ], 3),
  ],
  // Not TYPE none: Redis 7.0 answers it with the expired keys that it is about to remove.
  scan: (d) => [
    d.random.pick(["0", "0", "0", "", "+0", "abc", " 0", "18446744073709551616", "-x"]),
    ...d.some([
      () => ["match", d.random.pick(["*", "user*", "[ab]"])],
      () => ["count", d.random.pick(["1000", "1000", "0", "-1", "x", "9223372036854775808"])],
      () => ["type", d.random.pick(["string", "HASH", "zset", "x"])],
      () => ["type"],
    ], 3),
  ],
  sort: (d) => [d.key(), ...d.some([...SORTING, () => ["store", d.key()], () => ["store"]], 3)],
  sort_ro: (d) => [d.key(), ...d.some([...SORTING, () => ["store", d.key()]], 2)],
  touch: keys,
  ttl: oneKey,
  type: oneKey,
  unlink: keys,

  dbsize: () => [],
  cluster: () => ["nope"],
  "cluster|countkeysinslot": (d) => [slot(d)],
  "cluster|getkeysinslot": (d) => [slot(d), d.random.pick(["0", "1", "3", "1000", "-1", "x"])],
  debug: () => ["nope"],
  "debug|digest": () => [],
  flushall: (d) => d.some([() => ["async"], () => ["sync"], () => ["foo"]], 2),
  flushdb: (d) => d.some([() => ["async"], () => ["sync"], () => ["foo"]], 2),
  swapdb: (d) => [d.database(), d.database()],

  hdel: (d) => [d.key(), ...d.many(1, 3, () => [d.field()])],
  hexists: (d) => [d.key(), d.field()],
  hget: (d) => [d.key(), d.field()],
  hgetall: oneKey,
  hincrby: (d) => [d.key(), d.field(), d.integer()],
  hincrbyfloat: (d) => [d.key(), d.field(), d.float()],
  hkeys: oneKey,
  hlen: oneKey,
  hmget: (d) => [d.key(), ...d.many(1, 3, () => [d.field()])],
  hmset: (d) => [d.key(), ...d.many(1, 4, () => [d.field(), d.value()])],
  hrandfield: (d) => [
    d.key(),
    ...d.random.chance(0.3) ? [] : [
      d.random.pick(["0", "1", "3", "-3", "-50", "1000", "-9223372036854775808", "x"]),
      ...d.some([() => ["withvalues"], () => ["values"]], 2),
    ],
  ],
  hscan: (d) => [
    d.key(),
    d.random.pick(["0", "0", "", "abc"]),
    ...d.some([
      () => ["match", d.random.pick(["*", "[fg]", "n*"])],
      () => ["count", d.random.pick(["1000", "0", "x"])],
      () => ["type", "hash"],
    ], 2),
  ],
  hset: (d) => [d.key(), ...d.many(1, 4, () => [d.field(), d.value()])],
  hsetnx: (d) => [d.key(), d.field(), d.value()],
  hstrlen: (d) => [d.key(), d.field()],
  hvals: oneKey,
};

/** Commands that would empty what the others built: drawn less often. */
const DESTRUCTIVE = new Set(["flushall", "flushdb", "swapdb"]);
/** Redis refuses DEBUG and, alone, CLUSTER; DIGEST has a form of its own. */
const DRAWN = Object.keys(GENERATORS).filter((name) => !/^(cluster|debug)\b/.test(name));

/** One command: name and arguments, now and then with an argument too many or too few. */
export function drawCommand(draw: Draw, names: readonly string[] = DRAWN): string[] {
  let name = draw.random.pick(names);
  if (DESTRUCTIVE.has(name) && draw.random.chance(0.9)) name = draw.random.pick(names);
  const parts = [
    ...name.split("|").map((word) => draw.cased(word)),
    ...GENERATORS[name](draw),
  ];
  if (draw.random.chance(0.03)) parts.push(draw.value());
  if (draw.random.chance(0.03) && parts.length > 1) parts.pop();
  return parts;
}

/** Writes whose keys end at once; the caller waits before it goes on. */
export function drawShortLived(draw: Draw): string[] {
  const key = draw.key();
  return draw.random.pick([
    ["SET", key, draw.value(), "PX", "1"],
    ["PSETEX", key, "1", draw.value()],
    ["PEXPIRE", key, "1"],
    ["GETEX", key, "PX", "1"],
  ]);
}
