import { SyntaxFault } from "./dockerfile-error.ts";

const architectures: Readonly<Record<string, string>> = {
  x86_64: "amd64",
  "x86-64": "amd64",
  aarch64: "arm64",
  i386: "386",
  armhf: "arm/v7",
  armel: "arm/v6",
};
const known = new Set(["amd64", "arm64", "386", "arm", "ppc64le", "s390x", "riscv64", "loong64", "mips64le"]);

/** `linux/amd64`, `arm64`, `linux/arm/v7` in one form, `os/arch[/variant]`. Throws SyntaxFault. */
export function normalPlatform(text: string): string {
  const parts = text.toLowerCase().split("/");
  if (parts.length > 3 || parts.some((part) => !/^[a-z0-9_.()-]+$/.test(part)))
    throw new SyntaxFault(`${JSON.stringify(text)} is an invalid platform: write it as os[/arch[/variant]]`);
  const [first = "", second, third] = parts;
  if (second === undefined) {
    const architecture = architectures[first] ?? first;
    if (known.has(architecture.split("/")[0] ?? "")) return `linux/${architecture}`;
    if (first === "linux" || first === "windows") return `${first}/${hostArchitecture}`;
    throw new SyntaxFault(
      `${JSON.stringify(text)}: unknown operating system or architecture: write it as linux/amd64 or linux/arm64`,
    );
  }
  const architecture = architectures[second] ?? second;
  const variant = third === undefined || (architecture === "arm64" && third === "v8") ? "" : `/${third}`;
  return `${first}/${architecture}${architecture.includes("/") ? "" : variant}`;
}

/** Go's name of this machine's architecture. */
export const hostArchitecture =
  { x64: "amd64", arm64: "arm64", ia32: "386", arm: "arm/v7" }[process.arch as string] ?? process.arch;

export const hostPlatform = `linux/${hostArchitecture}`;

/** `TARGETOS` and its kin for a platform. */
export function platformArgs(prefix: "TARGET" | "BUILD", platform: string): [string, string][] {
  const [os = "", architecture = "", variant = ""] = platform.split("/");
  return [
    [`${prefix}PLATFORM`, platform],
    [`${prefix}OS`, os],
    [`${prefix}ARCH`, architecture],
    [`${prefix}VARIANT`, variant],
  ];
}
