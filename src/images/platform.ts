import { EngineError } from "../base/errors.ts";
import type { OciPlatform } from "../spec/oci/descriptor.ts";

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
  if (architecture === "" && os !== "linux") return normalizePlatform({ os: hostPlatform.os, architecture: os });
  const named = { os, architecture: architecture === "" ? hostPlatform.architecture : architecture, variant };
  // what was said stays as it was said: it may become an image's own platform
  const normal = normalizePlatform(named);
  return { ...normal, variant: normal.architecture === architecture ? variant : normal.variant };
}

/** One spelling for each platform, as containerd normalizes them: `aarch64` is `arm64`, `arm64/v8` is `arm64`. */
export function normalizePlatform(platform: Pick<OciPlatform, "os" | "architecture" | "variant">): Platform {
  const os = platform.os.toLowerCase() === "macos" ? "darwin" : platform.os.toLowerCase();
  const name = platform.architecture.toLowerCase();
  const variant = (platform.variant ?? "").toLowerCase();
  switch (name) {
    case "x86_64":
    case "x86-64":
    case "amd64":
      return { os, architecture: "amd64", variant: variant === "v1" ? "" : variant };
    case "i386":
      return { os, architecture: "386", variant: "" };
    case "aarch64":
    case "arm64":
      return { os, architecture: "arm64", variant: variant === "8" || variant === "v8" ? "" : variant };
    case "armhf":
      return { os, architecture: "arm", variant: "v7" };
    case "armel":
      return { os, architecture: "arm", variant: "v6" };
    case "arm":
      return {
        os,
        architecture: "arm",
        variant: variant === "" || variant === "7" ? "v7" : /^\d/.test(variant) ? `v${variant}` : variant,
      };
    default:
      return { os, architecture: name, variant };
  }
}

export const formatPlatform = ({ os, architecture, variant }: Platform): string =>
  `${os}/${architecture}${variant === "" ? "" : `/${variant}`}`;

/**
 * How well an image's platform serves one that is wanted: 0 is exactly it, more is worse, undefined does not run.
 * Processors run code of their elder kin: the order is containerd's.
 */
export function platformRank(
  wanted: Platform,
  offered: Pick<OciPlatform, "os" | "architecture" | "variant">,
): number | undefined {
  const normal = formatPlatform(normalizePlatform(offered));
  const rank = platformVector(wanted).findIndex((platform) => formatPlatform(platform) === normal);
  return rank < 0 ? undefined : rank;
}

function platformVector(wanted: Platform): Platform[] {
  const { os, architecture, variant } = normalizePlatform(wanted);
  const down = (highest: string, lowest: number): Platform[] => {
    const number = Number(/^v(\d)$/.exec(highest)?.[1] ?? 0);
    const platforms: Platform[] = [];
    for (let version = number; version >= lowest; version--)
      platforms.push(normalizePlatform({ os, architecture, variant: `v${version}` }));
    return platforms.length > 0 ? platforms : [{ os, architecture, variant: highest }];
  };
  switch (architecture) {
    case "amd64":
      return [...down(variant || "v1", 1), { os, architecture: "386", variant: "" }];
    case "arm":
      return down(variant, 5);
    case "arm64":
      return [
        ...(variant === "" ? [] : [{ os, architecture, variant }]),
        { os, architecture, variant: "" },
        ...platformVector({ os, architecture: "arm", variant: "v8" }),
      ];
    default:
      return [{ os, architecture, variant }];
  }
}

/** The best of several for a wanted platform; what names no platform is never better than what does. */
export function choosePlatform<T>(
  wanted: Platform,
  offers: readonly T[],
  platformOf: (offer: T) => Pick<OciPlatform, "os" | "architecture" | "variant"> | undefined,
): T | undefined {
  let best: { offer: T; rank: number } | undefined;
  for (const offer of offers) {
    const platform = platformOf(offer);
    const rank = platform === undefined ? Number.MAX_SAFE_INTEGER : platformRank(wanted, platform);
    if (rank !== undefined && (best === undefined || rank < best.rank)) best = { offer, rank };
  }
  return best?.offer;
}
