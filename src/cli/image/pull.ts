import type { EngineClient } from "../../client/engine-client.ts";
import { parseReference } from "../../spec/reference.ts";
import { command } from "../command.ts";
import { ExitError } from "../exit-error.ts";
import { type ProgressOutput, renderProgress } from "../render/progress.ts";
import { parseShortReference } from "../values/reference.ts";
import { registryAuthHeaders } from "./registry-auth.ts";

export const imagePull = command({
  path: "image pull",
  aliases: ["pull"],
  args: "NAME[:TAG|@DIGEST]",
  arity: { min: 1, max: 1 },
  summary: "Download an image from a registry",
  complete: "image",
  flags: {
    "all-tags": { type: "bool", short: "a", help: "Download all tagged images in the repository" },
    "disable-content-trust": { type: "bool", default: true, help: "Skip image verification" },
    platform: { type: "string", help: "Set platform if server is multi-platform capable" },
    quiet: { type: "bool", short: "q", help: "Suppress verbose output" },
  },
  async run({ flags, args: [image = ""], engine, stdout, configDir }) {
    const reference = parseShortReference(image);
    if (flags["all-tags"] && (reference.tag !== undefined || reference.digest !== undefined))
      throw new ExitError(1, "tag can't be used with --all-tags/-a");
    if (!flags["all-tags"] && reference.tag === undefined && reference.digest === undefined && !flags.quiet)
      stdout.write("Using default tag: latest\n");
    await pullImage({
      engine,
      image,
      output: stdout,
      configDir,
      quiet: flags.quiet,
      platform: flags.platform,
      allTags: flags["all-tags"],
    });
    stdout.write(`${qualified(image, flags["all-tags"])}\n`);
  },
});

/** `docker.io/library/busybox:latest`: what was pulled, as docker's last line names it. */
function qualified(image: string, allTags: boolean): string {
  const { domain, path, tag, digest } = parseReference(image);
  if (allTags) return `${domain}/${path}`;
  return `${domain}/${path}${digest === undefined ? `:${tag ?? "latest"}` : `@${digest}`}`;
}

export interface PullOptions {
  readonly engine: EngineClient;
  readonly image: string;
  /** Where progress goes: stdout for `pull`, stderr for `run`. */
  readonly output: ProgressOutput;
  readonly configDir: string;
  readonly quiet?: boolean | undefined;
  readonly platform?: string | undefined;
  readonly allTags?: boolean | undefined;
  readonly signal?: AbortSignal;
}

/** Pulls an image and shows how; `run` and `create` use it for a missing one. Throws ProgressError for failures in the stream. */
export async function pullImage({
  engine,
  image,
  output,
  configDir,
  quiet,
  platform,
  allTags,
  signal,
}: PullOptions): Promise<void> {
  const { name, tag, digest } = parseShortReference(image);
  const which = digest ?? tag ?? (allTags === true ? undefined : "latest");
  const { body } = await engine.stream(
    "ImageCreate",
    {
      fromImage: name,
      ...(which === undefined ? {} : { tag: which }),
      ...(platform === undefined ? {} : { platform: platform.toLowerCase() }),
    },
    { headers: await registryAuthHeaders(name, configDir), ...(signal === undefined ? {} : { signal }) },
  );
  await renderProgress(body, output, { quiet });
}
