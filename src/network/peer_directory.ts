/**
 * Who is let in. Two processes with one identity (a copied data directory) would vote twice, so only
 * the newest incarnation gets a link, and of one incarnation only the process that came first. Nodes
 * that were removed stay out, and so do programs that are too old for what the cluster uses.
 */

import type { NodeId } from "../base/mod.ts";
import { equalBytes } from "./handshake.ts";
import type { Identity } from "./handshake_codec.ts";
import type { Refusal } from "./refusal.ts";

interface Peer {
  /** The newest process that has proven itself; undefined before the first. */
  process: { incarnation: number; bootNonce: Uint8Array } | undefined;
  /** A link with that process is or was up, and it has not been reported as closed. */
  present: boolean;
  /** Known by its handshake alone: it goes when its link does. */
  learned: boolean;
}

/** `replaced`: the process known so far is gone, whether or not its connections have noticed. */
export type Admission =
  | { readonly kind: "known" }
  | { readonly kind: "replaced"; readonly wasPresent: boolean }
  | { readonly kind: "refused"; readonly refusal: Refusal };

export class PeerDirectory {
  /** What the cluster uses; lower ones are refused. */
  featureLevel = 0;
  readonly #learnedMax: number;
  readonly #peers = new Map<number, Peer>();
  #removed = new Set<number>();

  constructor(learnedMax: number) {
    this.#learnedMax = learnedMax;
  }

  /** A peer that this node was told of: it stays until it is removed. */
  add(id: NodeId): void {
    this.#removed.delete(id);
    const peer = this.#peers.get(id);
    if (peer === undefined) {
      this.#peers.set(id, { process: undefined, present: false, learned: false });
    } else {
      peer.learned = false;
    }
  }

  remove(id: NodeId): void {
    this.#peers.delete(id);
    this.#removed.add(id);
  }

  /** Forgets whom it refuses, and removes `ids`. */
  setRemoved(ids: readonly NodeId[]): void {
    this.#removed = new Set(ids);
    for (const id of ids) this.#peers.delete(id);
  }

  isKnown(nodeId: number): boolean {
    return this.#peers.has(nodeId);
  }

  /** The link of `id` has ended. True when nothing else is known of it: it is forgotten. */
  forgetLearned(id: NodeId): boolean {
    if (this.#peers.get(id)?.learned !== true) return false;
    return this.#peers.delete(id);
  }

  /** Why this process cannot be let in; undefined when it can, once it has proven the secret. */
  refusalOf(identity: Identity): Refusal | undefined {
    const { nodeId, featureLevel } = identity;
    const cannot = `Cannot accept node ${nodeId}:`;
    if (this.#removed.has(nodeId)) {
      return {
        code: "removed",
        text: `${cannot} it was removed from the cluster; ` +
          `to use the machine again, start a node there with an empty data directory and --join`,
      };
    }
    if (featureLevel < this.featureLevel) {
      return {
        code: "featureLevel",
        text: `${cannot} its program supports feature level ${featureLevel} at most, ` +
          `the cluster uses ${this.featureLevel}; start it with a newer release of Logboat`,
      };
    }
    const peer = this.#peers.get(nodeId);
    if (peer !== undefined) return this.#refusalOfOlder(identity, peer);
    if (this.#learnedCount() < this.#learnedMax) return undefined;
    return {
      code: "tooManyPeers",
      text: `${cannot} it is no member that this node knows, and ${this.#learnedMax} others ` +
        `that are none are connected; look for nodes with the data of this cluster`,
    };
  }

  /** Judges a process that has proven the secret, and remembers it if it is newer. */
  admit(identity: Identity): Admission {
    const refusal = this.refusalOf(identity);
    if (refusal !== undefined) return { kind: "refused", refusal };
    const { nodeId, incarnation, bootNonce } = identity;
    const peer = this.#peers.get(nodeId) ?? { process: undefined, present: false, learned: true };
    this.#peers.set(nodeId, peer);
    const known = peer.process;
    if (known !== undefined && incarnation === known.incarnation) return { kind: "known" };
    const wasPresent = peer.present;
    peer.process = { incarnation, bootNonce };
    peer.present = false;
    return known === undefined ? { kind: "known" } : { kind: "replaced", wasPresent };
  }

  /** A link with the current process of `id` is up. */
  markPresent(id: NodeId): void {
    const peer = this.#peers.get(id);
    if (peer !== undefined) peer.present = true;
  }

  /** The process of `id` closed a link. True when that is news. */
  markClosed(id: NodeId): boolean {
    const peer = this.#peers.get(id);
    const news = peer?.present ?? false;
    if (peer !== undefined) peer.present = false;
    return news;
  }

  #refusalOfOlder(identity: Identity, { process }: Peer): Refusal | undefined {
    const { nodeId, incarnation, bootNonce } = identity;
    if (process === undefined || incarnation > process.incarnation) return undefined;
    const cannot = `Cannot accept node ${nodeId}:`;
    if (incarnation < process.incarnation) {
      return {
        code: "olderIncarnation",
        text: `${cannot} its incarnation is ${incarnation}, expected ${process.incarnation} ` +
          `or later; its data directory is a copy or a backup`,
      };
    }
    if (equalBytes(bootNonce, process.bootNonce)) return undefined;
    return {
      code: "duplicateNode",
      text: `${cannot} another process with its id and incarnation ${incarnation} is known; ` +
        `stop the one with the copied data directory`,
    };
  }

  #learnedCount(): number {
    let count = 0;
    for (const { learned } of this.#peers.values()) if (learned) count++;
    return count;
  }
}
