/**
 * What the two sides of a handshake check and prove. A proof is an HMAC over everything both sides
 * said, fresh nonces of both included, so an old handshake that is played back fails. The dialler
 * proves first: whoever dials without the secret gets nothing to guess against.
 *
 * After the handshake frames carry checksums against damage, not proofs against an attacker who can
 * write into the connection: peers belong on a trusted network or in a tunnel.
 */

import { ByteWriter } from "../base/mod.ts";
import type { Challenge, Hello, Identity, SentHello } from "./handshake_codec.ts";
import type { Refusal } from "./refusal.ts";

/** Versions of the peer protocol that this program speaks. */
export const PROTOCOL_VERSION_MIN = 1;
export const PROTOCOL_VERSION_MAX = 1;

/** A hello that says which versions this program speaks. */
export function helloOf(parts: Omit<SentHello, "versionMin" | "versionMax">): SentHello {
  return { ...parts, versionMin: PROTOCOL_VERSION_MIN, versionMax: PROTOCOL_VERSION_MAX };
}

/** The acceptor's checks of a `hello`, before any proof: mistakes of configuration, mostly. */
export function checkHello(hello: Hello, self: Identity): Refusal | undefined {
  const cannot = `Cannot accept ${nameOf(hello)}:`;
  if (hello.versionMin > PROTOCOL_VERSION_MAX || hello.versionMax < PROTOCOL_VERSION_MIN) {
    return {
      code: "version",
      text: `${cannot} it speaks peer protocol ${hello.versionMin} to ${hello.versionMax}, ` +
        `expected ${PROTOCOL_VERSION_MIN} to ${PROTOCOL_VERSION_MAX}; upgrade the older node`,
    };
  }
  if (hello.purpose === undefined) {
    return {
      code: "purpose",
      text: `${cannot} it opened a link of a kind that this release does not know; ` +
        `upgrade this node`,
    };
  }
  if (hello.purpose === "join") return undefined;
  if (hello.nodeId === self.nodeId) {
    return {
      code: "ownId",
      text: `${cannot} this node has that id itself; give every node an id of its own`,
    };
  }
  if (hello.clusterId !== self.clusterId) {
    return {
      code: "wrongCluster",
      text: `${cannot} its cluster is "${hello.clusterId}", expected "${self.clusterId}"; ` +
        `check addresses and data directories`,
    };
  }
  if (hello.expectedId !== self.nodeId) {
    return {
      code: "wrongTarget",
      text: `${cannot} it looks for node ${hello.expectedId}, this is node ${self.nodeId}; ` +
        `check the addresses in its settings`,
    };
  }
  return undefined;
}

/** The dialler's checks of a `challenge`: is this the node it meant to reach? */
export function checkChallenge(challenge: Challenge, hello: Hello): Refusal | undefined {
  const cannot = hello.purpose === "join"
    ? `Cannot join through node ${challenge.nodeId}:`
    : `Cannot use link to node ${hello.expectedId}:`;
  if (challenge.version < hello.versionMin || challenge.version > hello.versionMax) {
    return {
      code: "version",
      text: `${cannot} it chose peer protocol ${challenge.version}, ` +
        `expected ${hello.versionMin} to ${hello.versionMax}`,
    };
  }
  if (hello.purpose === "join") return undefined;
  if (challenge.clusterId !== hello.clusterId) {
    return {
      code: "wrongCluster",
      text: `${cannot} its cluster is "${challenge.clusterId}", expected "${hello.clusterId}"`,
    };
  }
  if (challenge.nodeId !== hello.expectedId) {
    return { code: "wrongTarget", text: `${cannot} node ${challenge.nodeId} answered` };
  }
  return undefined;
}

/** The refusal of a bulk link whose dialler has no link for messages. */
export function bulkFirst(hello: Hello): Refusal {
  return {
    code: "purpose",
    text: `Cannot accept ${nameOf(hello)}: it opened a bulk link, expected one for messages first`,
  };
}

/** The refusal of a dialler's proof that does not match. */
export function wrongSecretOfDialler(hello: Hello): Refusal {
  return {
    code: "wrongSecret",
    text: `Cannot accept ${nameOf(hello)}: its proof of the shared secret does not match; ` +
      `give all nodes the same raft secret`,
  };
}

/** The same of an acceptor's. */
export function wrongSecretOfAcceptor(nodeId: number): Refusal {
  return {
    code: "wrongSecret",
    text: `Cannot use link to node ${nodeId}: its proof of the shared secret does not match; ` +
      `give all nodes the same raft secret`,
  };
}

function nameOf({ purpose, nodeId }: Hello): string {
  return purpose === "join" ? "a node that wants to join" : `node ${nodeId}`;
}

/** What the proof of `role` is computed over. The roles differ, so no proof can be sent back. */
export function proofInput(
  role: "dialler" | "acceptor",
  helloFields: Uint8Array,
  challengeFields: Uint8Array,
): Uint8Array {
  const out = new ByteWriter(16 + helloFields.length + challengeFields.length);
  out.u8(role === "dialler" ? 1 : 2);
  out.u32(helloFields.length);
  out.bytes(helloFields);
  out.u32(challengeFields.length);
  out.bytes(challengeFields);
  return out.view();
}

/** Compares in a time that does not depend on the contents. */
export function equalBytes(left: Uint8Array, right: Uint8Array): boolean {
  if (left.length !== right.length) return false;
  let difference = 0;
  for (let at = 0; at < left.length; at++) difference |= left[at] ^ right[at];
  return difference === 0;
}
