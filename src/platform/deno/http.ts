/** HTTP on Deno: the shared server on `node:http`. */

export { nodeHttp as denoHttp } from "../http_server.ts";
