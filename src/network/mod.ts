/** How nodes reach each other: the `RaftNetwork` interface and its TCP implementation. */

export * from "./join.ts";
export { joinCluster, type JoinOptions, type JoinPlatform } from "./join_client.ts";
export { DEFAULT_NETWORK_LIMITS, type NetworkLimits } from "./limits.ts";
export {
  isBulkKind,
  MESSAGE_KINDS,
  messageFrameBytes,
  readMessage,
  writeMessage,
} from "./message_codec.ts";
export * from "./raft_network.ts";
export type { RefusalCode } from "./refusal.ts";
export {
  type NetworkPlatform,
  TcpRaftNetwork,
  type TcpRaftNetworkOptions,
} from "./tcp_raft_network.ts";
