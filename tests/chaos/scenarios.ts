/** The table of all chaos scenarios. */

import { badLinks } from "./bad_links.ts";
import { clocks } from "./clocks.ts";
import { crashPoints } from "./crash_points.ts";
import { crashes } from "./crashes.ts";
import { damages } from "./damage.ts";
import { disks } from "./disks.ts";
import { existingTests } from "./existing_tests.ts";
import { fullDisks } from "./full_disks.ts";
import { hostilePorts } from "./hostile_ports.ts";
import { limits } from "./limits.ts";
import { lostFiles } from "./lost_files.ts";
import { memberships } from "./membership.ts";
import { partitions } from "./partitions.ts";
import { pauses } from "./pauses.ts";
import { restarts } from "./restarts.ts";
import type { Scenario } from "./scenario.ts";
import { snapshots } from "./snapshots.ts";
import { transferring } from "./transfers.ts";

export const scenarios: readonly Scenario[] = [
  ...crashes,
  ...crashPoints,
  ...pauses,
  ...partitions,
  ...badLinks,
  ...disks,
  ...fullDisks,
  ...damages,
  ...lostFiles,
  ...clocks,
  ...limits,
  ...hostilePorts,
  ...snapshots,
  ...memberships,
  ...transferring,
  ...restarts,
  ...existingTests,
];
