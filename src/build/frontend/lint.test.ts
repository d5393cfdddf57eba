import { describe, expect, test } from "bun:test";
import type { Image } from "../../images/image.ts";
import { ignorePatterns } from "../../spec/ignore-patterns.ts";
import { lintRules, lintUrl } from "../dockerfile/lint-rules.ts";
import { parseDockerfile } from "../dockerfile/parse.ts";
import type { FrontendOptions } from "./build-plan.ts";
import { toGraph } from "./to-graph.ts";

const image: Image = {
  id: `sha256:${"a".repeat(64)}`,
  config: {
    architecture: "amd64",
    os: "linux",
    rootfs: { type: "layers", diff_ids: [] },
    config: { Env: ["PATH=/bin"] },
  },
  chainIds: [],
  sizeBytes: 0,
  references: [],
  variantOf: [],
  digests: [],
  taggedAtNs: 0n,
};
const options: FrontendOptions = {
  target: "",
  buildArgs: new Map(),
  labels: {},
  platform: "linux/amd64",
  noCache: [],
  network: "default",
  style: "buildkit",
  ignore: undefined,
  contexts: new Map(),
  resolveImage: async () => image,
};
async function findings(text: string, more: Partial<FrontendOptions> = {}): Promise<string[]> {
  const { warnings } = await toGraph(parseDockerfile(text), { ...options, ...more });
  return warnings.map(({ line, rule, message }) => `${line} ${rule}: ${message}`);
}

describe("each check finds its case, at its line", () => {
  for (const [text, wanted] of [
    ["FROM x AS Base", "1 StageNameCasing: Stage name 'Base' should be lowercase"],
    ["FROM x as base", "1 FromAsCasing: 'as' and 'FROM' keywords' casing do not match"],
    ["FROM x\nRUN a \\\n\n  b", "2 NoEmptyContinuation: Empty continuation line"],
    [
      "FROM x\nRUN a\nrun b",
      "3 ConsistentInstructionCasing: Command 'run' should match the case of the command majority (uppercase)",
    ],
    [
      "from x\nrun a\nRUN b",
      "3 ConsistentInstructionCasing: Command 'RUN' should match the case of the command majority (lowercase)",
    ],
    ["FROM x AS a\nFROM x AS a", '2 DuplicateStageName: Duplicate stage name "a", stage names should be unique'],
    ["FROM x AS scratch", '1 ReservedStageName: Stage name should not use the same name as reserved stage "scratch"'],
    [
      "FROM x\nCMD a",
      "2 JSONArgsRecommended: JSON arguments recommended for CMD to prevent unintended behavior related to OS signals",
    ],
    ["FROM x\nMAINTAINER me", "2 MaintainerDeprecated: Maintainer instruction is deprecated in favor of using label"],
    [
      "ARG VERSION=1\nFROM x:1$VERSIO",
      "2 UndefinedArgInFrom: FROM argument 'VERSIO' is not declared (did you mean VERSION?)",
    ],
    [
      "FROM x\nWORKDIR a",
      '2 WorkdirRelativePath: Relative workdir "a" can have unexpected results if the base image changes',
    ],
    ["FROM x\nENV FOO=1\nUSER $FO", "3 UndefinedVar: Usage of undefined variable '$FO' (did you mean $FOO?)"],
    [
      'FROM x\nCMD ["a"]\nCMD ["b"]',
      "2 MultipleInstructionsDisallowed: Multiple CMD instructions should not be used in the same stage because only the last one will be used",
    ],
    [
      "FROM x\nENV a b",
      '2 LegacyKeyValueFormat: "ENV key=value" should be used instead of legacy "ENV key value" format',
    ],
    [
      "FROM --platform=$TARGETPLATFORM x",
      "1 RedundantTargetPlatform: Setting platform to predefined $TARGETPLATFORM in FROM is redundant as this is the default behavior",
    ],
    [
      "FROM x\nARG API_TOKEN",
      '2 SecretsUsedInArgOrEnv: Do not use ARG or ENV instructions for sensitive data (ARG "API_TOKEN")',
    ],
    [
      "ARG TAG\nFROM x:$TAG",
      "2 InvalidDefaultArgInFrom: Default value for ARG x:$TAG results in empty or invalid base image name",
    ],
    [
      "FROM --platform=linux/amd64 x",
      '1 FromPlatformFlagConstDisallowed: FROM --platform flag should not use constant value "linux/amd64"',
    ],
    [
      "FROM x\nEXPOSE 80/TCP",
      "2 ExposeProtoCasing: Defined protocol '80/TCP' in EXPOSE instruction should be lowercase",
    ],
    [
      "FROM x\nEXPOSE 1.2.3.4:80:80",
      "2 ExposeInvalidFormat: EXPOSE instruction should not define an IP address or host-port mapping, found '1.2.3.4:80:80'",
    ],
  ] as const)
    test(wanted.slice(2), async () => {
      const build = { buildArgs: new Map(text.includes("TAG") ? [["TAG", "1"]] : []) };
      expect(await findings(text, build)).toEqual([wanted]);
    });

  test("InvalidBaseImagePlatform", async () => {
    expect(await findings("FROM x", { platform: "linux/arm64" })).toEqual([
      '1 InvalidBaseImagePlatform: Base image x was pulled with platform "linux/amd64", expected "linux/arm64" for current build',
    ]);
  });
  test("CopyIgnoredFile", async () => {
    const ignore = ignorePatterns(["secret*"]);
    expect(await findings("FROM x\nCOPY secret.txt /\nADD ok /", { ignore })).toEqual([
      '2 CopyIgnoredFile: Attempting to Copy file "secret.txt" that is excluded by .dockerignore',
    ]);
    expect(await findings("FROM x\nCOPY secret.txt /", { ignore: ignorePatterns(["secret*", "!secret.txt"]) })).toEqual(
      [],
    );
  });
  test("InvalidDefinitionDescription only where it is asked for", async () => {
    const text = "# bar this is no foo\nARG foo=1\nFROM x AS base";
    expect(await findings(text)).toEqual([]);
    expect(await findings(`# check=experimental=InvalidDefinitionDescription\n\n${text}`)).toEqual([
      "4 InvalidDefinitionDescription: Comment for ARG should follow the format: `# foo <description>`",
    ]);
  });
});

