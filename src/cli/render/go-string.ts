/** Length in UTF-8, which is what Go's len counts. */
export function byteLength(text: string): number {
  return Buffer.byteLength(text);
}

/** text[start:end] in bytes; a cut character becomes the replacement character, as a terminal would show it. */
export function byteSlice(text: string, start: number, end: number): string {
  // One byte per unit when it is all ASCII.
  // oxlint-disable-next-line no-control-regex
  if (/^[\x00-\x7f]*$/.test(text)) return text.slice(start, end);
  return Buffer.from(text).subarray(start, end).toString();
}

/** strconv.Quote. */
export function quote(text: string): string {
  let out = '"';
  for (const char of text) {
    const code = char.codePointAt(0) ?? 0;
    if (char === '"' || char === "\\") out += `\\${char}`;
    else if (code === 0x0a) out += "\\n";
    else if (code === 0x09) out += "\\t";
    else if (code === 0x0d) out += "\\r";
    else if (code === 0x07) out += "\\a";
    else if (code === 0x08) out += "\\b";
    else if (code === 0x0c) out += "\\f";
    else if (code === 0x0b) out += "\\v";
    else if (code < 0x20 || code === 0x7f) out += `\\x${code.toString(16).padStart(2, "0")}`;
    else if (code > 0x7f && !isPrintable(char)) {
      out += code > 0xff_ff ? `\\U${code.toString(16).padStart(8, "0")}` : `\\u${code.toString(16).padStart(4, "0")}`;
    } else out += char;
  }
  return `${out}"`;
}

/** unicode.IsPrint: letters, marks, numbers, punctuation, symbols and the ASCII space. */
export function isPrintable(char: string): boolean {
  return char === " " || /^[\p{L}\p{M}\p{N}\p{P}\p{S}]$/u.test(char);
}

/** strconv.Unquote of a `"..."` or raw text; undefined if it is not one. */
export function unquote(quoted: string): string | undefined {
  if (quoted.startsWith("`")) return quoted.slice(1, -1).replaceAll("\r", "");
  return unescape(quoted.slice(1, -1), '"');
}

const simple: Readonly<Record<string, string>> = {
  a: "\x07",
  b: "\b",
  f: "\f",
  n: "\n",
  r: "\r",
  t: "\t",
  v: "\v",
  "\\": "\\",
  "'": "'",
  '"': '"',
};

/** The escapes of a Go literal; undefined if one is wrong. */
export function unescape(body: string, delimiter: '"' | "'"): string | undefined {
  const bytes: Buffer[] = [];
  const pattern = /\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([0-7]{3})|([abfnrtv\\'"]))|([^\\\n]+)/gy;
  let end = 0;
  while (pattern.lastIndex < body.length) {
    const match = pattern.exec(body);
    if (match === null) return undefined;
    end = pattern.lastIndex;
    const [, hex, short, long, octal, letter, plain] = match;
    if (plain !== undefined) bytes.push(Buffer.from(plain));
    else if (hex !== undefined) bytes.push(Buffer.from([Number.parseInt(hex, 16)]));
    else if (octal !== undefined) {
      const byte = Number.parseInt(octal, 8);
      if (byte > 255) return undefined;
      bytes.push(Buffer.from([byte]));
    } else if (letter !== undefined) {
      if ((letter === "'" || letter === '"') && letter !== delimiter) return undefined;
      bytes.push(Buffer.from(simple[letter] ?? ""));
    } else {
      const code = Number.parseInt(short ?? long ?? "", 16);
      if (code > 0x10_ff_ff || (code >= 0xd8_00 && code < 0xe0_00)) return undefined;
      bytes.push(Buffer.from(String.fromCodePoint(code)));
    }
  }
  return end === body.length ? Buffer.concat(bytes).toString() : undefined;
}
