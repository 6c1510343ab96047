/** HTTP on Bun: the shared server on `node:http`. */

export { nodeHttp } from "../http_server.ts";
