/** Why a handshake is refused. The number crosses the wire, so a code keeps its place for ever. */

import { DecodeError } from "../base/mod.ts";

const CODES = [
  "version",
  "purpose",
  "ownId",
  "wrongCluster",
  "wrongTarget",
  "wrongSecret",
  "olderIncarnation",
  "duplicateNode",
  "removed",
  "featureLevel",
  "tooManyPeers",
] as const;

/**
 * - `version`: no protocol version in common. `purpose`: this kind of link is not served.
 * - `ownId`: the peer has the id of the node that refuses. `wrongCluster`: another cluster id.
 * - `wrongTarget`: the dialled address belongs to another node.
 * - `wrongSecret`: the proof does not match. `olderIncarnation`: a later start of that node is known.
 * - `duplicateNode`: another process with the same id and incarnation is known.
 * - `removed`: the peer was a member and is none any more.
 * - `featureLevel`: the peer's program is too old for what the cluster uses.
 * - `tooManyPeers`: as many processes are connected that are no members.
 */
export type RefusalCode = typeof CODES[number];

/** `text` names what was found, what was expected and what to do. */
export interface Refusal {
  readonly code: RefusalCode;
  readonly text: string;
}

/** The number of a code on the wire. */
export function refusalNumber(code: RefusalCode): number {
  return CODES.indexOf(code);
}

/** The code of a number on the wire. Throws `DecodeError` for one that is not known. */
export function refusalCode(number: number): RefusalCode {
  const code = CODES[number];
  if (code === undefined) throw new DecodeError(`Cannot read refusal: ${number} is no reason`);
  return code;
}
