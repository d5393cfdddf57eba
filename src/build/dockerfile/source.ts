import { type Place, parseError } from "./dockerfile-error.ts";
import { type Heredoc, heredocsOf } from "./heredoc.ts";

/** One instruction as text: continuation lines joined, comments inside it dropped, its here-documents beside it. */
export interface SourceLine extends Place {
  readonly text: string;
  /** Comments right above it, without `#`. */
  readonly comments: readonly string[];
  readonly heredocs: readonly Heredoc[];
  readonly emptyContinuation: boolean;
}

export interface Source {
  readonly lines: readonly SourceLine[];
  readonly escape: string;
  /** `# syntax=`; empty without one. */
  readonly syntax: string;
  /** `# check=`; empty without one. */
  readonly check: string;
  readonly checkLine: number;
}

const directive = /^#\s*([a-zA-Z][a-zA-Z0-9]*)\s*=\s*(.+?)\s*$/;
const withHeredocs = /^(?:onbuild\s+)?(?:add|copy|run)(?:\s|$)/i;
/** Longer Dockerfiles are mistakes or attacks. */
export const maxDockerfileBytes = 2 * 1024 * 1024;

/** Splits a Dockerfile into instructions. Throws `invalid` with the line. */
export function readSource(text: string, fileName = "Dockerfile"): Source {
  const rows = text
    .replace(/^\uFEFF/, "")
    .split("\n")
    .map((row, index, all) => (index < all.length - 1 ? `${row}\n` : row));
  if (rows.at(-1) === "") rows.pop();
  const directives = readDirectives(rows, fileName);
  const lines: SourceLine[] = [];
  let comments: string[] = [];
  for (let at = 0; at < rows.length; at++) {
    const row = rows[at] ?? "";
    const trimmed = row.trim();
    if (trimmed.startsWith("#")) {
      comments.push(trimmed.slice(1).trim());
      continue;
    }
    if (trimmed === "") {
      comments = [];
      continue;
    }
    const joined = joinRows(rows, at, directives.escape);
    if (joined.text.trim() === "") {
      at = joined.last;
      continue;
    }
    const place = { line: at + 1, endLine: joined.last + 1 };
    const opened = withHeredocs.test(joined.text) ? heredocsOf(joined.text, directives.escape) : [];
    const read = readHeredocs(rows, joined.last + 1, opened, (open) =>
      parseError(fileName, { ...place, endLine: rows.length }, `unterminated heredoc: no line is "${open.name}" alone`),
    );
    lines.push({
      text: joined.text.trim(),
      comments,
      heredocs: read.heredocs,
      emptyContinuation: joined.emptyContinuation,
      line: place.line,
      endLine: read.last + 1,
    });
    comments = [];
    at = read.last;
  }
  if (lines.length === 0) throw parseError(fileName, { line: 1, endLine: 1 }, "file with no instructions");
  return { lines, ...directives };
}

/** Parser directives: at the top, each once, until the first line that is none. */
function readDirectives(rows: readonly string[], fileName: string): Omit<Source, "lines"> {
  const known = new Map<string, { value: string; line: number }>();
  for (const [index, row] of rows.entries()) {
    if (index === 0 && row.startsWith("#!")) continue;
    const found = directive.exec(row.trim());
    if (!found) break;
    const key = (found[1] ?? "").toLowerCase();
    if (!["syntax", "escape", "check"].includes(key)) continue;
    const place = { line: index + 1, endLine: index + 1 };
    if (known.has(key)) throw parseError(fileName, place, `only one ${key} parser directive can be used`);
    known.set(key, { value: found[2] ?? "", line: index + 1 });
    if (key === "escape" && found[2] !== "\\" && found[2] !== "`")
      throw parseError(fileName, place, `invalid escape token '${found[2]}' does not match ${"`"} or \\`);
  }
  return {
    escape: known.get("escape")?.value ?? "\\",
    syntax: known.get("syntax")?.value ?? otherSyntax(rows),
    check: known.get("check")?.value ?? "",
    checkLine: known.get("check")?.line ?? 0,
  };
}

/** `// syntax=x` and `{"syntax": "x"}`: for files that are no Dockerfile but name their frontend. */
function otherSyntax(rows: readonly string[]): string {
  const first = rows[rows[0]?.startsWith("#!") ? 1 : 0]?.trim() ?? "";
  const slashes = /^\/\/\s*syntax\s*=\s*(.+)$/i.exec(first)?.[1];
  if (slashes !== undefined) return slashes.trim();
  if (!first.startsWith("{")) return "";
  return /"syntax"\s*:\s*"([^"]+)"/.exec(rows.join(""))?.[1] ?? "";
}

interface Joined {
  readonly text: string;
  readonly last: number;
  readonly emptyContinuation: boolean;
}

/** Joins a row with those that continue it. */
function joinRows(rows: readonly string[], first: number, escape: string): Joined {
  const continues = new RegExp(escape === "\\" ? "^(.*[^\\\\])?\\\\[ \\t]*$" : "^(.*[^`])?`[ \\t]*$", "s");
  let text = "";
  let emptyContinuation = false;
  let last = first;
  for (let at = first; at < rows.length; at++) {
    const row = (rows[at] ?? "").replace(/\r?\n$/, "");
    if (at > first) {
      if (row.trimStart().startsWith("#")) {
        last = at;
        continue;
      }
      if (row.trim() === "") {
        emptyContinuation = true;
        last = at;
        continue;
      }
    }
    last = at;
    const found = continues.exec(row);
    if (!found) return { text: text + (at === first ? row.trimStart() : row), last, emptyContinuation };
    text += at === first ? (found[1] ?? "").trimStart() : (found[1] ?? "");
  }
  return { text, last, emptyContinuation };
}

function readHeredocs(
  rows: readonly string[],
  first: number,
  opened: readonly Heredoc[],
  unterminated: (open: Heredoc) => Error,
): { heredocs: Heredoc[]; last: number } {
  const heredocs: Heredoc[] = [];
  let at = first;
  for (const open of opened) {
    let content = "";
    for (; ; at++) {
      const row = rows[at];
      if (row === undefined) throw unterminated(open);
      const bare = row.replace(/\r?\n$/, "");
      if ((open.chomp ? bare.replace(/^\t+/, "") : bare) === open.name) break;
      content += row;
    }
    at++;
    heredocs.push({ ...open, content });
  }
  return { heredocs, last: at - 1 };
}
