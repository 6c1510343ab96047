/** The contract of the ports, as cases that run on any runtime. */

import { clockCases } from "./clock_cases.ts";
import { diskCases } from "./disk_cases.ts";
import type { Case } from "./harness.ts";
import { httpCases } from "./http_cases.ts";
import { netCases } from "./net_cases.ts";

export type { Case, CaseContext } from "./harness.ts";
export { withDirectory } from "./harness.ts";

export const contractCases: readonly Case[] = [
  ...clockCases,
  ...diskCases,
  ...netCases,
  ...httpCases,
];
