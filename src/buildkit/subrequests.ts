import { EngineError, errorMessage } from "../base/errors.ts";
import type { Dockerfile, Instruction, Stage } from "../build/dockerfile/instructions.ts";
import type { Warning } from "../build/dockerfile/lint.ts";
import { parseDockerfile } from "../build/dockerfile/parse.ts";

/** A Dockerfile that is asked about instead of being built. */
interface Asked {
  readonly fileName: string;
  readonly text: string;
  readonly target: string;
  readonly buildArgs: ReadonlyMap<string, string>;
  /** What the checks find. */
  check(): Promise<readonly Warning[]>;
}

/**
 * Answers `docker build --check` and `--call`: moby/buildkit frontend/subrequests. Gives the metadata that buildx
 * prints. Throws `not-implemented` for a request that is none of ours.
 */
export async function subrequest(id: string, asked: Asked): Promise<Record<string, Uint8Array>> {
  switch (id) {
    case "frontend.subrequests.describe":
      return result(
        "1.0.0",
        ["frontend.lint", "frontend.outline", "frontend.targets"].map((name) => ({
          Name: name,
          Version: "1.0.0",
          Type: "rpc",
          Description: name,
        })),
      );
    case "frontend.lint":
      return lint(asked);
    case "frontend.outline":
      return result("1.0.0", outline(parseDockerfile(asked.text, asked.fileName), asked));
    case "frontend.targets":
      return result("1.0.0", targets(parseDockerfile(asked.text, asked.fileName), asked));
    default:
      throw new EngineError("not-implemented", `unsupported request ${id}`, { id });
  }
}

function result(version: string, value: object, more: Record<string, string> = {}): Record<string, Uint8Array> {
  const text = JSON.stringify(value, null, 2);
  const bytes = (written: string): Uint8Array => new TextEncoder().encode(written);
  return Object.fromEntries(
    Object.entries({ "result.json": text, "result.txt": text, version, ...more }).map(([key, written]) => [
      key,
      bytes(written),
    ]),
  );
}

const location = ({ line, endLine }: { line: number; endLine: number }) => ({
  ranges: [{ start: { line }, end: { line: endLine } }],
});

const source = ({ fileName, text }: Asked) => ({
  filename: fileName,
  data: Buffer.from(text).toString("base64"),
  language: "Dockerfile",
});

async function lint(asked: Asked): Promise<Record<string, Uint8Array>> {
  let warnings: readonly Warning[] = [];
  let buildError: object | undefined;
  try {
    warnings = await asked.check();
  } catch (error) {
    if (!(error instanceof EngineError) || error.kind !== "invalid") throw error;
    const line = Number(error.detail["line"] ?? 1);
    buildError = {
      message: errorMessage(error),
      location: location({ line, endLine: Number(error.detail["endLine"] ?? line) }),
    };
  }
  const failed = warnings.length > 0 || buildError !== undefined;
  return result(
    "1.0.0",
    {
      warnings: warnings.map((warning) => ({
        ruleName: warning.rule,
        description: warning.description,
        url: warning.url,
        detail: warning.message,
        location: location(warning),
      })),
      sources: [source(asked)],
      ...(buildError ? { buildError } : {}),
    },
    { "result.statuscode": failed ? "1" : "0" },
  );
}

/** Comment lines right above an instruction that begin with the name describe it: `# WORD is said`. */
function described(instruction: Instruction, name: string): string {
  const text = instruction.comments.join(" ").trim();
  const [first = "", ...words] = text.split(/\s+/);
  return first.toLowerCase() === name.toLowerCase() ? words.join(" ") : "";
}

function targets(file: Dockerfile, asked: Asked): object {
  const last = file.stages.length - 1;
  return {
    targets: file.stages.map(({ from, index }) => ({
      ...(from.name === "" ? {} : { name: from.name }),
      ...(index === last ? { default: true } : {}),
      ...optional("description", described(from, from.name)),
      base: from.base,
      ...optional("platform", from.platform),
      location: location(from),
    })),
    sources: [Buffer.from(asked.text).toString("base64")],
  };
}

/** The stages that the target stands on, lowest first, by names alone. */
function lineage(file: Dockerfile, asked: Asked): Stage[] {
  const wanted = asked.target.toLowerCase();
  let stage =
    wanted === ""
      ? file.stages.at(-1)
      : (file.stages.findLast(({ from }) => from.name === wanted) ??
        (/^\d+$/.test(wanted) ? file.stages[Number(wanted)] : undefined));
  if (!stage) throw new EngineError("invalid", `target stage ${JSON.stringify(asked.target)} could not be found`);
  const stages: Stage[] = [];
  while (stage) {
    stages.unshift(stage);
    const { index, from }: Stage = stage;
    stage = file.stages
      .slice(0, index)
      .findLast((other) => other.from.name !== "" && other.from.name === from.base.toLowerCase());
  }
  return stages;
}

function outline(file: Dockerfile, asked: Asked): object {
  const stages = lineage(file, asked);
  const target = stages.at(-1);
  const argValues = new Map<string, object>();
  const add = (instruction: Instruction): void => {
    if (instruction.kind !== "arg") return;
    for (const { key, value } of instruction.args) {
      const given = asked.buildArgs.get(key) ?? value ?? "";
      argValues.set(key, {
        name: key,
        ...optional("description", described(instruction, key)),
        ...optional("value", given),
        location: location(instruction),
      });
    }
  };
  file.globalArgs.forEach(add);
  const mounts = new Map<string, object>();
  const groups: Record<"secrets" | "ssh" | "cache", object[]> = { secrets: [], ssh: [], cache: [] };
  for (const instruction of stages.flatMap((stage) => stage.instructions)) {
    add(instruction);
    if (instruction.kind !== "run") continue;
    for (const mount of instruction.mounts) {
      const fields = new Map(mount.split(",").map((field) => field.split("=", 2) as [string, string | undefined]));
      const place = location(instruction);
      const required = fields.has("required") && fields.get("required") !== "false" ? { required: true } : {};
      const targetPath = fields.get("target") ?? fields.get("dst") ?? fields.get("destination") ?? "";
      const type = fields.get("type");
      if (type === "secret") {
        const name = fields.get("id") ?? targetPath.slice(targetPath.lastIndexOf("/") + 1);
        if (!mounts.has(`secret ${name}`)) groups.secrets.push({ name, ...required, location: place });
        mounts.set(`secret ${name}`, place);
      } else if (type === "ssh") groups.ssh.push({ name: fields.get("id") ?? "default", ...required, location: place });
      else if (type === "cache") groups.cache.push({ ID: fields.get("id") ?? targetPath, location: place });
    }
  }
  return {
    ...optional("name", target?.from.name ?? ""),
    ...optional("description", target ? described(target.from, target.from.name) : ""),
    args: [...argValues.values()],
    ...Object.fromEntries(Object.entries(groups).filter(([, list]) => list.length > 0)),
    sources: [Buffer.from(asked.text).toString("base64")],
  };
}

const optional = (key: string, value: string): Record<string, string> => (value === "" ? {} : { [key]: value });
