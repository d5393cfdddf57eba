import { describe, expect, test } from "bun:test";
import type { Instruction } from "./instructions.ts";
import { parseDockerfile } from "./parse.ts";

/** The only instruction of a stage. */
function one(text: string): Instruction {
  const found = parseDockerfile(`FROM x\n${text}`).stages[0]?.instructions[0];
  if (!found) throw new Error("nothing was read");
  return found;
}

describe("instructions", () => {
  for (const [text, wanted] of [
    ["RUN a b", { kind: "run", shellForm: true, args: ["a b"] }],
    ['RUN ["a", "b c"]', { kind: "run", shellForm: false, args: ["a", "b c"] }],
    ['RUN ["a", "b"', { shellForm: true, args: ['["a", "b"'] }],
    ["RUN a \\\n  b \\\n# no\n  c", { args: ["a   b   c"], line: 2, endLine: 5 }],
    ["run --network=none --security=insecure x", { network: "none", security: "insecure", word: "run" }],
    [
      "RUN --mount=type=cache,target=/c --mount=type=tmpfs,target=/t x",
      { mounts: ["type=cache,target=/c", "type=tmpfs,target=/t"] },
    ],
    ["COPY a b /c/", { kind: "copy", sources: ["a", "b"], destination: "/c/" }],
    ['COPY ["a b", "c"]', { sources: ["a b"], destination: "c" }],
    [
      "COPY --from=s --chown=1:2 --chmod=0755 --link --parents --exclude=*.x --exclude=y a b",
      { from: "s", chown: "1:2", chmod: "0755", link: true, parents: true, excludes: ["*.x", "y"] },
    ],
    ["COPY --link=false a b", { link: false }],
    [
      "ADD --checksum=sha256:x --keep-git-dir=true --unpack=false a b",
      { kind: "add", checksum: "sha256:x", keepGitDir: true, unpack: false },
    ],
    [
      "ENV a=1 b='2 3' c=\"4\"",
      {
        pairs: [
          { key: "a", value: "1", legacy: false },
          { key: "b", value: "'2 3'", legacy: false },
          { key: "c", value: '"4"', legacy: false },
        ],
      },
    ],
    ["ENV a 1 2", { pairs: [{ key: "a", value: "1 2", legacy: true }] }],
    ["LABEL a=b", { kind: "label" }],
    [
      "ARG a b=1 c=",
      {
        args: [
          { key: "a", value: undefined },
          { key: "b", value: "1" },
          { key: "c", value: "" },
        ],
      },
    ],
    ["CMD", { kind: "cmd", args: [] }],
    ["ENTRYPOINT sh -c x", { kind: "entrypoint", shellForm: true, args: ["sh -c x"] }],
    ["EXPOSE 80 443/udp 1-3", { values: ["80", "443/udp", "1-3"] }],
    ['VOLUME ["/a", "/b"]', { values: ["/a", "/b"] }],
    ["VOLUME /a /b", { values: ["/a", "/b"] }],
    ["WORKDIR /a b", { kind: "workdir", value: "/a b" }],
    ["USER 1:2", { kind: "user", value: "1:2" }],
    ['SHELL ["/bin/bash", "-c"]', { values: ["/bin/bash", "-c"] }],
    ["STOPSIGNAL SIGQUIT", { value: "SIGQUIT" }],
    ["MAINTAINER a b", { kind: "maintainer", value: "a b" }],
    ["ONBUILD RUN x", { kind: "onbuild", trigger: "RUN x" }],
    [
      "HEALTHCHECK NONE",
      { health: { test: ["NONE"], intervalNs: 0, timeoutNs: 0, startPeriodNs: 0, startIntervalNs: 0, retries: 0 } },
    ],
    [
      "HEALTHCHECK --interval=5s --timeout=1m --start-period=500ms --start-interval=1s --retries=3 CMD a b",
      {
        health: {
          test: ["CMD-SHELL", "a b"],
          intervalNs: 5e9,
          timeoutNs: 60e9,
          startPeriodNs: 5e8,
          startIntervalNs: 1e9,
          retries: 3,
        },
      },
    ],
    ['HEALTHCHECK CMD ["a", "b"]', { health: { test: ["CMD", "a", "b"] } }],
  ] as const)
    test(text, () => expect(one(text)).toMatchObject(wanted as object));
});

describe("here-documents", () => {
  test("RUN keeps its lines beside it, a quoted word and <<- are known", () => {
    const run = one("RUN <<-'EOF' cat\n\ta $b\n\tEOF");
    expect(run).toMatchObject({
      heredocs: [{ name: "EOF", expand: false, chomp: true, content: "\ta $b\n", descriptor: "" }],
      endLine: 4,
    });
  });
  test("COPY takes several as files", () => {
    const copy = one("COPY <<a <<b /to/\none\na\ntwo\nb\n");
    expect(copy).toMatchObject({
      sources: [],
      inline: [
        { name: "a", content: "one\n" },
        { name: "b", content: "two\n" },
      ],
    });
  });
  test("a descriptor before it is kept", () => {
    expect(one("RUN cat /dev/fd/3 3<<EOF\nx\nEOF")).toMatchObject({ heredocs: [{ descriptor: "3", content: "x\n" }] });
  });
  test("ONBUILD takes them along", () => {
    expect(one("ONBUILD RUN <<EOF\nx\nEOF")).toMatchObject({ trigger: "RUN <<EOF\nx\nEOF" });
  });
  test("a shift is no here-document", () => {
    expect(one("RUN echo $((1<<2))")).toMatchObject({ heredocs: [] });
  });
});

