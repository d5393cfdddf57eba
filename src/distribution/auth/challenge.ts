/** One way to show rights that a registry offers. Names of parameters are in lower case. */
export interface Challenge {
  readonly scheme: "bearer" | "basic";
  readonly parameters: Readonly<Record<string, string>>;
}

const token = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+/;
/** More than any registry sends. */
const maxLength = 16 * 1024;

/** Reads `WWW-Authenticate`, several challenges in one or more values (RFC 9110, 11.6.1). What is malformed ends it. */
export function readChallenges(header: string | null): Challenge[] {
  const found: Challenge[] = [];
  let rest = (header ?? "").slice(0, maxLength);
  while ((rest = rest.replace(/^[\s,]+/, "")) !== "") {
    const scheme = token.exec(rest)?.[0];
    if (scheme === undefined) break;
    rest = rest.slice(scheme.length).replace(/^[ \t]+/, "");
    const parameters: Record<string, string> = Object.create(null) as Record<string, string>;
    for (;;) {
      const read = readParameter(rest);
      if (read === undefined) break;
      parameters[read.name] ??= read.value;
      rest = read.rest;
    }
    const name = scheme.toLowerCase();
    if (name === "bearer" || name === "basic") found.push({ scheme: name, parameters });
  }
  return found;
}

/** `name=value` or `name="value"`, with the comma after it when another parameter follows. */
function readParameter(text: string): { name: string; value: string; rest: string } | undefined {
  const [head, name = ""] = /^([!#$%&'*+\-.^_`|~0-9A-Za-z]+)[ \t]*=[ \t]*/.exec(text) ?? [];
  if (head === undefined) return undefined;
  let rest = text.slice(head.length);
  let value: string;
  const quoted = /^"((?:[^"\\]|\\.)*)"/s.exec(rest);
  if (quoted) {
    value = (quoted[1] ?? "").replace(/\\(.)/gs, "$1");
    rest = rest.slice(quoted[0].length);
  } else {
    const bare = token.exec(rest)?.[0];
    if (bare === undefined) return undefined;
    value = bare;
    rest = rest.slice(bare.length);
  }
  return { name: name.toLowerCase(), value, rest: rest.replace(/^[ \t]*,?[ \t]*/, "") };
}