test("a clean file has no findings", async () => {
  expect(
    await findings(
      '# check=error=true\nARG V=1\nFROM x:$V AS base\nARG V\nENV A=$V PUBLIC_KEY=x\nWORKDIR /a\nWORKDIR b\nRUN a\nEXPOSE 80/tcp\nCMD ["a"]',
    ),
  ).toEqual([]);
});

test("check=skip and comments above an instruction leave rules out, error=true makes findings an error", async () => {
  expect(await findings("# check=skip=MaintainerDeprecated\nFROM x\nMAINTAINER me\nWORKDIR a")).toHaveLength(1);
  expect(await findings("# check=skip=all\nFROM x\nMAINTAINER me\nWORKDIR a")).toEqual([]);
  expect(await findings("FROM x\n# check=skip=MaintainerDeprecated\nMAINTAINER me")).toEqual([]);
  const failing = findings("# check=error=true\nFROM x\nMAINTAINER me");
  expect(await failing.catch((error: Error) => error.message)).toBe(
    "lint violation found for rules: MaintainerDeprecated",
  );
  const byArgument = findings("FROM x\nMAINTAINER me", {
    buildArgs: new Map([["BUILDKIT_DOCKERFILE_CHECK", "skip=all"]]),
  });
  expect(await byArgument).toEqual([]);
});

test("each rule has its page", () => {
  expect(lintUrl("JSONArgsRecommended")).toBe("https://docs.docker.com/go/dockerfile/rule/json-args-recommended/");
  expect(lintUrl("InvalidBaseImagePlatform")).toBe("");
  expect(Object.keys(lintRules).length).toBe(22);
});
