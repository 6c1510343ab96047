/**
 * A network for each node: a namespace with a veth pair to every other node and one to the hub, the
 * namespace that the test itself runs in. Every member has one Raft address that all use; the route
 * decides what becomes of a packet from one member to another, so that a link can be changed in one
 * direction while connections are open, without a word to either end.
 *
 * Addresses: member i is 10.77.0.i for members and 10.78.0.i for clients, the hub is 10.78.0.254.
 * They mean nothing outside, so that runs do not meet. Needs root, and the program `ip`.
 */

import type { NodePlacement } from "../support/cluster.ts";

/**
 * What becomes of packets from one member to another. `direct`: they arrive. `lost`: they vanish in
 * silence, connections that are open included. `proxied`: connections end at the hub, where a
 * `LinkProxy` must listen; only for connections that are made later.
 */
export type PathMode = "direct" | "lost" | "proxied";

export const HUB_ADDRESS = "10.78.0.254";

export function raftAddress(id: number): string {
  return `10.77.0.${id}`;
}

export function clientAddress(id: number): string {
  return `10.78.0.${id}`;
}

/** The member that connects to the hub from this address. */
export function memberOfClientAddress(address: string): number {
  return Number(address.split(".")[3]);
}

export class Namespaces {
  /** The name of the namespace that this process is in; those of the nodes begin with it. */
  readonly #hub: string;
  readonly ids: readonly number[];

  private constructor(hub: string, ids: readonly number[]) {
    this.#hub = hub;
    this.ids = ids;
  }

  /** Makes the namespaces of the nodes and connects all of them directly. */
  static async make(hub: string, nodes: number): Promise<Namespaces> {
    const ids = Array.from({ length: nodes }, (_, i) => i + 1);
    const made = new Namespaces(hub, ids);
    await made.remove();
    for (const id of ids) await run("ip", ["netns", "add", made.#name(id)]);
    await ipBatch(undefined, [
      "link set lo up",
      `addr replace ${HUB_ADDRESS}/32 dev lo`,
      ...ids.flatMap((id) => made.#hubLinks(id)),
    ]);
    for (const id of ids) await ipBatch(made.#name(id), made.#innerLinks(id));
    for (const id of ids) {
      const others = ids.filter((other) => other !== id);
      await ipBatch(made.#name(id), [
        // A pair was made by its lower end, so that all links are there only now.
        ...others.map((other) => `link set ${linkTo(other)} up`),
        ...others.map((other) => made.#route(id, other, "direct")),
      ]);
    }
    return made;
  }

  /** The option of a cluster that puts each node into its namespace. */
  placement(id: number): NodePlacement {
    return {
      clientHost: clientAddress(id),
      raftHost: raftAddress(id),
      wrapper: ["ip", "netns", "exec", this.#name(id)],
    };
  }

  /** Changes the way from one member to another; the way back stays as it is. */
  async setPath(from: number, to: number, mode: PathMode): Promise<void> {
    await ipBatch(this.#name(from), [this.#route(from, to, mode)]);
  }

  /** Changes both ways between each of `some` and each other member. */
  async setAround(some: readonly number[], mode: PathMode): Promise<void> {
    for (const from of this.ids) {
      const routes = this.ids
        .filter((to) => to !== from && some.includes(from) !== some.includes(to))
        .map((to) => this.#route(from, to, mode));
      if (routes.length > 0) await ipBatch(this.#name(from), routes);
    }
  }

  async setAll(mode: PathMode): Promise<void> {
    for (const from of this.ids) {
      const others = this.ids.filter((to) => to !== from);
      await ipBatch(this.#name(from), others.map((to) => this.#route(from, to, mode)));
    }
  }

  /** Packets of a member that were lost so far. */
  async lostPackets(from: number): Promise<number> {
    const text = await run("ip", ["-n", this.#name(from), "-s", "-j", "link", "show", "void"]);
    return JSON.parse(text)[0].stats64.tx.packets;
  }

  /** Removes the namespaces of all nodes; nothing of them may run any more. */
  async remove(): Promise<void> {
    // A namespace goes away some time after its removal; what is left in the hub must go now.
    const links = this.ids.flatMap((id) => [`link del hub${id}`, `link del void${id}`]);
    await ipBatch(undefined, links, { mayFail: true });
    for (const id of this.ids) {
      await new Deno.Command("ip", {
        args: ["netns", "del", this.#name(id)],
        stderr: "null",
      }).output();
    }
    await ipBatch(
      undefined,
      this.ids.map((id) => `addr del ${raftAddress(id)}/32 dev lo`),
      { mayFail: true },
    );
  }

  #name(id: number): string {
    return `${this.#hub}-${id}`;
  }

  /** The hub's ends, and its addresses for the proxies. */
  #hubLinks(id: number): string[] {
    return [
      `link add name hub${id} type veth peer name hub netns ${this.#name(id)}`,
      // Packets to here are for nobody: without ARP they carry an address that is not the end's.
      `link add name void${id} type veth peer name void netns ${this.#name(id)}`,
      `link set hub${id} up`,
      `link set void${id} up`,
      `addr add ${raftAddress(id)}/32 dev lo`,
      `route add ${clientAddress(id)}/32 dev hub${id} src ${HUB_ADDRESS}`,
    ];
  }

  #innerLinks(id: number): string[] {
    return [
      "link set lo up",
      "link set hub up",
      "link set void arp off up",
      `addr add ${raftAddress(id)}/32 dev lo`,
      `addr add ${clientAddress(id)}/32 dev hub`,
      `route add ${HUB_ADDRESS}/32 dev hub src ${clientAddress(id)}`,
      ...this.ids.filter((other) => other > id).map((other) =>
        `link add name ${linkTo(other)} type veth peer name ${linkTo(id)} netns ${
          this.#name(other)
        }`
      ),
    ];
  }

  #route(from: number, to: number, mode: PathMode): string {
    const route = `route replace ${raftAddress(to)}/32`;
    switch (mode) {
      case "direct":
        return `${route} dev ${linkTo(to)} src ${raftAddress(from)}`;
      case "lost":
        return `${route} dev void src ${raftAddress(from)}`;
      case "proxied":
        return `${route} via ${HUB_ADDRESS} dev hub onlink src ${clientAddress(from)}`;
    }
  }
}

function linkTo(id: number): string {
  return `peer${id}`;
}

async function ipBatch(
  namespace: string | undefined,
  commands: readonly string[],
  { mayFail = false } = {},
): Promise<void> {
  const where = namespace === undefined ? [] : ["-n", namespace];
  const force = mayFail ? ["-force"] : [];
  await run("ip", [...where, ...force, "-batch", "-"], { input: commands.join("\n"), mayFail });
}

/** Runs a program to its end; throws with its words when it fails. */
export async function run(
  program: string,
  args: readonly string[],
  { input = "", mayFail = false } = {},
): Promise<string> {
  const child = new Deno.Command(program, {
    args: [...args],
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const writer = child.stdin.getWriter();
  await writer.write(new TextEncoder().encode(input));
  await writer.close();
  const { code, stdout, stderr } = await child.output();
  const text = new TextDecoder();
  if (code !== 0 && !mayFail) {
    throw new Error(`Cannot run ${program} ${args.join(" ")}: ${text.decode(stderr)}\n${input}`);
  }
  return text.decode(stdout);
}
