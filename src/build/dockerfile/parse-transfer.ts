import { SyntaxFault } from "./dockerfile-error.ts";
import { readFlags } from "./flags.ts";
import { type Heredoc, readHeredocMark } from "./heredoc.ts";
import type { AddInstruction, CopyInstruction } from "./instructions.ts";
import type { Written } from "./written.ts";
import { blankWords, jsonWords } from "./words.ts";

/** COPY and ADD. */
export function parseTransfer(written: Written, kind: "copy" | "add"): CopyInstruction | AddInstruction {
  const { name, rest, escape } = written;
  const words = jsonWords(rest) ?? blankWords(rest);
  if (words.length === 0) throw new SyntaxFault(`${name} requires at least two arguments`);
  if (words.length === 1)
    throw new SyntaxFault(
      `${name} requires at least two arguments, but only one was provided. Destination could not be determined`,
    );
  const destination = words.at(-1) ?? "";
  if (readHeredocMark(destination, escape)) throw new SyntaxFault(`${name} cannot accept a heredoc as a destination`);
  const sources: string[] = [];
  const inline: Heredoc[] = [];
  for (const word of words.slice(0, -1)) {
    const opened = readHeredocMark(word, escape);
    if (!opened) sources.push(word);
    else inline.push(written.heredocs.find((heredoc) => heredoc.name === opened.name) ?? opened);
  }
  const { text, texts, boolean } = readFlags(written.flags, {
    chown: "text",
    chmod: "text",
    link: "boolean",
    exclude: "texts",
    ...(kind === "copy"
      ? { from: "text", parents: "boolean" }
      : { checksum: "text", "keep-git-dir": "boolean", unpack: "boolean" }),
  });
  const common = {
    sources,
    inline,
    destination,
    chown: text("chown"),
    chmod: text("chmod"),
    link: boolean("link") === true,
    parents: boolean("parents") === true,
    excludes: texts("exclude"),
  };
  return kind === "copy"
    ? { kind, ...common, from: text("from") }
    : {
        kind,
        ...common,
        checksum: text("checksum"),
        keepGitDir: boolean("keep-git-dir"),
        unpack: boolean("unpack"),
      };
}
