/** The admin endpoint: health, metrics, status, actions. */

export { ADMIN_ROUTES, adminApp } from "./app.ts";
export type { AdminDeps, ListenerStats, ProcessStats } from "./deps.ts";
export { AdminMetrics } from "./metrics.ts";
export { type Status, statusSchema } from "./status.ts";
