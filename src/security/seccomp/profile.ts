import { EngineError, errorMessage } from "../../base/errors.ts";

/** A seccomp profile as Docker writes it: OCI's linux.seccomp with conditions. A plain OCI profile is one as well. */
export interface SeccompProfile {
  readonly defaultAction: string;
  readonly defaultErrnoRet?: number;
  /** Fixed list (OCI), or `archMap` from which the host's entry is taken; never both. */
  readonly architectures?: readonly string[];
  readonly archMap?: readonly { readonly architecture: string; readonly subArchitectures?: readonly string[] | null }[];
  readonly flags?: readonly string[];
  readonly listenerPath?: string;
  readonly listenerMetadata?: string;
  readonly syscalls?: readonly SeccompRule[] | null;
}

export interface SeccompRule extends SyscallRule {
  /** Old spelling of a single name. */
  readonly name?: string;
  readonly comment?: string;
  /** The rule counts when all of it holds. */
  readonly includes?: Condition | null;
  /** The rule does not count when any of it holds. */
  readonly excludes?: Condition | null;
}

export interface Condition {
  /** Go's names: amd64, arm64, s390x, ... */
  readonly arches?: readonly string[] | null;
  readonly caps?: readonly string[] | null;
  /** `4.8`: that kernel or a newer one. */
  readonly minKernel?: string | null;
}

/** A rule as OCI has it. */
export interface SyscallRule {
  readonly names?: readonly string[] | null;
  readonly action: string;
  readonly errnoRet?: number;
  readonly args?:
    | readonly { readonly index: number; readonly value: number; readonly valueTwo?: number; readonly op: string }[]
    | null;
}

const actions = new Set([
  "SCMP_ACT_KILL",
  "SCMP_ACT_KILL_PROCESS",
  "SCMP_ACT_KILL_THREAD",
  "SCMP_ACT_TRAP",
  "SCMP_ACT_ERRNO",
  "SCMP_ACT_TRACE",
  "SCMP_ACT_ALLOW",
  "SCMP_ACT_LOG",
  "SCMP_ACT_NOTIFY",
]);
const maximumBytes = 1024 * 1024; // Docker's own is 20 kB

/** Reads a profile that a user gave. Throws `Decoding seccomp profile failed: ...`, saying what is wrong and where. */
export function parseProfile(text: string): SeccompProfile {
  const bad = (why: string): never => {
    throw new EngineError("invalid", `Decoding seccomp profile failed: ${why}`);
  };
  if (text.length > maximumBytes) bad(`larger than ${maximumBytes} bytes`);
  let profile: unknown;
  try {
    profile = JSON.parse(text);
  } catch (error) {
    return bad(errorMessage(error));
  }
  if (!isObject(profile)) return bad("not a JSON object");
  const { defaultAction = "", syscalls, architectures, archMap } = profile;
  if (defaultAction !== "" && !isAction(defaultAction)) bad(`unknown defaultAction ${JSON.stringify(defaultAction)}`);
  if (isFilled(architectures) && isFilled(archMap)) {
    bad(
      "both 'architectures' and 'archMap' are specified in the seccomp profile, use either 'architectures' or 'archMap'",
    );
  }
  for (const [field, list] of Object.entries({ syscalls, architectures, archMap })) {
    if (list !== undefined && list !== null && !Array.isArray(list)) bad(`${field} is not a list`);
  }
  for (const [index, rule] of (Array.isArray(syscalls) ? syscalls : []).entries()) {
    const why = ruleTrouble(rule);
    if (why) bad(`syscalls[${index}]: ${why}`);
  }
  return profile as unknown as SeccompProfile;
}

function ruleTrouble(rule: unknown): string | undefined {
  if (!isObject(rule)) return "not an object";
  const { name, names, action, args, includes, excludes } = rule;
  if (isFilled(names) && name)
    return "both 'name' and 'names' are specified in the seccomp profile, use either 'name' or 'names'";
  if (name !== undefined && typeof name !== "string") return "name is not a text";
  if (!isTexts(names)) return "names is not a list of texts";
  if (!isAction(action)) return `unknown action ${JSON.stringify(action)}`;
  if (args !== undefined && args !== null && !Array.isArray(args)) return "args is not a list";
  for (const condition of [includes, excludes]) {
    if (condition === undefined || condition === null) continue;
    if (!isObject(condition) || !isTexts(condition["arches"]) || !isTexts(condition["caps"]))
      return "bad includes or excludes";
    const kernel = condition["minKernel"];
    if (kernel && (typeof kernel !== "string" || !/^\d+\.\d+/.test(kernel)))
      return `bad minKernel ${JSON.stringify(kernel)}`;
  }
  return undefined;
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);
const isAction = (value: unknown): boolean => typeof value === "string" && actions.has(value);
const isFilled = (value: unknown): boolean => Array.isArray(value) && value.length > 0;
const isTexts = (value: unknown): boolean =>
  value === undefined || value === null || (Array.isArray(value) && value.every((item) => typeof item === "string"));
