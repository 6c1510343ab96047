/** Planted bugs of releases side by side. */

import { FeatureLevel } from "../../src/node/feature_level.ts";
import { type Canary, patch } from "./planting.ts";

export const RELEASE_CANARIES: readonly Canary[] = [
  {
    name: "the feature level rises without asking what others support",
    seeds: 10,
    needs: ["mixedVersions"],
    plant: () => patch(FeatureLevel.prototype, "supportedBy", () => () => Infinity),
  },
  {
    name: "a node goes on with more than its release supports",
    seeds: 200,
    needs: ["mixedVersions"],
    plant: () => patch(FeatureLevel.prototype, "check", () => () => {}),
  },
];
