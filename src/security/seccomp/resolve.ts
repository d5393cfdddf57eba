import type { Condition, SeccompProfile, SeccompRule, SyscallRule } from "./profile.ts";

/** linux.seccomp of the OCI runtime spec 1.0.2. */
export interface OciSeccomp {
  readonly defaultAction: string;
  readonly defaultErrnoRet?: number;
  readonly architectures?: readonly string[];
  readonly flags?: readonly string[];
  readonly listenerPath?: string;
  readonly listenerMetadata?: string;
  readonly syscalls: readonly SyscallRule[];
}

/** What the conditions of a profile are asked against. */
export interface SeccompHost {
  /** Go's name: `amd64`. */
  readonly arch: string;
  /** `uname -r`. */
  readonly kernel: string;
  /** Bounding set of the container. */
  readonly capabilities: readonly string[];
}

/** libseccomp's constants by Go's names of architectures. */
const seccompArch: Readonly<Record<string, string>> = {
  "386": "SCMP_ARCH_X86",
  amd64: "SCMP_ARCH_X86_64",
  arm: "SCMP_ARCH_ARM",
  arm64: "SCMP_ARCH_AARCH64",
  loong64: "SCMP_ARCH_LOONGARCH64",
  mips64: "SCMP_ARCH_MIPS64",
  mips64le: "SCMP_ARCH_MIPSEL64",
  mipsle: "SCMP_ARCH_MIPSEL",
  ppc64: "SCMP_ARCH_PPC64",
  ppc64le: "SCMP_ARCH_PPC64LE",
  riscv64: "SCMP_ARCH_RISCV64",
  s390: "SCMP_ARCH_S390",
  s390x: "SCMP_ARCH_S390X",
};

/** The profile for one container: conditions decided, architectures chosen. undefined = no filter at all. */
export function resolveSeccomp(profile: SeccompProfile, host: SeccompHost): OciSeccomp | undefined {
  const rules = profile.syscalls ?? [];
  // moby parity: `{}` means seccomp is off
  if (!profile.defaultAction && rules.length === 0) return undefined;
  const mapped = profile.archMap?.find((entry) => entry.architecture === seccompArch[host.arch]);
  const architectures = mapped ? [mapped.architecture, ...(mapped.subArchitectures ?? [])] : profile.architectures;
  return {
    defaultAction: profile.defaultAction,
    ...(profile.defaultErrnoRet === undefined ? {} : { defaultErrnoRet: profile.defaultErrnoRet }),
    ...(architectures?.length ? { architectures } : {}),
    ...(profile.flags?.length ? { flags: profile.flags } : {}),
    ...(profile.listenerPath ? { listenerPath: profile.listenerPath } : {}),
    ...(profile.listenerMetadata ? { listenerMetadata: profile.listenerMetadata } : {}),
    syscalls: rules
      .filter((rule) => applies(rule, host))
      .map(plain)
      .filter((rule) => rule.names?.length),
  };
}

function applies({ includes, excludes }: SeccompRule, host: SeccompHost): boolean {
  if (includes) {
    const { arches, caps, minKernel } = includes;
    if (arches?.length && !arches.includes(host.arch)) return false;
    if (caps?.some((capability) => !host.capabilities.includes(capability))) return false;
    if (minKernel && !kernelAtLeast(host.kernel, minKernel)) return false;
  }
  return !excludes || !excluded(excludes, host);
}

function excluded({ arches, caps, minKernel }: Condition, host: SeccompHost): boolean {
  return (
    arches?.includes(host.arch) === true ||
    caps?.some((capability) => host.capabilities.includes(capability)) === true ||
    (!!minKernel && kernelAtLeast(host.kernel, minKernel))
  );
}

/** Compares the first two numbers only, as profiles mean them. */
function kernelAtLeast(kernel: string, minimum: string): boolean {
  const [major = 0, minor = 0] = numbers(kernel);
  const [wantedMajor = 0, wantedMinor = 0] = numbers(minimum);
  return major > wantedMajor || (major === wantedMajor && minor >= wantedMinor);
}

const numbers = (version: string): number[] => version.split(".", 2).map((part) => Number.parseInt(part, 10));

function plain({ name, names, action, errnoRet, args }: SeccompRule): SyscallRule {
  return {
    names: name ? [name] : (names ?? []),
    action,
    ...(errnoRet === undefined ? {} : { errnoRet }),
    ...(args?.length ? { args } : {}),
  };
}
