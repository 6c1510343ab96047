/** Ports to the runtime; the adapters are chosen by `main.ts` alone. */

export * from "./ports.ts";
