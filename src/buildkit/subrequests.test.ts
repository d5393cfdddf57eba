import { expect, test } from "bun:test";
import { EngineError } from "../base/errors.ts";
import { subrequest } from "./subrequests.ts";

const text = `# WORD is said
ARG WORD=hello
FROM busybox AS base
# KEY opens it
ARG KEY
RUN --mount=type=secret,id=pass,required --mount=type=cache,target=/c --mount=type=ssh true
# app is what runs
FROM base AS app
ARG OWN=1
FROM busybox AS other
ARG UNSEEN
`;

const ask = async (id: string, more: { target?: string; fails?: boolean } = {}): Promise<Record<string, unknown>> => {
  const metadata = await subrequest(id, {
    fileName: "Dockerfile",
    text,
    target: more.target ?? "",
    buildArgs: new Map([["KEY", "given"]]),
    check: async () => {
      if (more.fails) throw new EngineError("invalid", "no", { line: 3, endLine: 4 });
      return [];
    },
  });
  const decode = (key: string): string => new TextDecoder().decode(metadata[key]);
  return { ...(JSON.parse(decode("result.json")) as object), status: decode("result.statuscode") };
};

test("targets are listed with their words, the last one is the default", async () => {
  expect(await ask("frontend.targets")).toMatchObject({
    targets: [
      { name: "base", base: "busybox" },
      { name: "app", base: "base", description: "is what runs", location: { ranges: [{ start: { line: 8 } }] } },
      { name: "other", default: true },
    ],
  });
});

test("an outline holds what a target and the stages below it can be given", async () => {
  const outline = await ask("frontend.outline", { target: "app" });
  expect(outline).toMatchObject({
    name: "app",
    description: "is what runs",
    args: [
      { name: "WORD", value: "hello", description: "is said" },
      { name: "KEY", value: "given", description: "opens it" },
      { name: "OWN", value: "1" },
    ],
    secrets: [{ name: "pass", required: true }],
    ssh: [{ name: "default" }],
    cache: [{ ID: "/c" }],
  });
});

test("checks answer with a status, also for a file that cannot be read", async () => {
  expect(await ask("frontend.lint")).toMatchObject({ warnings: [], status: "0" });
  expect(await ask("frontend.lint", { fails: true })).toMatchObject({
    status: "1",
    buildError: { message: "no", location: { ranges: [{ start: { line: 3 }, end: { line: 4 } }] } },
  });
});
