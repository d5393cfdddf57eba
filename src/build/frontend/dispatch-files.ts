import { posix } from "node:path";
import { SyntaxFault } from "../dockerfile/dockerfile-error.ts";
import { heredocText } from "../dockerfile/heredoc.ts";
import type { Instruction } from "../dockerfile/instructions.ts";
import { expand } from "../dockerfile/variables.ts";
import type { CopyAction, CopySource, SourceOf } from "../graph.ts";
import { expandIn, reportUnset } from "./expand-in.ts";
import { layerStep } from "./history-text.ts";
import type { StageState } from "./stage-state.ts";

type Transfer = Extract<Instruction, { kind: "copy" | "add" }>;

/** COPY and ADD. */
export function dispatchTransfer(state: StageState, instruction: Transfer): void {
  const { context } = state;
  const word = instruction.kind === "copy" ? "COPY" : "ADD";
  const text = (value: string): string => expandIn(state, value, instruction);
  const sources = instruction.sources.map(text);
  const destination = text(instruction.destination);
  const [owner, mode] = [text(instruction.chown), text(instruction.chmod)];
  if (mode !== "" && !/^(0?o?[0-7]{1,4}|[ugoa]*[-+=][rwxXst]*(,[ugoa]*[-+=][rwxXst]*)*)$/.test(mode))
    throw new SyntaxFault(`invalid chmod parameter: '${mode}'. it should be octal string and between 0 and 07777`);
  const from = sourceOf(state, instruction);
  const excludes = instruction.excludes.map(text);
  const found: CopySource[] = [];
  const paths: string[] = [];
  for (const source of sources) {
    const remote = instruction.kind === "add" ? remoteSource(source, instruction) : undefined;
    if (remote) found.push(remote);
    else paths.push(source);
  }
  if (instruction.kind === "add" && instruction.checksum !== "" && (found.length !== 1 || paths.length > 0))
    throw new SyntaxFault("checksum can't be specified for non-HTTP(S) sources, nor for several");
  if (paths.length > 0) {
    found.push({
      kind: "paths",
      from,
      patterns: paths,
      unpack: instruction.kind === "add" && instruction.unpack !== false,
    });
    if (from.kind === "context") {
      const used = context.contextPaths.get(from.name) ?? new Set();
      context.contextPaths.set(from.name, used);
      for (const path of paths) {
        used.add(path);
        if (from.name === "") lintIgnored(state, path, instruction);
      }
    }
  }
  for (const heredoc of instruction.inline) {
    const content = heredocText(heredoc);
    const expanded = heredoc.expand
      ? expand(content, state.lookup, { escape: "\\", plainQuotes: true })
      : { text: content, unset: [] };
    reportUnset(state, expanded.unset, instruction);
    found.push({ kind: "text", name: heredoc.name, content: expanded.text });
  }
  if (sources.length + instruction.inline.length > 1 && !destination.endsWith("/") && !/(^|\/)\.\.?$/.test(destination))
    throw new SyntaxFault(
      `When using ${word} with more than one source file, the destination must be a directory and end with a /`,
    );
  const absolute = destination.startsWith("/")
    ? destination
    : `${(state.config.WorkingDir || "/").replace(/\/?$/, "/")}${destination}`;
  const folder = /(^|\/)(\.\.?)?$/.test(destination);
  const cleaned = posix.join("/", absolute);
  const action: CopyAction = {
    kind: "copy",
    instruction: word,
    sources: found,
    destination: folder ? cleaned.replace(/\/?$/, "/") : cleaned.replace(/(.)\/$/, "$1"),
    owner,
    mode,
    parents: instruction.parents,
    excludes,
  };
  const flags = [
    ...(instruction.parents ? ["--parents"] : []),
    ...(owner === "" ? [] : [`--chown=${owner}`]),
    ...(mode === "" ? [] : [`--chmod=${mode}`]),
  ];
  const shown = [word, ...flags, ...sources, ...instruction.inline.map(({ name }) => `<<${name}`), destination].join(
    " ",
  );
  const title = instruction.text.replace(/^\S+/, word);
  state.add({ kind: "files", base: state.vertex, action, link: instruction.link }, title, instruction);
  layerStep(state, `${shown} # buildkit`, (content) => [word, ...flags, content, "in", `${destination} `].join(" "));
}

function sourceOf(state: StageState, instruction: Transfer): SourceOf {
  const from = instruction.kind === "copy" ? instruction.from : "";
  return from === "" ? { kind: "context", name: "" } : state.context.source(from, state);
}

function lintIgnored(state: StageState, path: string, instruction: Transfer): void {
  const { ignore } = state.context.options;
  if (!ignore || ignore.hasExceptions) return;
  const clean = posix.join("/", path).slice(1).replace(/\/$/, "");
  const ignored =
    clean === "" ? ignore.patterns.some((pattern) => ["*", "**", "**/*"].includes(pattern)) : ignore.ignores(clean);
  if (!ignored) return;
  state.context.lint.report(
    "CopyIgnoredFile",
    `Attempting to ${instruction.kind === "copy" ? "Copy" : "Add"} file ${JSON.stringify(clean === "" ? "." : clean)} that is excluded by .dockerignore`,
    instruction,
  );
}

/** URLs and git repositories of ADD; undefined for a path. */
function remoteSource(source: string, add: Extract<Instruction, { kind: "add" }>): CopySource | undefined {
  if (isGit(source)) return { kind: "git", url: source, keepGitDir: add.keepGitDir === true, checksum: add.checksum };
  if (!/^https?:\/\//i.test(source)) return undefined;
  if (add.checksum !== "" && !/^sha256:[0-9a-f]{64}$/.test(add.checksum))
    throw new SyntaxFault(`invalid checksum ${JSON.stringify(add.checksum)}: it is sha256:<64 hex digits>`);
  return { kind: "url", url: source, checksum: add.checksum, unpack: add.unpack === true };
}

/** moby parity: gitutil.ParseGitRef: `git@host:`, `git://`, `ssh://`, and http(s) whose path ends in `.git`. */
export function isGit(source: string): boolean {
  if (/^(git|ssh):\/\//i.test(source) || /^git@[^:]+:/.test(source) || source.startsWith("github.com/")) return true;
  return /^https?:\/\/[^?#]+\.git(?:[?#].*)?$/i.test(source);
}
