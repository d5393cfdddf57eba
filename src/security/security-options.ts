import { EngineError } from "../base/errors.ts";
import { parseProfile } from "./seccomp/profile.ts";

/** What `--security-opt` rows say. */
export interface SecurityOptions {
  readonly noNewPrivileges: boolean;
  /** Empty = not said, `unconfined`, `builtin`, or a profile's JSON. */
  readonly seccomp: string;
  /** null = as privileged says. */
  readonly writableCgroups: boolean | null;
  readonly systemPathsUnconfined: boolean;
  readonly apparmorProfile: string;
  readonly warnings: readonly string[];
}

export interface SecurityHost {
  readonly apparmor: boolean;
  readonly selinux: boolean;
  readonly seccomp: boolean;
}

/**
 * Reads the rows of HostConfig.SecurityOpt, `key=value` (or the old `key:value`). A seccomp value is the profile
 * itself, not a file: the client has read it. What this host cannot do gives a warning, unless it asks for less
 * protection anyway. Throws Docker's texts.
 */
export function parseSecurityOptions(
  rows: readonly string[],
  host: SecurityHost,
  defaults: { noNewPrivileges: boolean },
): SecurityOptions {
  const options = {
    ...defaults,
    seccomp: "",
    writableCgroups: null as boolean | null,
    systemPathsUnconfined: false,
    apparmorProfile: "",
  };
  const warnings: string[] = [];
  for (const row of rows) {
    const [key, value] = split(row);
    switch (key) {
      case "no-new-privileges":
        options.noNewPrivileges = value === undefined || truth(value, row);
        break;
      case "writable-cgroups":
        options.writableCgroups = value === undefined || truth(value, row);
        break;
      case "seccomp":
        options.seccomp = checkedSeccomp(value ?? "", host);
        break;
      case "systempaths":
        if (value !== "unconfined") refuse(2, row);
        options.systemPathsUnconfined = true;
        break;
      case "apparmor":
        if (host.apparmor) options.apparmorProfile = value ?? "";
        else if (value !== "unconfined") warnings.push(`AppArmor is not available on this host: ${row} has no effect.`);
        break;
      case "disable":
        break;
      case "label":
        if (!host.selinux && value !== "disable")
          warnings.push(`SELinux is not available on this host: ${row} has no effect.`);
        break;
      default:
        refuse(2, row);
    }
  }
  return { ...options, warnings };
}

/** Words that may stand alone have no value. */
function split(row: string): [key: string, value?: string] {
  if (row === "no-new-privileges" || row === "writable-cgroups" || row === "disable") return [row];
  const at = row.includes("=") ? row.indexOf("=") : row.indexOf(":");
  if (at < 0) refuse(1, row);
  return [row.slice(0, at), row.slice(at + 1)];
}

function checkedSeccomp(value: string, host: SecurityHost): string {
  if (value === "" || value === "unconfined") return value;
  if (!host.seccomp && value !== "builtin")
    throw new EngineError("invalid", "seccomp is not enabled in your kernel, cannot run a custom seccomp profile");
  if (value !== "builtin") parseProfile(value);
  return value;
}

/** Go's strconv.ParseBool. */
function truth(value: string, row: string): boolean {
  if (["1", "t", "T", "TRUE", "true", "True"].includes(value)) return true;
  if (["0", "f", "F", "FALSE", "false", "False"].includes(value)) return false;
  return refuse(2, row);
}

/** The number tells Docker's two places apart; clients see the text as it is. */
function refuse(place: 1 | 2, row: string): never {
  throw new EngineError("invalid", `invalid --security-opt ${place}: ${JSON.stringify(row)}`, { option: row });
}
