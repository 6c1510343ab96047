/** The standard library's assertions with types. */
// @ts-types="./assert.d.ts"
export * from "@std/assert";
