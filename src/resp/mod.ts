/** RESP2 and RESP3: requests in, replies out. */

export * from "./reply.ts";
export * from "./request.ts";
