import type { RuntimeChoice, RuntimeDriver } from "./driver.ts";
import { removeCrun } from "./remove.ts";
import { releaseCrun, releaseRunc } from "./release.ts";
import { type Family, OciRuntime } from "./oci-runtime.ts";
import { crunState, runcState } from "./state.ts";

/** Programs that share runc's command line: what we know of their files beyond it. */
export const families = {
  crun: { name: "crun", state: crunState, release: releaseCrun, remove: removeCrun, seccompFile: "seccomp.bpf" },
  runc: { name: "runc", state: runcState, release: releaseRunc },
  /** Any other: nothing is known of its files. */
  other: { name: "other" },
} satisfies Record<string, Family>;

/** The driver of a runtime program. Looks at nothing and runs nothing. */
export function openRuntime(choice: RuntimeChoice): RuntimeDriver {
  return new OciRuntime(choice, familyOf(choice));
}

function familyOf(choice: RuntimeChoice): Family {
  if (choice.family) return families[choice.family];
  const program = choice.path.slice(choice.path.lastIndexOf("/") + 1);
  if (program.startsWith("crun")) return families.crun;
  if (program.startsWith("runc")) return families.runc;
  return families.other;
}
