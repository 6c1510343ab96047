/** The Redis listener's counters in the shape of the metrics. */

import type { ListenerStats } from "../admin/mod.ts";
import type { RedisServer } from "../server/mod.ts";

export function listenerStatsOf(server: RedisServer): ListenerStats {
  const { stats } = server;
  const view = server.view();
  const commandsByFamily = new Map<string, number>();
  for (const { group, calls } of view.commands) {
    commandsByFamily.set(group, (commandsByFamily.get(group) ?? 0) + calls);
  }
  return {
    connectedClients: view.clients,
    connectionsReceived: view.connectionsReceived,
    connectionsRejected: view.connectionsRejected,
    inputBytes: view.inputBytes,
    outputBytes: view.outputBytes,
    protocolErrors: view.protocolErrors,
    authFailures: view.authFailures,
    outputLimitCloses: view.outputLimitCloses,
    idleCloses: stats.idleCloses,
    assemblyCloses: stats.assemblyCloses,
    errorsByCode: stats.errorsByCode,
    commandsByFamily,
  };
}
