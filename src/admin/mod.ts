/** The admin endpoint: health, metrics, status, actions. */

export { adminApp } from "./app.ts";
export { clusterSchema, type ClusterStatus } from "./cluster.ts";
export type { AdminDeps, ListenerStats, ProcessStats } from "./deps.ts";
export { AdminMetrics } from "./metrics.ts";
export { ADMIN_ROUTES, type AdminRoute } from "./routes.ts";
export { type Status, statusSchema } from "./status.ts";
export { waitingApp } from "./waiting.ts";
