/** A dialler that a test drives frame by frame. */

import { ByteReader, ByteWriter } from "../../src/base/mod.ts";
import {
  FRAME_CHALLENGE,
  FRAME_HELLO,
  FRAME_PROOF,
  PREAMBLE,
  writeFrame,
} from "../../src/network/frame.ts";
import { FrameAssembler } from "../../src/network/frame_assembler.ts";
import { proofInput } from "../../src/network/handshake.ts";
import { decodeRefusal, encodeHello } from "../../src/network/handshake_codec.ts";
import type { Refusal } from "../../src/network/refusal.ts";
import type { Connection } from "../../src/platform/mod.ts";
import { assertEquals } from "../support/assert.ts";
import { hostOf, testProcess, type VirtualTcpWorld } from "./world.ts";

/** Speaks the peer protocol by hand, as node 2, against node 1 of a world. */
export class Stranger {
  readonly frames: { type: number; fields: Uint8Array }[] = [];
  closed = false;
  readonly #connection: Connection;
  readonly #assembler = new FrameAssembler(() => 0);

  constructor(connection: Connection) {
    this.#connection = connection;
    connection.start({
      onData: (bytes) => {
        this.#assembler.feed(bytes);
        for (let frame = this.#assembler.next(); frame; frame = this.#assembler.next()) {
          const fields = frame.fields.bytes(frame.fields.remaining).slice();
          this.frames.push({ type: frame.type, fields });
        }
      },
      onClosed: () => this.closed = true,
    });
  }

  static async dial(world: VirtualTcpWorld): Promise<Stranger> {
    let stranger: Stranger | undefined;
    const net = world.net.host("10.0.0.66");
    void net.connect({ hostname: hostOf(1), port: 7379, timeoutMs: 1000 })
      .then((connection) => stranger = new Stranger(connection));
    await world.until("the stranger is connected", () => stranger !== undefined);
    return stranger!;
  }

  send(bytes: Uint8Array): void {
    this.#connection.output.bytes(bytes);
    this.#connection.flush();
  }

  /** As a process that ends. */
  hangUp(): void {
    this.#connection.close();
  }

  sendFrame(type: number, fields: Uint8Array): void {
    const out = new ByteWriter();
    writeFrame(out, type, fields);
    this.send(out.view());
  }
}

/** What a `refused` frame says. */
export function refusalOf({ fields }: { readonly fields: Uint8Array }): Refusal {
  return decodeRefusal(new ByteReader(fields));
}

export function helloFor(change: Partial<Parameters<typeof encodeHello>[0]> = {}): Uint8Array {
  return encodeHello({
    versionMin: 1,
    versionMax: 1,
    purpose: "messages",
    expectedId: 1,
    pingIntervalMs: 500,
    nonce: new Uint8Array(16).fill(5),
    nodeId: 2,
    incarnation: 1,
    clusterId: "test-cluster",
    bootNonce: new Uint8Array(16).fill(9),
    featureLevel: 1,
    address: { hostname: "10.0.0.66", port: 7379 },
    ...change,
  });
}

export function proofOf(hello: Uint8Array, challenge: Uint8Array): Uint8Array {
  const secret = new TextEncoder().encode("secret");
  return testProcess.hmacSha256(secret, proofInput("dialler", hello, challenge));
}

/** Runs the whole handshake; returns the last frame that came. */
export async function handshake(world: VirtualTcpWorld, stranger: Stranger, hello: Uint8Array) {
  stranger.send(PREAMBLE);
  stranger.sendFrame(FRAME_HELLO, hello);
  await world.until("a challenge", () => stranger.frames.length === 1);
  assertEquals(stranger.frames[0].type, FRAME_CHALLENGE);
  stranger.sendFrame(FRAME_PROOF, proofOf(hello, stranger.frames[0].fields));
  await world.until("an answer", () => stranger.frames.length === 2);
  return stranger.frames[1];
}
