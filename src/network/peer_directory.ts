/**
 * Who the members are and which process of each is the current one. Two processes with one identity
 * (a copied data directory) would vote twice, so only the newest incarnation gets a link, and of
 * one incarnation only the process that came first.
 */

import type { NodeId } from "../base/mod.ts";
import { equalBytes } from "./handshake.ts";
import type { Identity } from "./handshake_codec.ts";
import type { Refusal } from "./refusal.ts";

interface Member {
  /** The newest process that has proven itself; undefined before the first. */
  process: { incarnation: number; bootNonce: Uint8Array } | undefined;
  /** A link with that process is or was up, and it has not been reported as closed. */
  present: boolean;
}

/** `replaced`: the process known so far is gone, whether or not its connections have noticed. */
export type Admission =
  | { readonly kind: "known" }
  | { readonly kind: "replaced"; readonly wasPresent: boolean }
  | { readonly kind: "refused"; readonly refusal: Refusal };

export class PeerDirectory {
  readonly #members = new Map<number, Member>();

  add(id: NodeId): void {
    if (!this.#members.has(id)) this.#members.set(id, { process: undefined, present: false });
  }

  isMember(nodeId: number): boolean {
    return this.#members.has(nodeId);
  }

  /** Judges a process of a member that has proven the secret, and remembers it if it is newer. */
  admit(identity: Identity): Admission {
    const member = this.#members.get(identity.nodeId);
    if (member === undefined) {
      return {
        kind: "refused",
        refusal: { code: "unknownNode", text: `Cannot accept node ${identity.nodeId}: no member` },
      };
    }
    const known = member.process;
    const { incarnation, bootNonce } = identity;
    if (known !== undefined && incarnation < known.incarnation) {
      return {
        kind: "refused",
        refusal: {
          code: "olderIncarnation",
          text: `Cannot accept node ${identity.nodeId}: its incarnation is ${incarnation}, ` +
            `expected ${known.incarnation} or later; its data directory is a copy or a backup`,
        },
      };
    }
    if (known !== undefined && incarnation === known.incarnation) {
      if (equalBytes(bootNonce, known.bootNonce)) return { kind: "known" };
      return {
        kind: "refused",
        refusal: {
          code: "duplicateNode",
          text: `Cannot accept node ${identity.nodeId}: another process with its id and ` +
            `incarnation ${incarnation} is known; stop the one with the copied data directory`,
        },
      };
    }
    const wasPresent = member.present;
    member.process = { incarnation, bootNonce };
    member.present = false;
    return known === undefined ? { kind: "known" } : { kind: "replaced", wasPresent };
  }

  /** A link with the current process of `id` is up. */
  markPresent(id: NodeId): void {
    const member = this.#members.get(id);
    if (member !== undefined) member.present = true;
  }

  /** The process of `id` closed a link. True when that is news. */
  markClosed(id: NodeId): boolean {
    const member = this.#members.get(id);
    const news = member?.present ?? false;
    if (member !== undefined) member.present = false;
    return news;
  }
}
