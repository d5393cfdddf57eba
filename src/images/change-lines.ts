import { EngineError } from "../base/errors.ts";
import { parseGoDuration } from "../base/go-duration.ts";
import type { OciRunConfig } from "../spec/oci/image.ts";

const invalid = (text: string): EngineError => new EngineError("invalid", text);

/** Applies Dockerfile lines (`CMD ["sh"]`, `ENV A=1`) to a run configuration, as import and commit take them. */
export function applyChanges(config: OciRunConfig, lines: readonly string[]): OciRunConfig {
  let changed = config;
  for (const text of lines) {
    for (const line of text.replaceAll(/\\\r?\n/g, "").split(/\r?\n/)) {
      const trimmed = line.trim();
      if (trimmed === "" || trimmed.startsWith("#")) continue;
      const [, word = "", rest = ""] = /^(\S+)\s*([^]*)$/.exec(trimmed) ?? [];
      const apply = instructions[word.toUpperCase()];
      if (!apply) throw invalid(`${word.toLowerCase()} is not a valid change command`);
      if (rest === "" && word.toUpperCase() !== "CMD")
        throw invalid(`${word.toUpperCase()} requires at least one argument`);
      changed = { ...changed, ...apply(rest.trim(), changed) };
    }
  }
  return changed;
}

const instructions: Record<string, (rest: string, config: OciRunConfig) => OciRunConfig> = {
  CMD: (rest, config) => ({ Cmd: command(rest, config) }),
  // moby parity: an entry point given without a command forgets the inherited command
  ENTRYPOINT: (rest, config) => ({ Entrypoint: command(rest, config), Cmd: null }),
  ENV: (rest, config) => ({
    Env: Object.entries(pairs("ENV", rest)).reduce((env, [key, value]) => setEnv(env, key, value), config.Env ?? []),
  }),
  EXPOSE: (rest, config) => ({
    ExposedPorts: {
      ...config.ExposedPorts,
      ...Object.fromEntries(
        words(rest)
          .flatMap(ports)
          .map((port) => [port, {}]),
      ),
    },
  }),
  LABEL: (rest, config) => ({ Labels: { ...config.Labels, ...pairs("LABEL", rest) } }),
  USER: (rest) => ({ User: single("USER", rest) }),
  VOLUME: (rest, config) => ({
    Volumes: {
      ...config.Volumes,
      ...Object.fromEntries((jsonList(rest) ?? words(rest)).map((path) => [volume(path), {}])),
    },
  }),
  WORKDIR: (rest, config) => ({ WorkingDir: workdir(config.WorkingDir ?? "", single("WORKDIR", rest)) }),
  ONBUILD: (rest, config) => ({ OnBuild: [...(config.OnBuild ?? []), onBuild(rest)] }),
  STOPSIGNAL: (rest) => ({ StopSignal: single("STOPSIGNAL", rest) }),
  SHELL: (rest) => ({ Shell: jsonList(rest) ?? fail("SHELL requires the arguments to be in JSON form") }),
  HEALTHCHECK: (rest) => ({ Healthcheck: healthcheck(rest) }),
};

function fail(text: string): never {
  throw invalid(text);
}

function command(rest: string, config: OciRunConfig): string[] | null {
  if (rest === "") return null;
  return jsonList(rest) ?? [...(config.Shell ?? ["/bin/sh", "-c"]), rest];
}

/** `["a", "b"]`; undefined for anything else, which is then words. */
function jsonList(text: string): string[] | undefined {
  if (!text.startsWith("[")) return undefined;
  try {
    const list: unknown = JSON.parse(text);
    return Array.isArray(list) && list.every((item) => typeof item === "string") ? list : undefined;
  } catch {
    return undefined; // as Docker: what is no JSON is shell text
  }
}

