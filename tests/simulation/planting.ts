/** How a bug is planted: something else takes the place of a method until it is taken away again. */

import { Raft, type RaftEvent, type Ready, type StepResult } from "../../src/raft/mod.ts";
import type { FaultClass } from "./plan.ts";

export interface Canary {
  readonly name: string;
  readonly seeds: number;
  /** Classes of faults without which the bug does not show. */
  readonly needs?: readonly FaultClass[];
  /** No other classes are on: they would end what the bug needs. */
  readonly alone?: boolean;
  /** Plants the bug; returns how to take it away. */
  readonly plant: () => () => void;
}

/** Puts `method` in the place of the one of that name until the returned function is called. */
export function patch<T extends object, K extends keyof T>(
  target: T,
  name: K,
  replace: (original: T[K]) => T[K],
): () => void {
  const original = target[name];
  target[name] = replace(original);
  return () => target[name] = original;
}

/** As `patch`, for what is read only. */
export function patchGetter<T extends object, K extends keyof T>(
  target: T,
  name: K,
  change: (value: T[K]) => T[K],
): () => void {
  const original = Object.getOwnPropertyDescriptor(target, name)!;
  const get = original.get!;
  Object.defineProperty(target, name, {
    ...original,
    get(this: T) {
      return change(get.call(this));
    },
  });
  return () => Object.defineProperty(target, name, original);
}

/** A `takeReady` that changes what the core hands out. */
export function patchReady(change: (raft: Raft, ready: Ready) => Ready): () => void {
  return patch(Raft.prototype, "takeReady", (take) =>
    function (this: Raft) {
      return change(this, take.call(this));
    });
}

export type Step = (this: Raft, event: RaftEvent) => StepResult;

export function patchStep(
  replace: (raft: Raft, event: RaftEvent, step: Step) => StepResult,
): () => void {
  return patch(Raft.prototype, "step", (step) =>
    function (this: Raft, event: RaftEvent) {
      return replace(this, event, step);
    });
}
