import { EngineError } from "../base/errors.ts";

export interface Platform {
  readonly os: string;
  readonly architecture: string;
  readonly variant: string;
}

const architectures: Record<string, string> = { x64: "amd64", arm64: "arm64", ia32: "386", arm: "arm" };

export const hostPlatform: Platform = {
  os: "linux",
  architecture: architectures[process.arch] ?? process.arch,
  variant: "",
};

/** Reads `os[/arch[/variant]]`; empty = the host's. */
export function parsePlatform(text: string): Platform {
  if (text === "") return hostPlatform;
  const [os = "", architecture = "", variant = "", ...more] = text.toLowerCase().split("/");
  if (
    more.length > 0 ||
    !/^[a-z0-9_-]+$/.test(os) ||
    !/^[a-z0-9_-]*$/.test(architecture) ||
    !/^[a-z0-9_.-]*$/.test(variant)
  ) {
    throw new EngineError(
      "invalid",
      `"${text}" is an invalid OS component of "${text}": OSAndVersion specifier component must match "^([A-Za-z0-9_-]+)(?:\\\\(([A-Za-z0-9_.-]*)\\\\))?$"`,
    );
  }
  if (architecture === "" && os !== "linux") return { os: hostPlatform.os, architecture: normalized(os), variant: "" };
  return { os, architecture: architecture === "" ? hostPlatform.architecture : normalized(architecture), variant };
}

const normalized = (name: string): string =>
  ({ x86_64: "amd64", "x86-64": "amd64", aarch64: "arm64", i386: "386" })[name] ?? name;
