/** Splits an inline command into arguments as `sdssplitargs` of Redis does. Cold path. */

/**
 * Arguments of `line` (a byte string without its line end), or undefined when quotes do not match.
 * Double quotes take `\xHH`, `\n`, `\r`, `\t`, `\b`, `\a` and `\` before any other character; single
 * quotes take `\'` alone. A closing quote must end its argument.
 */
export function splitInline(line: string): string[] | undefined {
  const parts: string[] = [];
  let at = 0;
  while (true) {
    while (at < line.length && isSpace(line[at])) at++;
    if (at >= line.length) return parts;
    const part = readPart(line, at);
    if (part === undefined) return undefined;
    parts.push(part.text);
    at = part.next;
  }
}

function readPart(line: string, start: number): { text: string; next: number } | undefined {
  let text = "";
  let at = start;
  while (at < line.length && !isSpace(line[at])) {
    const char = line[at];
    if (char !== '"' && char !== "'") {
      text += char;
      at++;
      continue;
    }
    const quoted = char === '"' ? readDouble(line, at + 1) : readSingle(line, at + 1);
    if (quoted === undefined) return undefined;
    text += quoted.text;
    at = quoted.next;
    if (at < line.length && !isSpace(line[at])) return undefined;
  }
  return { text, next: at };
}

function readDouble(line: string, start: number): { text: string; next: number } | undefined {
  let text = "";
  for (let at = start; at < line.length; at++) {
    const char = line[at];
    if (char === '"') return { text, next: at + 1 };
    if (char !== "\\" || at + 1 >= line.length) {
      text += char;
      continue;
    }
    const hex = /^x([0-9a-fA-F]{2})/.exec(line.slice(at + 1, at + 4));
    if (hex !== null) {
      text += String.fromCharCode(parseInt(hex[1], 16));
      at += 3;
    } else {
      at++;
      text += ESCAPES[line[at]] ?? line[at];
    }
  }
  return undefined;
}

function readSingle(line: string, start: number): { text: string; next: number } | undefined {
  let text = "";
  for (let at = start; at < line.length; at++) {
    if (line[at] === "'") return { text, next: at + 1 };
    if (line[at] === "\\" && line[at + 1] === "'") at++;
    text += line[at];
  }
  return undefined;
}

const ESCAPES: Readonly<Record<string, string>> = {
  __proto__: null as never,
  n: "\n",
  r: "\r",
  t: "\t",
  b: "\b",
  a: "\x07",
};

/** `isspace` of C in its plain locale. */
function isSpace(char: string): boolean {
  return char === " " || (char >= "\t" && char <= "\r");
}
