/**
 * The frames of a handshake. The dialler says `hello`, the acceptor answers with a `challenge`, the
 * dialler proves that it knows the secret, the acceptor proves the same with its `welcome`; either
 * side may say `refused` instead. The layouts of `hello` and `refused` are the same in all protocol
 * versions, so that nodes of different versions can tell their users why they do not talk.
 */

import {
  assert,
  ByteReader,
  ByteWriter,
  DecodeError,
  formatHostPort,
  type HostPort,
  NODE_ID_MAX,
  parseHostPort,
} from "../base/mod.ts";
import { type Refusal, refusalCode, refusalNumber } from "./refusal.ts";

export const NONCE_BYTES = 16;
export const PROOF_BYTES = 32;
export const CLUSTER_ID_BYTES_MAX = 64;
const REFUSAL_TEXT_BYTES_MAX = 240;

const UTF8 = new TextEncoder();
const FROM_UTF8 = new TextDecoder();

/**
 * What a connection is for. `bulk` carries what is large and can wait (architecture D11); `join` is
 * of a process that is no member yet, and has neither node id nor cluster id.
 */
export type LinkPurpose = "messages" | "bulk" | "join";
const PURPOSES: readonly LinkPurpose[] = ["messages", "bulk", "join"];

/** Who a process is, as it tells its peers. */
export interface Identity {
  /** 1 to 2^32 - 1; 0 for one that wants to join. */
  readonly nodeId: number;
  /** Rises by one with each start on the same data directory. */
  readonly incarnation: number;
  /** At most 64 bytes of UTF-8. */
  readonly clusterId: string;
  /** 16 bytes, random, another one in each process: tells apart two copies of a data directory. */
  readonly bootNonce: Uint8Array;
  /** The highest feature level that its program supports: 0 to 65535. */
  readonly featureLevel: number;
  /** Where it wants to be dialled. */
  readonly address: HostPort;
}

export interface Hello extends Identity {
  readonly versionMin: number;
  readonly versionMax: number;
  /** Undefined for one that this version does not know. */
  readonly purpose: LinkPurpose | undefined;
  /** The node that the dialler believes to reach; 0 for any. */
  readonly expectedId: number;
  /** How often the dialler pings, so that the acceptor knows when to call it silent. */
  readonly pingIntervalMs: number;
  readonly nonce: Uint8Array;
}

export interface Challenge extends Identity {
  /** The protocol version that the acceptor chose. */
  readonly version: number;
  readonly nonce: Uint8Array;
}

/** A hello of this version. */
export type SentHello = Hello & { readonly purpose: LinkPurpose };

/** The fields of a `hello` frame. */
export function encodeHello(hello: SentHello): Uint8Array {
  const out = new ByteWriter(160);
  out.u16(hello.versionMin);
  out.u16(hello.versionMax);
  out.u8(PURPOSES.indexOf(hello.purpose));
  out.u32(hello.expectedId);
  out.u32(hello.pingIntervalMs);
  out.bytes(hello.nonce);
  encodeIdentity(out, hello);
  return out.view();
}

export function decodeHello(fields: ByteReader): Hello {
  const head = {
    versionMin: fields.u16(),
    versionMax: fields.u16(),
    purpose: PURPOSES[fields.u8()] as LinkPurpose | undefined,
    expectedId: fields.u32(),
    pingIntervalMs: fields.u32(),
    nonce: fields.bytes(NONCE_BYTES).slice(),
  };
  const hello = { ...head, ...decodeIdentity(fields) };
  fields.expectEnd();
  if (head.purpose === "messages" || head.purpose === "bulk") expectNodeId(hello);
  return hello;
}

/** The fields of a `challenge` frame. */
export function encodeChallenge(challenge: Challenge): Uint8Array {
  const out = new ByteWriter(160);
  out.u16(challenge.version);
  out.bytes(challenge.nonce);
  encodeIdentity(out, challenge);
  return out.view();
}

export function decodeChallenge(fields: ByteReader): Challenge {
  const head = { version: fields.u16(), nonce: fields.bytes(NONCE_BYTES).slice() };
  const challenge = { ...head, ...decodeIdentity(fields) };
  fields.expectEnd();
  expectNodeId(challenge);
  return challenge;
}

/** The fields of a `proof` or `welcome` frame are the proof. */
export function decodeProof(fields: ByteReader): Uint8Array {
  const proof = fields.bytes(PROOF_BYTES).slice();
  fields.expectEnd();
  return proof;
}

/** The fields of a `refused` frame; a text that is too long is cut. */
export function encodeRefusal(refusal: Refusal): Uint8Array {
  const text = UTF8.encode(refusal.text).subarray(0, REFUSAL_TEXT_BYTES_MAX);
  const out = new ByteWriter(1 + text.length);
  out.u8(refusalNumber(refusal.code));
  out.bytes(text);
  return out.view();
}

export function decodeRefusal(fields: ByteReader): Refusal {
  const code = refusalCode(fields.u8());
  return { code, text: FROM_UTF8.decode(fields.bytes(fields.remaining)) };
}

function encodeIdentity(out: ByteWriter, identity: Identity): void {
  const clusterId = UTF8.encode(identity.clusterId);
  assert(
    clusterId.length <= CLUSTER_ID_BYTES_MAX,
    `Cannot use cluster id of ${clusterId.length} bytes: want at most ${CLUSTER_ID_BYTES_MAX}`,
  );
  out.u32(identity.nodeId);
  out.u64(identity.incarnation);
  out.bytes(identity.bootNonce);
  out.u8(clusterId.length);
  out.bytes(clusterId);
  out.u16(identity.featureLevel);
  const address = UTF8.encode(formatHostPort(identity.address));
  out.u16(address.length);
  out.bytes(address);
}

function decodeIdentity(fields: ByteReader): Identity {
  const nodeId = fields.u32();
  const incarnation = fields.u64();
  const bootNonce = fields.bytes(NONCE_BYTES).slice();
  const clusterIdBytes = fields.u8();
  if (clusterIdBytes > CLUSTER_ID_BYTES_MAX) {
    throw new DecodeError(
      `Cannot read handshake: cluster id of ${clusterIdBytes} bytes, ` +
        `expected at most ${CLUSTER_ID_BYTES_MAX}`,
    );
  }
  const clusterId = FROM_UTF8.decode(fields.bytes(clusterIdBytes));
  const featureLevel = fields.u16();
  const address = decodeAddress(fields.bytes(fields.u16()));
  return { nodeId, incarnation, bootNonce, clusterId, featureLevel, address };
}

function expectNodeId({ nodeId }: Identity): void {
  if (nodeId < 1 || nodeId > NODE_ID_MAX) {
    throw new DecodeError(`Cannot read handshake: ${nodeId} is no node id`);
  }
}

function decodeAddress(bytes: Uint8Array): HostPort {
  const text = FROM_UTF8.decode(bytes);
  const address = parseHostPort(text);
  if (address === undefined || address.port === 0) {
    throw new DecodeError(`Cannot read handshake: "${text}" is no address to dial`);
  }
  return address;
}
