import { posix } from "node:path";
import { parseSignal } from "../../spec/signals.ts";
import { SyntaxFault } from "../dockerfile/dockerfile-error.ts";
import { goHealth, goList, goQuoteHealth, goQuoteList } from "../dockerfile/go-text.ts";
import type { Instruction, InstructionBody } from "../dockerfile/instructions.ts";
import { alwaysThere } from "../dockerfile/lint-file.ts";
import { expandIn } from "./expand-in.ts";
import { dispatchExpose } from "./dispatch-expose.ts";
import { dispatchTransfer } from "./dispatch-files.ts";
import { dispatchRun } from "./dispatch-run.ts";
import { layerStep, metadataStep, shellOf } from "./history-text.ts";
import type { StageState } from "./stage-state.ts";

/** Takes one instruction into the stage. Throws SyntaxFault. */
export function dispatch(state: StageState, instruction: Instruction): void {
  const run = dispatchers[instruction.kind] as (state: StageState, instruction: Instruction) => void;
  run(state, instruction);
}

type Of<Kind extends InstructionBody["kind"]> = Instruction & { readonly kind: Kind };

const dispatchers: {
  [Kind in InstructionBody["kind"]]: (state: StageState, instruction: Of<Kind>) => void;
} = {
  from: () => {},
  run: dispatchRun,
  copy: dispatchTransfer,
  add: dispatchTransfer,
  arg: dispatchArg,
  env(state, instruction) {
    // every value sees the variables from before the instruction
    const pairs = instruction.pairs.map(({ key, value }) => ({
      key: expandIn(state, key, instruction),
      value: expandIn(state, value, instruction),
    }));
    for (const { key, value } of pairs) state.setEnv(key, value);
    metadataStep(state, `ENV ${pairs.map(({ key, value }) => `${key}=${value}`).join(" ")}`);
  },
  label(state, instruction) {
    const pairs = instruction.pairs.map(
      ({ key, value }) => [expandIn(state, key, instruction), expandIn(state, value, instruction)] as const,
    );
    state.config = { ...state.config, Labels: { ...state.config.Labels, ...Object.fromEntries(pairs) } };
    metadataStep(state, `LABEL ${pairs.map(([key, value]) => `${key}=${value}`).join(" ")}`);
  },
  maintainer(state, instruction) {
    state.author = instruction.value;
    metadataStep(state, `MAINTAINER ${instruction.value}`);
  },
  workdir(state, instruction) {
    const value = expandIn(state, instruction.value, instruction);
    if (value === "") throw new SyntaxFault("cannot normalize nothing");
    const absolute = value.startsWith("/");
    if (!absolute && !state.workdirIsOwn)
      state.context.lint.report(
        "WorkdirRelativePath",
        `Relative workdir ${JSON.stringify(value)} can have unexpected results if the base image changes`,
        instruction,
      );
    state.workdirIsOwn ||= absolute;
    const path = posix.join("/", absolute ? "" : (state.config.WorkingDir ?? ""), value).replace(/(.)\/$/, "$1");
    state.config = { ...state.config, WorkingDir: path };
    if (path === "/") return metadataStep(state, `WORKDIR ${path}`);
    const shell = shellOf(state);
    state.add(
      {
        kind: "files",
        base: state.vertex,
        action: { kind: "mkdir", path, owner: state.config.User ?? "" },
        link: false,
      },
      `WORKDIR ${path}`,
      instruction,
    );
    layerStep(state, `WORKDIR ${path}`, () => `WORKDIR ${path}`, shell);
  },
  user(state, instruction) {
    const value = expandIn(state, instruction.value, instruction);
    state.config = { ...state.config, User: value };
    metadataStep(state, `USER ${value}`);
  },
  volume(state, instruction) {
    const values = instruction.values.map((value) => expandIn(state, value, instruction).trim());
    if (values.some((value) => value === "")) throw new SyntaxFault("VOLUME specified can not be an empty string");
    state.config = {
      ...state.config,
      Volumes: { ...state.config.Volumes, ...Object.fromEntries(values.map((value) => [value, {}])) },
    };
    metadataStep(state, `VOLUME ${goList(values)}`);
  },
  expose: dispatchExpose,
  stopsignal(state, instruction) {
    const value = expandIn(state, instruction.value, instruction);
    if (value !== "SIGRTMIN" && value !== "SIGRTMAX") parseSignal(value);
    state.config = { ...state.config, StopSignal: value };
    metadataStep(state, `STOPSIGNAL ${value}`);
  },
  shell(state, instruction) {
    state.config = { ...state.config, Shell: [...instruction.values] };
    metadataStep(state, `SHELL ${goList(instruction.values)}`);
  },
  cmd(state, instruction) {
    const args = command(state, instruction);
    state.config = {
      ...state.config,
      Cmd: args,
      ...(state.context.options.style === "buildkit" && { ArgsEscaped: true }),
    };
    state.commandIsOwn = true;
    metadataStep(state, `CMD ${goQuoteList(args)}`);
  },
  entrypoint(state, instruction) {
    const args = command(state, instruction);
    const { Cmd } = state.config;
    state.config = { ...state.config, Entrypoint: args, Cmd: state.commandIsOwn ? (Cmd ?? null) : null };
    metadataStep(state, `ENTRYPOINT ${goQuoteList(args)}`);
  },
  healthcheck(state, instruction) {
    const { health } = instruction;
    state.config = {
      ...state.config,
      Healthcheck: {
        Test: [...health.test],
        ...(health.intervalNs > 0 && { Interval: health.intervalNs }),
        ...(health.timeoutNs > 0 && { Timeout: health.timeoutNs }),
        ...(health.startPeriodNs > 0 && { StartPeriod: health.startPeriodNs }),
        ...(health.startIntervalNs > 0 && { StartInterval: health.startIntervalNs }),
        ...(health.retries > 0 && { Retries: health.retries }),
      },
    };
    metadataStep(state, `HEALTHCHECK ${goQuoteHealth(health)}`, `HEALTHCHECK ${goHealth(health)}`);
  },
  onbuild(state, instruction) {
    state.config = { ...state.config, OnBuild: [...(state.config.OnBuild ?? []), instruction.trigger] };
    // BuildKit keeps no history of it
    if (state.context.options.style === "classic") metadataStep(state, "", `ONBUILD ${instruction.trigger}`);
  },
};

