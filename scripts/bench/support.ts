/** What the benchmark shares with the end-to-end tests. */

export { Cluster } from "../../tests/support/cluster.ts";
export { freePorts } from "../../tests/support/ports.ts";
export { executablePath, ServerProcess } from "../../tests/support/server_process.ts";
export { pause, until } from "../../tests/support/wait.ts";
export { encodeCommand, WireClient, WireError } from "../../tests/support/wire_client.ts";
