/** Seeded histories of operations on keys for the tests of the checker. */

import type { Prng } from "../../src/base/mod.ts";
import type { KeyOperation } from "../support/history.ts";
import { applyToKey, type KeyInput, type KeyOutput } from "../support/key_model.ts";
import { illegal } from "../support/linearizability.ts";

export interface HistoryShape {
  readonly operations: number;
  readonly keys: number;
  readonly processes: number;
  /** How far a call or a return may be from the moment of effect; moments are 1 ms apart. */
  readonly jitterMs: number;
  /** Probability that an operation's outcome is lost; half of those then never take effect. */
  readonly lost: number;
}

/** A history with a legal order by construction: a sequential run whose intervals were widened. */
export function linearizableHistory(random: Prng, shape: HistoryShape): KeyOperation[] {
  const states = new Map<string, string | null>();
  const freeAt = new Array<number>(shape.processes).fill(-Infinity);
  const processIds = freeAt.map((_, index) => index);
  let nextProcess = shape.processes;
  const history: KeyOperation[] = [];
  for (let i = 0; i < shape.operations; i++) {
    const free = freeAt.flatMap((at, process) => at < i ? [process] : []);
    if (free.length === 0) continue;
    const slot = random.pick(free);
    const keyNumber = random.between(0, shape.keys - 1);
    const key = `key${keyNumber}`;
    const input = randomInput(random, keyNumber, `v${i}`);
    const callMs = Math.max(freeAt[slot] + 0.001, i - random.unit() * shape.jitterMs);
    const process = processIds[slot];
    const lost = random.chance(shape.lost);
    if (lost) processIds[slot] = nextProcess++;
    if (lost && random.chance(0.5)) {
      history.push({ process, key, input, output: undefined, callMs, returnMs: Infinity });
      continue;
    }
    const result = applyToKey(states.get(key) ?? null, input);
    if (result === illegal) throw new Error("The generator made an operation of the wrong type");
    states.set(key, result.state);
    if (lost) {
      history.push({ process, key, input, output: undefined, callMs, returnMs: Infinity });
      continue;
    }
    const returnMs = i + random.unit() * shape.jitterMs;
    freeAt[slot] = returnMs;
    history.push({ process, key, input, output: result.output, callMs, returnMs });
  }
  return history;
}

/** Every third key is a counter, every third a list, the others are registers. */
function randomInput(random: Prng, keyNumber: number, fresh: string): KeyInput {
  if (random.chance(0.4)) return { kind: "get" };
  if (random.chance(0.05)) return { kind: "delete" };
  switch (keyNumber % 3) {
    case 0:
      return { kind: "incrBy", by: random.between(1, 3) };
    case 1:
      return { kind: "append", value: fresh };
    default:
      return random.pick<KeyInput>([
        { kind: "set", value: fresh },
        { kind: "set", value: "a" },
        { kind: "setIfAbsent", value: fresh },
        { kind: "getSet", value: fresh },
        { kind: "compareAndSet", expected: "a", value: "b" },
      ]);
  }
}

/** A few operations on one key with arbitrary times and answers: legal or not, as it comes. */
export function arbitraryHistory(random: Prng, size: number): KeyOperation[] {
  const inputs: KeyInput[] = [
    { kind: "get" },
    { kind: "get" },
    { kind: "set", value: "1" },
    { kind: "set", value: "2" },
    { kind: "incrBy", by: 1 },
    { kind: "append", value: "1" },
    { kind: "delete" },
    { kind: "setIfAbsent", value: "1" },
    { kind: "getSet", value: "2" },
    { kind: "compareAndSet", expected: "1", value: "2" },
  ];
  return Array.from({ length: size }, (_, process) => {
    const input = random.pick(inputs);
    const callMs = random.between(0, 8);
    const lost = random.chance(0.15);
    return {
      process,
      key: "key",
      input,
      output: lost ? undefined : randomOutput(random, input),
      callMs,
      returnMs: lost ? Infinity : callMs + random.between(0, 5),
    };
  });
}

function randomOutput(random: Prng, input: KeyInput): KeyOutput {
  switch (input.kind) {
    case "get":
    case "getSet":
      return random.pick([null, "1", "2", "11", "3"]);
    case "set":
      return "OK";
    case "setIfAbsent":
      return random.pick(["OK", null]);
    case "incrBy":
      return random.between(1, 3);
    case "append":
      return random.between(1, 2);
    case "delete":
    case "compareAndSet":
      return random.between(0, 1);
  }
}
