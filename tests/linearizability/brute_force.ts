/** The definition of linearizability, tried out on every order: the dumb twin of the checker. */

import { illegal, type Model, type Operation, type State } from "../support/linearizability.ts";

/** Only for a few operations: the work grows with the factorial of their number. */
export function isLinearizableByBruteForce<Input, Output>(
  model: Model<Input, Output>,
  operations: readonly Operation<Input, Output>[],
): boolean {
  return search(model, operations, operations.map((_, index) => index), model.initial);
}

function search<Input, Output>(
  model: Model<Input, Output>,
  operations: readonly Operation<Input, Output>[],
  left: readonly number[],
  state: State,
): boolean {
  if (left.every((index) => operations[index].returnMs === Infinity)) return true;
  for (const candidate of left) {
    const operation = operations[candidate];
    const precededByAnother = left.some((other) =>
      other !== candidate && operations[other].returnMs < operation.callMs
    );
    if (precededByAnother) continue;
    const after = model.step(state, operation.input, operation.output);
    if (after === illegal) continue;
    if (search(model, operations, left.filter((index) => index !== candidate), after)) return true;
  }
  return false;
}
