import { command } from "../command.ts";
import { ExitError } from "../exit-error.ts";
import { splitCommas } from "../values/csv.ts";
import { fullReference } from "./fetch.ts";
import { ManifestLists } from "./store.ts";

export const manifestAnnotate = command({
  path: "manifest annotate",
  args: "MANIFEST_LIST MANIFEST",
  arity: { min: 2, max: 2 },
  summary: "Add additional information to a local image manifest",
  flags: {
    arch: { type: "string", help: "Set architecture" },
    os: { type: "string", help: "Set operating system" },
    "os-features": { type: "stringArray", valueName: "strings", help: "Set operating system feature" },
    "os-version": { type: "string", help: "Set operating system version" },
    variant: { type: "string", help: "Set architecture variant" },
  },
  async run({ flags, args: [listName = "", name = ""], configDir }) {
    const list = fullReference(listName);
    const lists = new ManifestLists(configDir);
    lists.members(list); // throws when there is no such list
    const reference = fullReference(name);
    const before = lists.member(list, reference);
    if (before === undefined) throw new ExitError(1, `manifest for image ${reference} does not exist in ${list}`);
    const features = [
      ...new Set([...(before.Descriptor.platform?.["os.features"] ?? []), ...splitCommas(flags["os-features"])]),
    ];
    const platform = {
      architecture: before.Descriptor.platform?.architecture ?? "",
      os: before.Descriptor.platform?.os ?? "",
      ...before.Descriptor.platform,
      ...(flags.arch === undefined ? {} : { architecture: flags.arch }),
      ...(flags.os === undefined ? {} : { os: flags.os }),
      ...(flags.variant === undefined ? {} : { variant: flags.variant }),
      ...(flags["os-version"] === undefined ? {} : { "os.version": flags["os-version"] }),
      ...(features.length === 0 ? {} : { "os.features": features }),
    };
    if (platforms[platform.os]?.includes(platform.architecture) !== true)
      throw new ExitError(
        1,
        `manifest entry for image has unsupported os/arch combination: ${flags.os ?? ""}/${flags.arch ?? ""}`,
      );
    lists.write(list, { ...before, Descriptor: { ...before.Descriptor, platform } });
  },
});

/** What Go, in which registries and docker are written, can be built for. */
const platforms: Readonly<Record<string, readonly string[]>> = {
  android: ["386", "amd64", "arm", "arm64"],
  darwin: ["386", "amd64", "arm", "arm64"],
  dragonfly: ["amd64"],
  freebsd: ["386", "amd64", "arm", "arm64", "riscv64"],
  linux: [
    "386",
    "amd64",
    "arm",
    "arm64",
    "loong64",
    "mips",
    "mips64",
    "mips64le",
    "mipsle",
    "ppc64",
    "ppc64le",
    "riscv64",
    "s390x",
  ],
  netbsd: ["386", "amd64", "arm", "arm64"],
  openbsd: ["386", "amd64", "arm", "arm64"],
  plan9: ["386", "amd64", "arm"],
  solaris: ["amd64"],
  wasip1: ["wasm"],
  windows: ["386", "amd64", "arm", "arm64"],
};
