import { command } from "../command.ts";
import { ExitError } from "../exit-error.ts";
import { renderProgress } from "../render/progress.ts";
import { parseShortReference } from "../values/reference.ts";
import { platformJson } from "./platform.ts";
import { registryAuthHeaders } from "./registry-auth.ts";

export const imagePush = command({
  path: "image push",
  aliases: ["push"],
  args: "NAME[:TAG]",
  arity: { min: 1, max: 1 },
  summary: "Upload an image to a registry",
  complete: "image",
  flags: {
    "all-tags": { type: "bool", short: "a", help: "Push all tags of an image to the repository" },
    "disable-content-trust": { type: "bool", default: true, help: "Skip image signing" },
    platform: {
      type: "string",
      help: "Push one platform of a multi-platform image only: 'os[/arch[/variant]]' (eg. linux/amd64)",
    },
    quiet: { type: "bool", short: "q", help: "Suppress verbose output" },
  },
  async run({ flags, args: [image = ""], engine, stdout, configDir }) {
    const { name, tag: given, digest } = parseShortReference(image);
    if (flags["all-tags"] && (given !== undefined || digest !== undefined))
      throw new ExitError(1, "tag can't be used with --all-tags/-a");
    if (!flags["all-tags"] && given === undefined && !flags.quiet) stdout.write("Using default tag: latest\n");
    const tag = flags["all-tags"] ? undefined : (given ?? "latest");
    const auth = await registryAuthHeaders(name, configDir);
    // The daemon wants the header even when it is empty.
    const headers = { "x-registry-auth": Buffer.from("{}").toString("base64url"), ...auth };
    const { body } = await engine.stream(
      "ImagePush",
      {
        name,
        ...(tag === undefined ? {} : { tag }),
        ...(flags.platform === undefined ? {} : { platform: platformJson(flags.platform) }),
      },
      { headers },
    );
    await renderProgress(body, stdout, { quiet: flags.quiet });
    if (flags.quiet) stdout.write(`${tag === undefined ? name : `${name}:${tag}`}\n`);
  },
});
