/**
 * The two frames of a join, which follow its handshake. All of a request is in the fields, so that it
 * is bounded; an answer has its members or its text in the body.
 */

import {
  assert,
  ByteReader,
  ByteWriter,
  crc32,
  DecodeError,
  NodeId,
  parseHostPort,
} from "../base/mod.ts";
import type { Frame } from "./frame.ts";
import { CLUSTER_ID_BYTES_MAX } from "./handshake_codec.ts";
import type { JoinAnswer, JoinRequest } from "./join.ts";

export const JOIN_ANSWER_BYTES_MAX = 4 * 1024 * 1024;
/** Two of them, and the rest of a request, fit in the fields of a frame. */
const ADDRESS_BYTES_MAX = 400;

const UTF8 = new TextEncoder();
const FROM_UTF8 = new TextDecoder();
const STANDINGS: readonly JoinRequest["as"][] = ["voter", "learner"];
const ANSWERS: readonly JoinAnswer["kind"][] = ["joined", "refused", "tryAgain"];

/** The fields of a `join` frame. Throws `AssertionError` for an address that is none. */
export function encodeJoinRequest(request: JoinRequest): Uint8Array {
  const out = new ByteWriter();
  out.u16(request.featureLevel);
  out.u8(STANDINGS.indexOf(request.as));
  out.u32(request.nodeId ?? 0);
  out.u32(request.replaces ?? 0);
  for (const address of [request.raftAddress, request.redisAddress]) {
    assert(isAddress(address), `Cannot ask to join with "${address}": expected host:port`);
    putText(out, address);
  }
  return out.view();
}

export function decodeJoinRequest(frame: Frame): JoinRequest {
  const { fields, body } = frame;
  const featureLevel = fields.u16();
  const as = STANDINGS[fields.u8()];
  if (as === undefined) {
    throw new DecodeError("Cannot read join: it says neither voter nor learner");
  }
  const nodeId = fields.u32();
  const replaces = fields.u32();
  const [raftAddress, redisAddress] = [readText(fields), readText(fields)];
  for (const address of [raftAddress, redisAddress]) {
    if (!isAddress(address)) throw new DecodeError(`Cannot read join: "${address}" is no address`);
  }
  fields.expectEnd();
  if (body.length > 0) throw new DecodeError("Cannot read join: it has a body, expected none");
  return {
    featureLevel,
    as,
    raftAddress,
    redisAddress,
    ...(nodeId === 0 ? {} : { nodeId: NodeId(nodeId) }),
    ...(replaces === 0 ? {} : { replaces: NodeId(replaces) }),
  };
}

/** The fields and the body of a `join answer` frame. */
export function encodeJoinAnswer(answer: JoinAnswer): { fields: Uint8Array; body: Uint8Array } {
  const body = answer.kind === "joined" ? answer.members : UTF8.encode(answer.text);
  const out = new ByteWriter();
  out.u8(ANSWERS.indexOf(answer.kind));
  out.u32(crc32(body));
  if (answer.kind === "joined") {
    out.u32(answer.nodeId);
    putText(out, answer.clusterId);
  }
  return { fields: out.view(), body };
}

export function decodeJoinAnswer({ fields, body }: Frame): JoinAnswer {
  const kind = ANSWERS[fields.u8()];
  if (kind === undefined) {
    throw new DecodeError("Cannot read answer to join: it is of no known kind");
  }
  if (fields.u32() !== crc32(body)) {
    throw new DecodeError("Cannot read answer to join: the payload checksum does not match");
  }
  const answer: JoinAnswer = kind === "joined"
    ? { kind, nodeId: readNodeId(fields), clusterId: readText(fields), members: body }
    : { kind, text: FROM_UTF8.decode(body) };
  fields.expectEnd();
  if (answer.kind === "joined" && UTF8.encode(answer.clusterId).length > CLUSTER_ID_BYTES_MAX) {
    throw new DecodeError("Cannot read answer to join: its cluster id is too long");
  }
  return answer;
}

function readNodeId(fields: ByteReader): NodeId {
  const id = fields.u32();
  if (id === 0) throw new DecodeError("Cannot read answer to join: 0 is no node id");
  return NodeId(id);
}

function putText(out: ByteWriter, text: string): void {
  const bytes = UTF8.encode(text);
  out.u16(bytes.length);
  out.bytes(bytes);
}

function readText(fields: ByteReader): string {
  return FROM_UTF8.decode(fields.bytes(fields.u16()));
}

function isAddress(text: string): boolean {
  const address = parseHostPort(text);
  return address !== undefined && address.port > 0 &&
    UTF8.encode(text).length <= ADDRESS_BYTES_MAX;
}
