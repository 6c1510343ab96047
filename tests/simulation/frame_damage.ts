/** What a receiver makes of a frame that was damaged on its way: it must never be a message. */

import { ByteWriter, DecodeError, type Prng } from "../../src/base/mod.ts";
import { BODILESS_FRAME_BYTES_MAX, PREAMBLE } from "../../src/network/frame.ts";
import { FrameAssembler } from "../../src/network/frame_assembler.ts";
import { bodyLeadBytes, readMessage, writeMessage } from "../../src/network/message_codec.ts";
import type { PeerMessage } from "../../src/raft/mod.ts";

/** As the least of what a peer link may be told to take. */
const FRAME_BYTES_MAX = 1 << 20;

/** Sends the message's frame with one bit flipped or its end cut off; whether that is noticed. */
export function isDamageNoticed(message: PeerMessage, prng: Prng): boolean {
  const output = new ByteWriter();
  writeMessage(output, message);
  const whole = output.view().slice();
  const frame = prng.chance(0.8) ? flipped(whole, prng) : cut(whole, prng);
  // By chance what follows is what was cut off: then nothing is damaged.
  const missing = whole.subarray(frame.length);
  if (missing.length > 0 && missing.every((byte, at) => byte === whole[at])) return true;
  const assembler = new FrameAssembler(bodyLeadBytes);
  assembler.frameBytesMax = FRAME_BYTES_MAX;
  try {
    // Other frames follow, until whatever the receiver waits for is there.
    const rest = new Uint8Array(BODILESS_FRAME_BYTES_MAX + whole.length).fill(0x5a);
    for (const bytes of [PREAMBLE, frame, whole, rest]) {
      assembler.feed(bytes);
      const found = assembler.next();
      if (found !== undefined) {
        readMessage(found, message.from, message.to);
        return false;
      }
    }
  } catch (error) {
    if (error instanceof DecodeError) return true;
    throw error;
  }
  return false;
}

function flipped(frame: Uint8Array, prng: Prng): Uint8Array {
  const bytes = frame.slice();
  bytes[prng.between(0, bytes.length - 1)] ^= 1 << prng.between(0, 7);
  return bytes;
}

function cut(frame: Uint8Array, prng: Prng): Uint8Array {
  return frame.slice(0, prng.between(1, frame.length - 1));
}