/** Splits at blanks outside quotes and takes the quotes away. */
function words(text: string): string[] {
  return [...text.matchAll(/(?:\\.|"(?:\\.|[^"\\])*"|'[^']*'|[^\s"'\\])+/g)].map(([word]) => unquote(word));
}

const unquote = (word: string): string =>
  word.replaceAll(
    /\\(.)|"((?:\\.|[^"\\])*)"|'([^']*)'/g,
    (_all, escaped: string | undefined, double: string | undefined, raw: string | undefined) =>
      escaped ?? double?.replaceAll(/\\(["\\$])/g, "$1") ?? raw ?? "",
  );

function pairs(name: string, text: string): Record<string, string> {
  const raw = [...text.matchAll(/(?:\\.|"(?:\\.|[^"\\])*"|'[^']*'|[^\s"'\\])+/g)].map(([word]) => word);
  if (!raw[0]?.includes("=")) {
    // the old form: name, blank, the rest of the line
    const [, key = "", value] = /^(\S+)\s+([^]+)$/.exec(text) ?? [];
    if (value === undefined) throw invalid(`${name} must have two arguments`);
    return { [key]: unquote(value) };
  }
  return Object.fromEntries(
    raw.map((word) => {
      const equals = word.indexOf("=");
      if (equals < 0)
        throw invalid(`Syntax error - can't find = in ${JSON.stringify(word)}. Must be of the form: name=value`);
      const key = unquote(word.slice(0, equals));
      if (key === "") throw invalid(`${name} names can not be blank`);
      return [key, unquote(word.slice(equals + 1))];
    }),
  );
}

function setEnv(env: readonly string[], key: string, value: string): string[] {
  const entry = `${key}=${value}`;
  return env.some((old) => old.startsWith(`${key}=`))
    ? env.map((old) => (old.startsWith(`${key}=`) ? entry : old))
    : [...env, entry];
}

function ports(word: string): string[] {
  const match = /^([0-9]+)(?:-([0-9]+))?(?:\/(tcp|udp|sctp))?$/i.exec(word);
  const [first, last] = [Number(match?.[1]), Number(match?.[2] ?? match?.[1])];
  if (!match || first < 1 || last > 65535 || last < first) throw invalid(`invalid containerPort: ${word}`);
  return Array.from(
    { length: last - first + 1 },
    (_none, index) => `${first + index}/${(match[3] ?? "tcp").toLowerCase()}`,
  );
}

function single(name: string, rest: string): string {
  const [word, ...more] = words(rest);
  if (word === undefined || more.length > 0) throw invalid(`${name} requires exactly one argument`);
  return word;
}

function volume(path: string): string {
  if (path.trim() === "") throw invalid("VOLUME specified can not be an empty string");
  return path;
}

function workdir(current: string, path: string): string {
  const joined = path.startsWith("/") ? path : `${current || "/"}/${path}`;
  const parts: string[] = [];
  for (const part of joined.split("/")) {
    if (part === "..") parts.pop();
    else if (part !== "" && part !== ".") parts.push(part);
  }
  return `/${parts.join("/")}`;
}

function onBuild(rest: string): string {
  const word = (rest.split(/\s/)[0] ?? "").toUpperCase();
  if (word === "ONBUILD") throw invalid("Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed");
  if (word === "FROM" || word === "MAINTAINER") throw invalid(`${word} isn't allowed as an ONBUILD trigger`);
  return rest;
}

function healthcheck(rest: string): NonNullable<OciRunConfig["Healthcheck"]> {
  const check: NonNullable<OciRunConfig["Healthcheck"]> = {};
  let text = rest;
  for (let match = /^--([a-z-]+)=(\S+)\s*/.exec(text); match; match = /^--([a-z-]+)=(\S+)\s*/.exec(text)) {
    const [all, flag = "", value = ""] = match;
    text = text.slice(all.length);
    if (flag === "retries")
      check.Retries = /^[0-9]+$/.test(value) ? Number(value) : fail(`--retries must be at least 1 (not ${value})`);
    else {
      const member = (
        {
          interval: "Interval",
          timeout: "Timeout",
          "start-period": "StartPeriod",
          "start-interval": "StartInterval",
        } as const
      )[flag];
      if (!member) throw invalid(`Unknown flag: ${flag}`);
      check[member] = parseGoDuration(value) ?? fail(`time: invalid duration ${JSON.stringify(value)}`);
    }
  }
  const [, type = "", tail = ""] = /^(\S+)\s*([^]*)$/.exec(text) ?? [];
  if (type.toUpperCase() === "NONE") {
    if (tail !== "") throw invalid("HEALTHCHECK NONE takes no arguments");
    return { Test: ["NONE"] };
  }
  if (type.toUpperCase() !== "CMD") throw invalid(`Unknown type ${JSON.stringify(type)} in HEALTHCHECK (try CMD)`);
  if (tail === "") throw invalid("Missing command after HEALTHCHECK CMD");
  const list = jsonList(tail);
  return { ...check, Test: list ? ["CMD", ...list] : ["CMD-SHELL", tail] };
}