/** The shell form is handed to SHELL. */
function command(state: StageState, instruction: Of<"cmd" | "entrypoint">): string[] {
  if (!instruction.shellForm) return [...instruction.args];
  const own = (state.config.Shell?.length ?? 0) > 0;
  if (!own)
    state.context.lint.report(
      "JSONArgsRecommended",
      `JSON arguments recommended for ${instruction.kind.toUpperCase()} to prevent unintended behavior related to OS signals`,
      instruction,
    );
  return [...shellOf(state), ...instruction.args];
}

function dispatchArg(state: StageState, instruction: Of<"arg">): void {
  const { options, args } = state.context;
  const shown: string[] = [];
  const written: string[] = [];
  for (const { key, value: raw } of instruction.args) {
    const name = expandIn(state, key, instruction);
    const given = options.buildArgs.get(name);
    const fallback = raw === undefined ? undefined : expandIn(state, raw, instruction);
    // a bare ARG takes the value of the ARG before the first FROM, and the predefined ones
    const value = given ?? fallback ?? args.values.get(name);
    const isProxy = alwaysThere.has(name);
    state.buildArgs.set(name, value);
    shown.push(value === undefined || (isProxy && raw === undefined) ? name : `${name}=${value}`);
    written.push(fallback === undefined ? name : `${name}=${fallback}`);
  }
  metadataStep(state, `ARG ${shown.join(" ")}`, `ARG ${written.join(" ")}`);
}