test("directives stand at the top, each once, until the first other line", () => {
  const file = parseDockerfile("# syntax=docker/dockerfile:1\n# escape=`\n# check=skip=all\nFROM x\nRUN a `\n b");
  expect(file).toMatchObject({ syntax: "docker/dockerfile:1", escape: "`", check: "skip=all" });
  expect(file.stages[0]?.instructions[0]).toMatchObject({ args: ["a  b"] });
  expect(parseDockerfile("FROM x\n# escape=`").escape).toBe("\\");
  expect(parseDockerfile("\uFEFF#!/usr/bin/env x\n# syntax=a\nFROM x").syntax).toBe("a");
  expect(() => parseDockerfile("# escape=`\n# escape=`\nFROM x")).toThrow("line 2 of Dockerfile: only one escape");
  expect(() => parseDockerfile("# escape=x\nFROM x")).toThrow("invalid escape token 'x'");
});

test("stages and arguments before them are told apart", () => {
  const file = parseDockerfile("ARG V=1\nFROM a:$V AS one\nRUN x\nFROM --platform=linux/arm64 one as Two\n");
  expect(file.globalArgs.length).toBe(1);
  expect(file.stages.map(({ from }) => [from.base, from.name, from.platform])).toEqual([
    ["a:$V", "one", ""],
    ["one", "two", "linux/arm64"],
  ]);
});

test("Windows line ends are no part of anything", () => {
  const file = parseDockerfile("FROM x\r\nENV a=1\r\nRUN a \\\r\n  b\r\n");
  expect(file.stages[0]?.instructions).toMatchObject([{ pairs: [{ value: "1" }] }, { args: ["a   b"] }]);
});

describe("mistakes name file, line and the likely fix", () => {
  for (const [text, wanted] of [
    ["FROM x\nRUNN y", "line 2 of Dockerfile: unknown instruction: RUNN (did you mean RUN?)"],
    ["FORM x", "line 1 of Dockerfile: unknown instruction: FORM (did you mean FROM?)"],
    ["FROM x\n\n\nBOGUS", "line 4 of Dockerfile: unknown instruction: BOGUS"],
    ["RUN x", "line 1 of Dockerfile: no build stage in current context"],
    ["ARG x", "there is no FROM"],
    ["", "file with no instructions"],
    ["# only\n", "file with no instructions"],
    ["FROM a b", "FROM requires either one or three arguments"],
    ["FROM a AS 1x", 'invalid name for build stage: "1x"'],
    ["FROM x\nCOPY a", "COPY requires at least two arguments, but only one was provided"],
    ["FROM x\nCOPY --form=a b c", "unknown flag: --form (did you mean --from?)"],
    ["FROM x\nCOPY --link --link a b", "duplicate flag specified: --link"],
    ["FROM x\nCOPY --link=x a b", "expecting boolean value for flag --link, not: x"],
    ["FROM x\nCOPY --chown a b", "missing a value on flag: --chown"],
    ["FROM x\nCOPY a <<EOF\nEOF", "COPY cannot accept a heredoc as a destination"],
    ["FROM x\nRUN", "RUN requires at least one argument"],
    ["FROM x\nRUN [1]", "arrays must be comprised of strings only"],
    ["FROM x\nRUN --network=foo y", 'unsupported network mode "foo"'],
    ["FROM x\nRUN <<EOF\na", "line 2 of Dockerfile: unterminated heredoc"],
    ["FROM x\nENV a", "ENV must have two arguments"],
    ["FROM x\nENV a=1 b", 'Syntax error - can\'t find = in "b"'],
    ["FROM x\nENV =1", "ENV names can not be blank"],
    ["FROM x\nSHELL /bin/sh", "SHELL requires the arguments to be in JSON form"],
    ["FROM x\nUSER", "USER requires exactly one argument"],
    ['FROM x\nVOLUME [""]', "VOLUME specified can not be an empty string"],
    ["FROM x\nONBUILD ONBUILD RUN x", "Chaining ONBUILD"],
    ["FROM x\nONBUILD FROM x", "FROM isn't allowed as an ONBUILD trigger"],
    ["FROM x\nHEALTHCHECK BAD", 'Unknown type "BAD" in HEALTHCHECK (try CMD)'],
    ["FROM x\nHEALTHCHECK CMD", "Missing command after HEALTHCHECK CMD"],
    ["FROM x\nHEALTHCHECK --interval=1us CMD a", 'Interval "interval" cannot be less than 1ms'],
    ["FROM x\nHEALTHCHECK --retries=-1 CMD a", "--retries cannot be negative"],
  ] as const)
    test(JSON.stringify(text), () => expect(() => parseDockerfile(text)).toThrow(wanted));

  test("the file's own name is said", () => {
    expect(() => parseDockerfile("FROM x\nBAD", "docker/app.Dockerfile")).toThrow("line 2 of docker/app.Dockerfile");
  });
});
