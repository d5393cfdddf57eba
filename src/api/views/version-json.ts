import type { SystemInfo } from "../system-info.ts";
import { maxApiVersion, minApiVersion } from "../version.ts";

/** Go's name of this machine's architecture. */
export const goArch = (): string => ({ x64: "amd64", ia32: "386" })[process.arch as string] ?? process.arch;

/** GET /version. */
export function versionJson(system: SystemInfo) {
  const facts = {
    ApiVersion: maxApiVersion,
    MinAPIVersion: minApiVersion,
    GitCommit: system.gitCommit,
    GoVersion: `bun${Bun.version}`,
    Os: "linux",
    Arch: goArch(),
    KernelVersion: system.kernelVersion,
    BuildTime: system.buildTime,
  };
  return {
    Platform: { Name: "Berth" },
    Components: [
      { Name: "Engine", Version: system.version, Details: { ...facts, Experimental: "false" } },
      ...Object.entries(system.runtimes).map(([name, runtime]) => ({
        Name: name,
        Version: runtime.version,
        Details: { GitCommit: "" },
      })),
    ],
    Version: system.version,
    ...facts,
  };
}
