import { SyntaxFault } from "../dockerfile/dockerfile-error.ts";
import { type Heredoc, heredocText, readHeredocMark } from "../dockerfile/heredoc.ts";
import type { Instruction } from "../dockerfile/instructions.ts";
import { alwaysThere } from "../dockerfile/lint-file.ts";
import { parseRunMount } from "../dockerfile/run-mount.ts";
import type { MountOf } from "../graph.ts";
import { expandIn } from "./expand-in.ts";
import { shellOf } from "./history-text.ts";
import { splitEnv, type StageState } from "./stage-state.ts";

type Run = Extract<Instruction, { kind: "run" }>;

/** RUN. */
export function dispatchRun(state: StageState, instruction: Run): void {
  const { options } = state.context;
  const { args, script } = commandLine(state, instruction);
  const mounts = instruction.mounts.map((value): MountOf => {
    const mount = parseRunMount(value, (text) => expandIn(state, text, instruction));
    if (mount.from !== "") return { mount, from: state.context.source(mount.from, state) };
    if (mount.type !== "bind") return { mount, from: null };
    const used = state.context.contextPaths.get("") ?? new Set();
    state.context.contextPaths.set("", used);
    used.add(mount.source === "" ? "." : mount.source);
    return { mount, from: { kind: "context", name: "" } };
  });
  const own = state.env();
  const arguments_ = [...state.buildArgs].filter(([name]) => !alwaysThere.has(name));
  const env = [
    ...arguments_.flatMap(([name, value]) => (value === undefined || own.has(name) ? [] : [`${name}=${value}`])),
    ...(state.config.Env ?? []),
  ];
  const hiddenEnv = [...options.buildArgs].flatMap(([name, value]) =>
    alwaysThere.has(name) && !own.has(name) ? [`${name}=${value}`] : [],
  );
  const network = instruction.network === "default" ? options.network : readNetwork(instruction.network);
  const shown = args.join(" ");
  state.add(
    {
      kind: "run",
      base: state.vertex,
      args,
      env,
      hiddenEnv,
      cwd: state.config.WorkingDir || "/",
      user: state.config.User ?? "",
      mounts,
      script,
      network,
      security: instruction.security === "insecure" ? "insecure" : "sandbox",
    },
    title(instruction),
    instruction,
  );
  const historyText =
    options.style === "buildkit"
      ? `RUN ${withArguments(arguments_.map(([name, value]) => `${name}=${value ?? ""}`))}${shown} # buildkit`
      : `${withArguments(
          arguments_
            .flatMap(([name, value]) => (value === undefined || own.has(name) ? [] : [`${name}=${value}`]))
            .sort((a, b) => (splitEnv(a)[0] < splitEnv(b)[0] ? -1 : 1)),
        )}${shown}`;
  state.addHistory({ createdBy: () => historyText, vertex: state.vertex });
}

const withArguments = (list: readonly string[]): string =>
  list.length === 0 ? "" : `|${list.length} ${list.join(" ")} `;

const readNetwork = (text: string): "none" | "host" => (text === "host" ? "host" : "none");

/** The process's arguments. One here-document alone is the script itself; others the shell reads. */
function commandLine(
  state: StageState,
  instruction: Run,
): { args: string[]; script: { name: string; content: string } | null } {
  const { heredocs, args } = instruction;
  const [first] = heredocs;
  if (!first) return { args: instruction.shellForm ? [...shellOf(state), ...args] : [...args], script: null };
  if (args.length !== 1) throw new SyntaxFault("parsing produced an invalid run command");
  const line = args[0] ?? "";
  if (readHeredocMark(line, state.context.file.escape)) {
    const content = heredocText(first);
    if (content.startsWith("#!")) return { args: [`/dev/pipes/${first.name}`], script: { name: first.name, content } };
    return { args: [...shellOf(state), content], script: null };
  }
  return { args: [...shellOf(state), line + heredocs.map(document).join("")], script: null };
}

const document = ({ name, content }: Heredoc): string => `\n${content}${name}`;

/** `RUN make`, with the beginning of a here-document. */
function title(instruction: Run): string {
  const first = instruction.heredocs[0];
  const line = instruction.text.replace(/^\S+/, "RUN");
  if (!first || !readHeredocMark(instruction.args[0] ?? "", "\\")) return line;
  const rows = first.content.split("\n").filter((row) => row.trim() !== "");
  const start = (rows[0] ?? "").trim().slice(0, 30);
  return `${line} (${start}${rows.length > 1 || start.length === 30 ? "..." : ""})`;
}
