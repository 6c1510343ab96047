/** What a chaos scenario is. */

import type { Prng } from "../../src/base/mod.ts";

/** What a scenario gets from the run. */
export interface ScenarioContext {
  /** Decides all random choices of this scenario, its load included; not what the machine does. */
  readonly random: Prng;
  readonly seed: number;
  /** Whether the long form is wanted: more rounds and longer faults. */
  readonly long: boolean;
  /** The network namespace that the run is in. */
  readonly hub: string;
  /** Tells something that was measured. */
  note(text: string): void;
}

export interface Scenario {
  /** As in the list of fault tests, with a letter for the second one of a number: `E9`, `E3b`. */
  readonly name: string;
  /** What goes wrong and what is expected. */
  readonly title: string;
  /** Whether it is part of the run of a minute. */
  readonly quick?: boolean;
  /** Throws when something is not as expected. */
  run(context: ScenarioContext): Promise<void>;
}
