/**
 * The data directory of a start: an earlier start's, a new cluster's, or that of a node that
 * joined.
 */

import { type Logger, NodeId } from "../base/mod.ts";
import type { Settings } from "../config/mod.ts";
import type { Platform } from "../platform/mod.ts";
import { type Configuration, EMPTY_CONFIGURATION, encodeConfiguration } from "../raft/mod.ts";
import { DataDirectory, readIdentity } from "../storage/mod.ts";
import type { Joined } from "./join.ts";
import { bootstrapOf, firstClusterId } from "./wiring.ts";

/** Whether the directory has had a start that told it who it is. */
export async function hasIdentity({ disk }: Platform, { node }: Settings): Promise<boolean> {
  return await readIdentity(disk, node.dataDir) !== undefined;
}

/** The members of a first start: a node that joins is told by the log. */
export function firstMembersOf(settings: Settings): Configuration {
  return settings.raft.join === undefined ? bootstrapOf(settings) : EMPTY_CONFIGURATION;
}

/**
 * Opens it and says whose it is. A node that joined begins with the members that it was told: it
 * knows whom to ask, also when it was removed again before it heard anything. Throws what
 * `DataDirectory` throws.
 */
export async function openDirectory(
  platform: Platform,
  settings: Settings,
  logger: Logger,
  joined: Joined | undefined,
): Promise<DataDirectory> {
  const { node } = settings;
  const configured = node.id === undefined ? () => NodeId(1) : NodeId(node.id);
  const directory = await DataDirectory.open({
    disk: platform.disk,
    path: node.dataDir,
    nodeId: joined?.nodeId ?? configured,
    clusterId: joined?.clusterId ?? (() => firstClusterId(platform.process, settings)),
    bootstrap: joined?.members ?? encodeConfiguration(firstMembersOf(settings)),
    logger,
  });
  const { clusterId, nodeId, incarnation } = directory.identity;
  logger.info("opened the data directory", {
    path: directory.path,
    node: nodeId,
    cluster: clusterId,
    start: incarnation,
  });
  return directory;
}
