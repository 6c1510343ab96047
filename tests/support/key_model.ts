/**
 * One Redis string key as a sequential object: register, counter, swap and append-only list in one,
 * as the commands of Redis define them. Missing is `null`.
 */

import { anything, illegal, type Model, type State } from "./linearizability.ts";

/** Values are text; replies are what the command answers, integers as numbers. */
export type KeyInput =
  | { readonly kind: "get" }
  | { readonly kind: "set"; readonly value: string }
  | { readonly kind: "setIfAbsent"; readonly value: string }
  | { readonly kind: "getSet"; readonly value: string }
  | { readonly kind: "compareAndSet"; readonly expected: string; readonly value: string }
  | { readonly kind: "incrBy"; readonly by: number }
  | { readonly kind: "append"; readonly value: string }
  | { readonly kind: "delete" };

export type KeyOutput = string | number | null;

/** Whether the operation leaves every state as it is. */
export function isRead(input: KeyInput): boolean {
  return input.kind === "get";
}

/** What `input` answers in `state`, and the state after it; `illegal` for an error of type. */
export function applyToKey(
  state: string | null,
  input: KeyInput,
): { readonly output: KeyOutput; readonly state: string | null } | typeof illegal {
  switch (input.kind) {
    case "get":
      return { output: state, state };
    case "set":
      return { output: "OK", state: input.value };
    case "setIfAbsent":
      return state === null ? { output: "OK", state: input.value } : { output: null, state };
    case "getSet":
      return { output: state, state: input.value };
    case "compareAndSet":
      return state === input.expected ? { output: 1, state: input.value } : { output: 0, state };
    case "incrBy": {
      const before = state === null ? 0 : Number(state);
      if (!Number.isSafeInteger(before)) return illegal;
      return { output: before + input.by, state: String(before + input.by) };
    }
    case "append": {
      const after = (state ?? "") + input.value;
      return { output: after.length, state: after };
    }
    case "delete":
      return { output: state === null ? 0 : 1, state: null };
  }
}

/** For `checkObject`. */
export const keyModel: Model<KeyInput, KeyOutput> = {
  initial: null,
  step(state: State, input: KeyInput, output: KeyOutput | undefined): State | typeof illegal {
    const result = applyToKey(state as string | null, input);
    if (result === illegal) return output === undefined ? state : illegal;
    return output === undefined || output === result.output ? result.state : illegal;
  },
  keeps(input: KeyInput, output: KeyOutput): boolean {
    if (input.kind === "setIfAbsent") return output === null;
    if (input.kind === "compareAndSet" || input.kind === "delete") return output === 0;
    return isRead(input);
  },
  needs(input: KeyInput, output: KeyOutput | undefined): State | undefined {
    if (output === undefined) return undefined;
    switch (input.kind) {
      case "get":
      case "getSet":
        return output;
      case "setIfAbsent":
        return output === "OK" ? null : undefined;
      case "compareAndSet":
        return output === 1 ? input.expected : undefined;
      case "delete":
        return output === 0 ? null : undefined;
      default:
        return undefined;
    }
  },
  makes(input: KeyInput, output: KeyOutput | undefined): State | typeof anything | undefined {
    if (output !== undefined && keyModel.keeps(input, output)) return undefined;
    switch (input.kind) {
      case "get":
        return undefined;
      case "delete":
        return null;
      case "incrBy":
      case "append":
        return anything;
      default:
        return input.value;
    }
  },
};
