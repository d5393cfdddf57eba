import { located, parseError, SyntaxFault } from "./dockerfile-error.ts";
import { readFlags, splitFlags } from "./flags.ts";
import type { Heredoc } from "./heredoc.ts";
import type { Dockerfile, FromInstruction, Instruction, InstructionBody, Stage } from "./instructions.ts";
import { parseHealthcheck } from "./parse-health.ts";
import { parseTransfer } from "./parse-transfer.ts";
import { readSource } from "./source.ts";
import { didYouMean } from "./suggest.ts";
import type { Written } from "./written.ts";
import { blankWords, jsonWords, pairs, rawWords } from "./words.ts";

/** Reads a whole Dockerfile. Throws `invalid` that names file, line and the likely fix. */
export function parseDockerfile(text: string, fileName = "Dockerfile"): Dockerfile {
  const source = readSource(text, fileName);
  const globalArgs: (Instruction & { kind: "arg" })[] = [];
  const stages: Stage[] = [];
  let instructions: Instruction[] = [];
  for (const line of source.lines) {
    const instruction = located(fileName, line, () => parseInstruction(line, source.escape));
    if (instruction.kind === "from") {
      instructions = [];
      stages.push({ index: stages.length, from: instruction, instructions });
    } else if (stages.length > 0) instructions.push(instruction);
    else if (instruction.kind === "arg") globalArgs.push(instruction);
    else
      throw parseError(
        fileName,
        line,
        `no build stage in current context: a Dockerfile begins with FROM, only ARG may stand before it`,
      );
  }
  if (stages.length === 0)
    throw parseError(fileName, source.lines[0] ?? { line: 1, endLine: 1 }, "no build stage: there is no FROM");
  return {
    fileName,
    escape: source.escape,
    syntax: source.syntax,
    check: source.check,
    checkLine: source.checkLine,
    globalArgs,
    stages,
    emptyContinuations: source.lines.filter((line) => line.emptyContinuation),
  };
}

/** Reads one instruction. Throws SyntaxFault. */
export function parseInstruction(
  line: { text: string; line: number; endLine: number; comments: readonly string[]; heredocs: readonly Heredoc[] },
  escape: string,
): Instruction {
  const found = /^(\S+)\s*([^]*)$/u.exec(line.text.trim());
  const word = found?.[1] ?? "";
  const name = word.toUpperCase();
  const parse = instructionParsers[name];
  if (!parse) throw new SyntaxFault(`unknown instruction: ${word}${didYouMean(name, Object.keys(instructionParsers))}`);
  const { flags, rest } = splitFlags(found?.[2] ?? "", escape);
  const body = parse({ name, flags, rest: rest.trim(), heredocs: line.heredocs, escape });
  return {
    ...body,
    word,
    text: line.text.trim(),
    comments: line.comments,
    line: line.line,
    endLine: line.endLine,
  };
}

const needsOne = (name: string): SyntaxFault => new SyntaxFault(`${name} requires at least one argument`);

const instructionParsers: Readonly<Record<string, (written: Written) => InstructionBody>> = {
  FROM: parseFrom,
  RUN: parseRun,
  COPY: (written) => parseTransfer(written, "copy"),
  ADD: (written) => parseTransfer(written, "add"),
  ARG: (written) => {
    readFlags(written.flags, {});
    const words = rawWords(written.rest, written.escape);
    if (words.length === 0) throw needsOne("ARG");
    return {
      kind: "arg",
      args: words.map((word) => {
        const equals = word.indexOf("=");
        if (equals === 0) throw new SyntaxFault("ARG names can not be blank");
        return equals < 0
          ? { key: word, value: undefined }
          : { key: word.slice(0, equals), value: word.slice(equals + 1) };
      }),
    };
  },
  ENV: (written) => ({ kind: "env", pairs: plainPairs(written) }),
  LABEL: (written) => ({ kind: "label", pairs: plainPairs(written) }),
  CMD: (written) => ({ kind: "cmd", ...shellOrExec(written) }),
  ENTRYPOINT: (written) => {
    if (written.rest === "") throw needsOne("ENTRYPOINT");
    return { kind: "entrypoint", ...shellOrExec(written) };
  },
  EXPOSE: (written) => {
    readFlags(written.flags, {});
    const values = blankWords(written.rest);
    if (values.length === 0) throw needsOne("EXPOSE");
    return { kind: "expose", values };
  },
  VOLUME: (written) => {
    readFlags(written.flags, {});
    const values = jsonWords(written.rest) ?? blankWords(written.rest);
    if (values.length === 0) throw needsOne("VOLUME");
    if (values.some((value) => value === "")) throw new SyntaxFault("VOLUME specified can not be an empty string");
    return { kind: "volume", values };
  },
  WORKDIR: (written) => ({ kind: "workdir", value: single(written) }),
  USER: (written) => ({ kind: "user", value: single(written) }),
  STOPSIGNAL: (written) => ({ kind: "stopsignal", value: single(written) }),
  MAINTAINER: (written) => ({ kind: "maintainer", value: single(written) }),
  SHELL: (written) => {
    readFlags(written.flags, {});
    const values = jsonWords(written.rest);
    if (values === undefined)
      throw new SyntaxFault('SHELL requires the arguments to be in JSON form: SHELL ["/bin/sh", "-c"]');
    if (values.length === 0) throw needsOne("SHELL");
    return { kind: "shell", values };
  },
  ONBUILD: parseOnBuild,
  HEALTHCHECK: (written) => ({ kind: "healthcheck", health: parseHealthcheck(written) }),
};

