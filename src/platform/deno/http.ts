import type { Http } from "../ports.ts";
export const denoHttp: Http = {
  // deno-lint-ignore require-await -- errors must reject
  async serve({ hostname, port, fetch }) {
    const server = Deno.serve({ hostname, port, onListen() {} }, fetch);
    const addr = server.addr as Deno.NetAddr;
    return { hostname: addr.hostname, port: addr.port, close: () => server.shutdown() };
  },
};
