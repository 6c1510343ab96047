/**
 * Where each key of a TOML file stands, for messages, and which are there twice, which the parser
 * does not notice. It knows tables, lists of tables and simple keys, which is what settings use;
 * what it does not understand it leaves out.
 */

export interface TomlLines {
  /** Line, from 1, by path: `redis.listen`, `raft.peer.0.id`, `redis` for the table itself. */
  readonly lines: ReadonlyMap<string, number>;
  readonly repeated: readonly { readonly path: string; readonly line: number }[];
}

const HEADER = /^\s*(\[\[?)\s*([A-Za-z0-9_.-]+)\s*\]\]?\s*(?:#.*)?$/;
const ASSIGNMENT = /^\s*([A-Za-z0-9_.-]+|"[^"]+")\s*=/;

export function tomlLines(text: string): TomlLines {
  const lines = new Map<string, number>();
  const repeated: { path: string; line: number }[] = [];
  const tables = new Map<string, number>();
  const place = (path: string, line: number) => {
    if (lines.has(path)) repeated.push({ path, line });
    else lines.set(path, line);
  };
  let prefix = "";
  let depth = 0;
  for (const [at, line] of text.split("\n").entries()) {
    if (depth === 0) {
      const header = HEADER.exec(line.trimEnd());
      if (header !== null) {
        const [, opening, name] = header;
        if (opening === "[[") {
          const index = tables.get(name) ?? 0;
          tables.set(name, index + 1);
          prefix = `${name}.${index}`;
        } else {
          prefix = name;
        }
        place(prefix, at + 1);
        continue;
      }
      const key = ASSIGNMENT.exec(line)?.[1].replaceAll('"', "");
      if (key !== undefined) place(prefix === "" ? key : `${prefix}.${key}`, at + 1);
    }
    depth = Math.max(0, depth + bracketBalance(line));
  }
  return { lines, repeated };
}

/** Brackets opened and not closed on a line, outside strings and comments. */
function bracketBalance(line: string): number {
  const bare = line.replace(/"(?:[^"\\]|\\.)*"|'[^']*'|#.*$/g, "");
  return (bare.match(/[[{]/g)?.length ?? 0) - (bare.match(/[\]}]/g)?.length ?? 0);
}
