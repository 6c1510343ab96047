/**
 * The kinds of setting. Each builder makes a zod schema and registers, from the same arguments,
 * what help, the example file and error messages say about it. An issue's message is the text
 * after "expected".
 */

import { z } from "zod";
import { formatHostPort, type HostPort, isWildcard, parseHostPort } from "../base/mod.ts";
import { formatBytes, parseBytes } from "./size.ts";

// No code is generated at run time: it would need `new Function`, and settings are read once.
z.config({ jitless: true });

export type FieldKind =
  | "integer"
  | "bytes"
  | "boolean"
  | "text"
  | "choice"
  | "address"
  | "range"
  | "peers";

/** What is known of a setting beside its type. */
export interface FieldFacts {
  readonly kind: FieldKind;
  /** Whole sentences. */
  readonly help: string;
  /** What a value must be: follows "expected". */
  readonly expected: string;
  /** As one would write it in the file; undefined when the setting is not set unless asked for. */
  readonly fallback: unknown;
  /** Shown, as a comment, where there is no default. */
  readonly example?: unknown;
  /** What holds where there is no default: "by raft.timing". */
  readonly absent?: string;
  /** Never printed. */
  readonly secret: boolean;
}

/** The facts of every field of the schema. */
export const fieldFacts = z.registry<FieldFacts>();

interface Limits {
  readonly min: number;
  readonly max: number;
  readonly help: string;
}

export function integer(options: Limits & { readonly fallback: number }) {
  const expected = `an integer from ${options.min} to ${options.max}`;
  return z.int({ error: expected })
    .min(options.min, { error: expected })
    .max(options.max, { error: expected })
    .default(options.fallback)
    .register(fieldFacts, {
      kind: "integer",
      help: options.help,
      expected,
      fallback: options.fallback,
      secret: false,
    });
}

/** What a setting without a default says of itself. */
interface Optional<Example> {
  readonly example: Example;
  readonly absent: string;
}

export function optionalInteger(options: Limits & Optional<number>) {
  const expected = `an integer from ${options.min} to ${options.max}`;
  return z.int({ error: expected })
    .min(options.min, { error: expected })
    .max(options.max, { error: expected })
    .optional()
    .register(fieldFacts, {
      kind: "integer",
      help: options.help,
      expected,
      fallback: undefined,
      example: options.example,
      absent: options.absent,
      secret: false,
    });
}

/** A number of bytes, written plainly or like "64mb". */
export function bytes(options: Limits & { readonly fallback: number }) {
  const expected = `a size from ${formatBytes(options.min)} to ${formatBytes(options.max)}, ` +
    `in bytes or like "64mb"`;
  return z.union([z.number(), z.string()], { error: expected })
    .transform((value, context) => {
      const size = typeof value === "number" ? value : parseBytes(value);
      if (
        size !== undefined && Number.isInteger(size) && size >= options.min && size <= options.max
      ) return size;
      context.addIssue(expected);
      return z.NEVER;
    })
    .prefault(options.fallback)
    .register(fieldFacts, {
      kind: "bytes",
      help: options.help,
      expected,
      fallback: options.fallback,
      secret: false,
    });
}

export function boolean(options: { readonly help: string; readonly fallback: boolean }) {
  const expected = "true or false";
  return z.boolean({ error: expected }).default(options.fallback).register(fieldFacts, {
    kind: "boolean",
    help: options.help,
    expected,
    fallback: options.fallback,
    secret: false,
  });
}

interface TextOptions {
  readonly help: string;
  readonly fallback: string;
  readonly secret?: boolean;
  /** False by default. */
  readonly mayBeEmpty?: boolean;
}

/** One line of text without control characters. */
export function text(options: TextOptions) {
  const expected = options.mayBeEmpty === true ? "text in one line" : "a text that is not empty";
  // deno-lint-ignore no-control-regex
  const control = /[\x00-\x1f\x7f]/;
  return z.string({ error: expected })
    .max(4096, { error: "at most 4096 characters" })
    .refine((value) => options.mayBeEmpty === true || value.length > 0, { error: expected })
    .refine((value) => !control.test(value), { error: "no control characters" })
    .default(options.fallback)
    .register(fieldFacts, {
      kind: "text",
      help: options.help,
      expected,
      fallback: options.fallback,
      secret: options.secret ?? false,
    });
}

