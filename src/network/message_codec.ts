/**
 * Every message as a frame. All messages have fields of a fixed length: sender (4 bytes), receiver
 * (4), term (8), then their own. Entries travel as the records that the sender holds, byte for byte
 * (architecture D2).
 */

import { assert, DecodeError, type NodeId, putU32, putU64, Term } from "../base/mod.ts";
import type { OutputBuffer } from "../platform/mod.ts";
import type { PeerMessage } from "../raft/mod.ts";
import type { MessageCodec, MessageCodecs } from "./codec_parts.ts";
import { DRIVER_CODECS } from "./driver_codecs.ts";
import { type Frame, FRAME_HEAD_BYTES, openFrame, sealFrame } from "./frame.ts";
import { RAFT_CODECS } from "./raft_codecs.ts";

const ENVELOPE_BYTES = 16;

type Kind = PeerMessage["kind"];

const CODECS: MessageCodecs<PeerMessage> = { ...RAFT_CODECS, ...DRIVER_CODECS };
/** What may be large and can wait: it never stands before a heartbeat (architecture D11). */
const BULK_KINDS: ReadonlySet<Kind> = new Set<Kind>(["snapshotChunk", "entriesReply"]);

/** Every kind of message, in the order of their numbers. */
export const MESSAGE_KINDS: readonly Kind[] = Object.keys(CODECS) as Kind[];

const BY_TYPE: readonly (MessageCodec<PeerMessage> | undefined)[] = codecsByType();

function codecsByType(): (MessageCodec<PeerMessage> | undefined)[] {
  const byType: (MessageCodec<PeerMessage> | undefined)[] = [];
  for (const kind of MESSAGE_KINDS) {
    const codec = codecOf(kind);
    assert(byType[codec.type] === undefined, `Cannot use type ${codec.type} twice: ${kind}`);
    byType[codec.type] = codec;
  }
  return byType;
}

/** The table pairs each kind with the codec of its own messages, which the compiler cannot see. */
function codecOf(kind: Kind): MessageCodec<PeerMessage> {
  return CODECS[kind] as unknown as MessageCodec<PeerMessage>;
}

/** Room before the body that a type wants in memory: a batch gets its record header there. */
export function bodyLeadBytes(type: number): number {
  return BY_TYPE[type]?.body?.leadBytes ?? 0;
}

/** Whether messages of this kind travel on the bulk link. */
export function isBulkKind(kind: Kind): boolean {
  return BULK_KINDS.has(kind);
}

/** True for messages that fit in a few dozen bytes; all others grow with the load. */
export function isShort(message: PeerMessage): boolean {
  return bodyBytes(message) === 0;
}

/** Length in bytes of the frame that `writeMessage` makes. */
export function messageFrameBytes(message: PeerMessage): number {
  return FRAME_HEAD_BYTES + ENVELOPE_BYTES + codecOf(message.kind).ownBytes + bodyBytes(message);
}

function bodyBytes(message: PeerMessage): number {
  return codecOf(message.kind).body?.bytes(message) ?? 0;
}

/** Writes `message` as one frame. Numbers must be safe integers >= 0 and a batch not empty. */
export function writeMessage(output: OutputBuffer, message: PeerMessage): void {
  const codec = codecOf(message.kind);
  const fieldsBytes = ENVELOPE_BYTES + codec.ownBytes;
  const start = openFrame(output, codec.type, fieldsBytes, bodyBytes(message));
  const buffer = output.buffer;
  const fieldsAt = start + FRAME_HEAD_BYTES;
  putU32(buffer, fieldsAt, message.from);
  putU32(buffer, fieldsAt + 4, message.to);
  putU64(buffer, fieldsAt + 8, message.term);
  codec.write(message, buffer, fieldsAt + ENVELOPE_BYTES);
  sealFrame(buffer, start, fieldsBytes);
  codec.body?.write(message, buffer, fieldsAt + fieldsBytes);
}

/**
 * Reads the message in a frame that came over the link from `from` to `to`, and verifies its body.
 * Throws `DecodeError` when the type is not known, sender or receiver are others, or anything is
 * short, left over or damaged.
 */
export function readMessage(frame: Frame, from: NodeId, to: NodeId): PeerMessage {
  const codec = BY_TYPE[frame.type];
  if (codec === undefined) {
    throw new DecodeError(`Cannot read frame: ${frame.type} is no type of message`);
  }
  const fields = frame.fields;
  const sender = fields.u32();
  const receiver = fields.u32();
  if (sender !== from || receiver !== to) {
    throw new DecodeError(
      `Cannot accept message: it goes from ${sender} to ${receiver}, expected ${from} to ${to}`,
    );
  }
  if (codec.body === undefined && frame.body.length > 0) {
    throw new DecodeError(`Cannot read frame of type ${frame.type}: it has a body, expected none`);
  }
  const message = codec.read({ from, to, term: Term(fields.u64()) }, fields, frame.body);
  fields.expectEnd();
  return message;
}
