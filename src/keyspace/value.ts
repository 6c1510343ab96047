/**
 * What a key can hold. A string is bare (`StringValue`), because a million small objects would cost
 * more than the values; every other type is a class that extends `Collection`.
 */

import { copyOfString, isStringValue, stringEncoding, stringText } from "./string_value.ts";
import type { StringValue } from "./string_value.ts";
import { type DigestLanes, digestOfText } from "./digest.ts";

/** A value of several elements. A new data type is a subclass in a file of its own. */
export abstract class Collection {
  /** What TYPE answers. */
  abstract readonly typeName: string;
  /** Number of elements; a key whose collection is empty must not exist. */
  abstract readonly size: number;
  /** What OBJECT ENCODING answers. */
  abstract encoding(): string;
  /** An independent copy. */
  abstract copy(): Collection;
  /** Adds the logical contents, whatever the encoding, to `lanes`. */
  abstract digestInto(lanes: DigestLanes): void;
}

export type Value = StringValue | Collection;

/** What TYPE answers for a value. */
export function typeOfValue(value: Value): string {
  return isStringValue(value) ? "string" : value.typeName;
}

/** What OBJECT ENCODING answers for a value. */
export function encodingOfValue(value: Value): string {
  return isStringValue(value) ? stringEncoding(value) : value.encoding();
}

export function copyOfValue(value: Value): Value {
  return isStringValue(value) ? copyOfString(value) : value.copy();
}

export function digestOfValue(value: Value, lanes: DigestLanes): void {
  if (isStringValue(value)) digestOfText(stringText(value), lanes);
  else value.digestInto(lanes);
}
