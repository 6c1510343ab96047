/** The settings as a flat list, with the name of each in the file, as a flag and as a variable. */

import { assert } from "../base/mod.ts";
import { type FieldFacts, fieldFacts } from "./field.ts";
import { SECTIONS } from "./schema.ts";

export interface SettingKey {
  /** As in messages: `redis.listen`. */
  readonly path: string;
  readonly section: string;
  readonly name: string;
  /** Without the dashes: `redis-listen`. */
  readonly flag: string;
  readonly variable: string;
  readonly facts: FieldFacts;
}

/** Every setting, in the order of the file. */
export const SETTING_KEYS: readonly SettingKey[] = Object.entries(SECTIONS).flatMap(
  ([section, { shape }]) =>
    Object.entries(shape).map(([name, field]) => {
      const facts = fieldFacts.get(field);
      assert(facts !== undefined, `Cannot list ${section}.${name}: it has no description`);
      const flag = `${section}-${name}`;
      const variable = `LOGBOAT_${flag.toUpperCase().replaceAll("-", "_")}`;
      return { path: `${section}.${name}`, section, name, flag, variable, facts };
    }),
);

const BY_PATH = new Map(SETTING_KEYS.map((key) => [key.path, key]));

/** The setting with this path; undefined when there is none. */
export function settingKey(path: string): SettingKey | undefined {
  return BY_PATH.get(path);
}
