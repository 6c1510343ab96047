/**
 * Free loopback ports for child processes, which cannot be handed a bound socket. Between the probe
 * and the use another process may take one: who starts a server tries again with others.
 */

/** Below the range that Linux hands out for outgoing connections (32768 and up). */
const firstPort = 15_000;
const lastPort = 32_000;

/** `count` different ports that nobody listens on at this moment. */
export function freePorts(count: number): number[] {
  const probes: Deno.Listener[] = [];
  const ports: number[] = [];
  try {
    for (let tries = 0; ports.length < count; tries++) {
      if (tries > 1000) throw new Error(`Cannot find ${count} free ports: found ${ports.length}`);
      const port = firstPort + Math.floor(Math.random() * (lastPort - firstPort));
      try {
        probes.push(Deno.listen({ hostname: "127.0.0.1", port }));
        ports.push(port);
      } catch (error) {
        if (!(error instanceof Deno.errors.AddrInUse)) throw error;
      }
    }
  } finally {
    for (const probe of probes) probe.close();
  }
  return ports;
}
