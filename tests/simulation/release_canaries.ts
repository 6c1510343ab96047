/** Planted bugs of releases side by side, and of connections that break. */

import { FeatureLevel } from "../../src/node/feature_level.ts";
import { LaneQueue } from "../../src/node/lane.ts";
import { type Canary, patch } from "./planting.ts";

export const RELEASE_CANARIES: readonly Canary[] = [
  {
    name: "the feature level rises without asking what others support",
    seeds: 40,
    needs: ["mixedVersions"],
    plant: () => patch(FeatureLevel.prototype, "supportedBy", () => () => Infinity),
  },
  {
    name: "a node goes on with more than its release supports",
    seeds: 200,
    needs: ["mixedVersions"],
    plant: () => patch(FeatureLevel.prototype, "check", () => () => {}),
  },
  {
    name: "a connection is answered after its end",
    seeds: 10,
    needs: ["clientLinks"],
    plant: () => patch(LaneQueue.prototype, "close", () => () => {}),
  },
];