export function choice<const Values extends readonly [string, ...string[]]>(options: {
  readonly values: Values;
  readonly help: string;
  readonly fallback: Values[number];
}) {
  const quoted = options.values.map((value) => `"${value}"`);
  const expected = quoted.length === 1
    ? quoted[0]
    : `${quoted.slice(0, -1).join(", ")} or ${quoted[quoted.length - 1]}`;
  const schema = z.enum(options.values, { error: expected }).prefault(options.fallback as never);
  return schema.register(fieldFacts, {
    kind: "choice",
    help: options.help,
    expected,
    fallback: options.fallback,
    secret: false,
  });
}

const LISTEN_EXPECTED =
  'host:port such as "127.0.0.1:6379" or "[::1]:6379" (port 0 takes any free one)';

/** Where to listen. */
export function listenAddress(options: { readonly help: string; readonly fallback: string }) {
  return z.string({ error: LISTEN_EXPECTED })
    .transform((value, context): HostPort => {
      const address = parseHostPort(value);
      if (address !== undefined) return address;
      context.addIssue(LISTEN_EXPECTED);
      return z.NEVER;
    })
    .prefault(options.fallback)
    .register(fieldFacts, {
      kind: "address",
      help: options.help,
      expected: LISTEN_EXPECTED,
      fallback: options.fallback,
      secret: false,
    });
}

/** Two integers, lowest and highest. */
export function optionalRange(options: Limits & Optional<readonly [number, number]>) {
  const expected = `two integers from ${options.min} to ${options.max}, the lower one first`;
  const bound = z.int({ error: expected })
    .min(options.min, { error: expected })
    .max(options.max, { error: expected });
  return z.tuple([bound, bound], { error: expected })
    .refine(([low, high]) => low < high, { error: expected })
    .transform(([min, max]) => ({ min, max }))
    .optional()
    .register(fieldFacts, {
      kind: "range",
      help: options.help,
      expected,
      fallback: undefined,
      example: options.example,
      absent: options.absent,
      secret: false,
    });
}

/** An address of a member that others connect to, in the spelling that all members share. */
const peerAddress = z.string({ error: 'host:port such as "10.0.0.1:7379"' })
  .transform((value, context): string => {
    const address = parseHostPort(value);
    if (address === undefined) {
      context.addIssue('host:port such as "10.0.0.1:7379"');
    } else if (address.port === 0 || isWildcard(address.hostname)) {
      context.addIssue("an address that others can connect to, neither port 0 nor all interfaces");
    } else {
      return formatHostPort(address);
    }
    return z.NEVER;
  });

/** An address that others connect to, when it is not what follows from other settings. */
export function optionalAddress(options: { readonly help: string } & Optional<string>) {
  return peerAddress.optional().register(fieldFacts, {
    kind: "address",
    help: options.help,
    expected: `host:port such as "${options.example}"`,
    fallback: undefined,
    example: options.example,
    absent: options.absent,
    secret: false,
  });
}

/** The members of the cluster. */
export function peerList(options: { readonly idMax: number; readonly peersMax: number }) {
  const idExpected = `an integer from 1 to ${options.idMax}`;
  const expected = `at most ${options.peersMax} members, each with id, raft and redis`;
  const peer = z.strictObject({
    id: z.int({ error: idExpected }).min(1, { error: idExpected })
      .max(options.idMax, { error: idExpected }),
    raft: peerAddress,
    redis: peerAddress,
  }, { error: (issue) => issue.code === "unrecognized_keys" ? "id, raft and redis" : expected });
  return z.array(peer, { error: expected }).max(options.peersMax, { error: expected }).default([])
    .register(fieldFacts, {
      kind: "peers",
      help:
        "Every member of the cluster, this node included, the same list on every node; none is a " +
        "cluster of one. As a flag or variable: ID=RAFT_ADDRESS,REDIS_ADDRESS.",
      expected,
      fallback: [],
      example: [{ id: 1, raft: "10.0.0.1:7379", redis: "10.0.0.1:6379" }],
      secret: false,
    });
}
