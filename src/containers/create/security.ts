import { resolveCapabilities } from "../../security/capabilities.ts";
import { defaultMaskedPaths, defaultReadonlyPaths } from "../../security/masked-paths.ts";
import { parseProfile } from "../../security/seccomp/profile.ts";
import { parseSecurityOptions } from "../../security/security-options.ts";
import type { HostConfig } from "../../spec/engine/types.gen.ts";
import type { SecurityPlan } from "../plan.ts";
import type { CreateDefaults } from "./defaults.ts";

/** The security part of a plan, and the two lists of paths as inspect shows them. Throws Docker's texts. */
export function planSecurity(
  host: HostConfig,
  defaults: CreateDefaults,
): { security: SecurityPlan; warnings: readonly string[] } {
  const privileged = host.Privileged === true;
  const options = parseSecurityOptions(host.SecurityOpt ?? [], defaults.host, defaults);
  const paths = (own: readonly string[] | null | undefined, normal: readonly string[]): readonly string[] =>
    privileged || options.systemPathsUnconfined ? [] : (own ?? normal);
  return {
    warnings: options.warnings,
    security: {
      privileged,
      capabilities: resolveCapabilities({ add: host.CapAdd ?? [], drop: host.CapDrop ?? [], privileged }),
      seccomp: planSeccomp(options.seccomp, privileged, defaults),
      noNewPrivileges: options.noNewPrivileges,
      maskedPaths: paths(host.MaskedPaths, defaultMaskedPaths()),
      readonlyPaths: paths(host.ReadonlyPaths, defaultReadonlyPaths),
      apparmorProfile: options.apparmorProfile,
      writableCgroups: options.writableCgroups ?? privileged,
      options: host.SecurityOpt ?? [],
    },
  };
}

/** A privileged container has a filter only when it asks for one by profile (moby parity). */
function planSeccomp(asked: string, privileged: boolean, defaults: CreateDefaults): SecurityPlan["seccomp"] {
  if (asked === "unconfined" || !defaults.host.seccomp) return { kind: "unconfined" };
  if (asked === "builtin") return { kind: "default" };
  if (asked !== "") return { kind: "profile", profile: asked };
  if (privileged || defaults.seccompProfile === "unconfined") return { kind: "unconfined" };
  if (defaults.seccompProfile === "") return { kind: "default" };
  parseProfile(defaults.seccompProfile);
  return { kind: "profile", profile: defaults.seccompProfile };
}
