/** RESP2 and RESP3: requests in, replies out. */

export * from "./decode.ts";
export * from "./decoder.ts";
export * from "./encode.ts";
export * from "./reply.ts";
export * from "./request.ts";
export * from "./request_keeper.ts";
