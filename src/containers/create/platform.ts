import { EngineError } from "../../base/errors.ts";
import type { Image } from "../../images/image.ts";

/**
 * Compares an image with the platform asked for, or with the host where none was: a mismatch is then only a warning,
 * for emulators make it run. Variants count only when both sides name one.
 */
export function checkPlatform(image: Image | null, asked: string, host: string): string[] {
  if (!image) return [];
  const { os, architecture, variant } = image.config;
  const own = [os, architecture, variant].filter(Boolean).join("/");
  if (asked !== "") {
    if (sameMachine(own, asked)) return [];
    // not-found: the client pulls the other platform and asks again
    const reference = image.references[0] ?? image.id;
    throw new EngineError(
      "not-found",
      `image with reference ${reference} was found but its platform (${own}) does not match the specified platform (${asked})`,
    );
  }
  if (sameMachine(own, host)) return [];
  return [
    `The requested image's platform (${own}) does not match the detected host platform (${host}) and no specific platform was requested`,
  ];
}

function sameMachine(image: string, wanted: string): boolean {
  const [os, architecture, variant] = parts(image);
  const [wantedOs, wantedArchitecture, wantedVariant] = parts(wanted);
  return (
    os === wantedOs && architecture === wantedArchitecture && (!variant || !wantedVariant || variant === wantedVariant)
  );
}

const aliases: Readonly<Record<string, string>> = {
  x86_64: "amd64",
  "x86-64": "amd64",
  aarch64: "arm64",
  armhf: "arm",
};

/** `amd64` alone means linux/amd64, as clients may write it. */
function parts(platform: string): [os: string, architecture: string, variant: string] {
  const words = platform.toLowerCase().split("/");
  const [os = "", architecture = "", variant = ""] =
    words.length === 1 && words[0] !== "linux" ? ["linux", ...words] : words;
  const settled = aliases[architecture] ?? architecture;
  // arm64 has one variant, v8: saying it is the same as not saying it
  return [os, settled, settled === "arm64" && variant === "v8" ? "" : variant];
}
