/**
 * Clients and the nodes that they are connected to. A connection may break by itself: the request does
 * not arrive, or its answer does not, and the client goes on with another node.
 */

import { type NodeId, Prng } from "../../src/base/mod.ts";
import type { Lane } from "../../src/node/mod.ts";
import { Client } from "./clients.ts";
import type { LiveNode, World } from "./world.ts";

/** Of the operations of a client. */
const BREAK_CHANCE = 0.12;

export class Connections {
  readonly #world: World;

  constructor(world: World) {
    this.#world = world;
  }

  /** One more client of a node. The first one writes: something must always be there to commit. */
  open(live: LiveNode, isFirst: boolean): void {
    const { plan, clock, histories } = this.#world;
    const seed = plan.seed * 31 + live.id * 7 + histories.nextProcess();
    const prng = new Prng(seed);
    const client = new Client(live.node.openLane(), {
      nowMs: () => clock.nowMs(),
      later: (delayMs, callback) => void clock.setTimer(delayMs, callback),
      fail: (error) => this.#world.fail(error),
      thinkMs: plan.thinkMs,
      onlyReads: !isFirst && seed % 2 === 0,
      prng,
      breaks: () => this.#breaks(prng),
      reconnect: (client) => this.#reconnect(client, prng),
    }, histories);
    live.clients.push(client);
    client.start();
  }

  /** Every node has a client that writes, wherever clients went. */
  fill(): void {
    for (const live of this.#world.live.values()) {
      if (!live.clients.some(({ writes }) => writes)) this.open(live, true);
    }
  }

  #breaks(prng: Prng): "request" | "reply" | undefined {
    const { plan, operators } = this.#world;
    if (!plan.faults.has("clientLinks") || !operators.active) return undefined;
    if (!prng.chance(BREAK_CHANCE)) return undefined;
    const lost = prng.pick(["request", "reply"] as const);
    this.#world.count(`client's ${lost} lost`);
    return lost;
  }

  #reconnect(client: Client, prng: Prng): Lane | undefined {
    const { live } = this.#world;
    for (const { clients } of live.values()) {
      const at = clients.indexOf(client);
      if (at >= 0) clients.splice(at, 1);
    }
    const ids: NodeId[] = [...live.keys()].sort((a, b) => a - b);
    if (ids.length === 0) return undefined;
    const next = live.get(prng.pick(ids))!;
    next.clients.push(client);
    return next.node.openLane();
  }
}