function plainPairs({ name, flags, rest, escape }: Written): ReturnType<typeof pairs> {
  readFlags(flags, {});
  return pairs(rest, name, escape);
}

function single({ name, flags, rest }: Written): string {
  readFlags(flags, {});
  if (rest === "") throw new SyntaxFault(`${name} requires exactly one argument`);
  return rest;
}

function shellOrExec({ flags, rest }: Written): { shellForm: boolean; args: readonly string[] } {
  readFlags(flags, {});
  const exec = jsonWords(rest);
  return exec ? { shellForm: false, args: exec } : { shellForm: true, args: rest === "" ? [] : [rest] };
}

function parseFrom({ flags, rest }: Written): FromInstruction {
  const words = blankWords(rest);
  const [base, asWord, writtenName] = words;
  if (base === undefined || (words.length !== 1 && (words.length !== 3 || asWord?.toLowerCase() !== "as")))
    throw new SyntaxFault("FROM requires either one or three arguments: FROM image [AS name]");
  const name = writtenName?.toLowerCase() ?? "";
  if (writtenName !== undefined && !/^[a-z][a-z0-9-_.]*$/.test(name))
    throw new SyntaxFault(
      `invalid name for build stage: ${JSON.stringify(writtenName)}, name can't start with a number or contain symbols`,
    );
  const { text } = readFlags(flags, { platform: "text" });
  return {
    kind: "from",
    base,
    name,
    writtenName: writtenName ?? "",
    asWord: asWord ?? "",
    platform: text("platform"),
  };
}

function parseRun({ flags, rest, heredocs }: Written): InstructionBody {
  const { text, texts } = readFlags(flags, { mount: "texts", network: "text", security: "text", device: "texts" });
  if (texts("device").length > 0)
    throw new SyntaxFault("RUN --device is not supported: this engine has no CDI devices");
  const network = text("network") || "default";
  if (!["default", "none", "host"].includes(network))
    throw new SyntaxFault(
      `unsupported network mode ${JSON.stringify(network)}${didYouMean(network, ["default", "none", "host"])}`,
    );
  const security = text("security") || "sandbox";
  if (!["sandbox", "insecure"].includes(security))
    throw new SyntaxFault(
      `security ${JSON.stringify(security)} is not valid${didYouMean(security, ["sandbox", "insecure"])}`,
    );
  const exec = jsonWords(rest);
  if (rest === "" || exec?.length === 0) throw needsOne("RUN");
  return {
    kind: "run",
    shellForm: exec === undefined,
    args: exec ?? [rest],
    heredocs: exec ? [] : heredocs,
    mounts: texts("mount"),
    network,
    security,
  };
}

function parseOnBuild({ flags, rest, heredocs, escape }: Written): InstructionBody {
  readFlags(flags, {});
  if (rest === "") throw needsOne("ONBUILD");
  const trigger = (/^\S+/.exec(rest)?.[0] ?? "").toUpperCase();
  if (trigger === "ONBUILD") throw new SyntaxFault("Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed");
  if (trigger === "FROM" || trigger === "MAINTAINER")
    throw new SyntaxFault(`${trigger} isn't allowed as an ONBUILD trigger`);
  parseInstruction({ text: rest, line: 1, endLine: 1, comments: [], heredocs }, escape); // its mistakes are told now
  const documents = heredocs.map(({ name, content }) => `\n${content}${name}`).join("");
  return { kind: "onbuild", trigger: rest + documents };
}
