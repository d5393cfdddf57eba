import { SyntaxFault } from "./dockerfile-error.ts";
import { expand } from "./variables.ts";

/** `<<EOF` and its lines. */
export interface Heredoc {
  readonly name: string;
  /** `3<<EOF`; empty without a number. */
  readonly descriptor: string;
  /** The word was not quoted: COPY and ADD expand variables in the content. */
  readonly expand: boolean;
  /** `<<-`: leading tabs are not part of the content. */
  readonly chomp: boolean;
  /** Empty until it was read. Ends in a newline when it has a line. */
  readonly content: string;
}

const mark = /^(\d*)<<(-?)([^<]*)$/s;

/** What a single word opens; undefined when it opens none. */
export function readHeredocMark(word: string, escape: string): Heredoc | undefined {
  const found = mark.exec(word);
  const rest = found?.[3] ?? "";
  if (!found || rest === "") return undefined;
  const none = (): undefined => undefined;
  const raw = expand(rest, none, { escape, rawQuotes: true, keepUnset: true });
  const plain = expand(rest, none, { escape, keepUnset: true });
  if (plain.words.length !== 1 || raw.words.length !== 1) return undefined;
  return {
    name: plain.words[0] ?? "",
    descriptor: found[1] ?? "",
    expand: raw.text === plain.text && !rest.includes(escape),
    chomp: found[2] === "-",
    content: "",
  };
}

/** Those that a line opens, in order. */
export function heredocsOf(line: string, escape: string): Heredoc[] {
  if (!line.includes("<<")) return [];
  try {
    const { words } = expand(line, () => undefined, { escape, rawQuotes: true, rawEscapes: true, keepUnset: true });
    return words.flatMap((word) => readHeredocMark(word, escape) ?? []);
  } catch (error) {
    if (error instanceof SyntaxFault) return []; // shell text that is no word list: the shell will say so
    throw error;
  }
}

/** Content as the step gets it: without leading tabs for `<<-`. */
export const heredocText = (heredoc: Heredoc): string =>
  heredoc.chomp ? heredoc.content.replaceAll(/^\t+/gm, "") : heredoc.content;
