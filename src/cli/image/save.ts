import { randomBytes } from "node:crypto";
import { createWriteStream } from "node:fs";
import { rename, rm, stat } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import type { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import type { EngineClient } from "../../client/engine-client.ts";
import { command } from "../command.ts";
import { ExitError } from "../exit-error.ts";
import { openFailure } from "../values/env-file.ts";
import { platformJson } from "./platform.ts";

export const imageSave = command({
  path: "image save",
  aliases: ["save"],
  args: "IMAGE [IMAGE...]",
  arity: { min: 1, max: Infinity },
  summary: "Save one or more images to a tar archive (streamed to STDOUT by default)",
  complete: "image",
  flags: {
    format: {
      type: "string",
      default: "archive",
      help: 'Format of the file: "archive" (Docker archive and OCI layout in one), "oci" (the same, with manifests of OCI\'s types alone), or "aci" (App Container Image, of one image)',
      complete: ["archive", "oci", "aci"],
    },
    output: { type: "string", short: "o", help: "Write to a file, instead of STDOUT", complete: "file" },
    platform: {
      type: "string",
      help: 'Save only the given platform variant. Formatted as "os[/arch[/variant]]" (e.g., "linux/amd64")',
    },
  },
  async run({ flags, args, engine, stdout }) {
    if (flags.output === undefined && stdout.isTTY)
      throw new ExitError(1, "cowardly refusing to save to a terminal. Use the -o flag or redirect");
    if (flags.output !== undefined) await checkOutput(flags.output);
    const body = await openArchive(engine, { names: args, format: flags.format, platform: flags.platform });
    if (flags.output === undefined) await pipeline(body, stdout, { end: false });
    else await writeWhole(body, flags.output);
  },
});

async function openArchive(
  engine: EngineClient,
  { names, format, platform }: { names: readonly string[]; format: string; platform: string | undefined },
): Promise<Readable> {
  const wanted = platform === undefined ? undefined : platformJson(platform);
  switch (format) {
    case "archive":
    case "docker": {
      const { body } = await engine.stream("ImageGetAll", { names: [...names], ...(wanted && { platform: [wanted] }) });
      return body;
    }
    case "oci": {
      const request = { Names: [...names], OnlyOci: true, ...(wanted && { Platforms: [wanted] }) };
      return (await engine.stream("ImageSavePart", {}, { body: request })).body;
    }
    case "aci": {
      const [name = "", ...more] = names;
      if (more.length > 0) throw new ExitError(1, "an App Container Image holds one image: save them one by one");
      const { body } = await engine.stream("ImageGetAci", { name, ...(wanted && { platform: wanted }) });
      return body;
    }
    default:
      throw new ExitError(1, `unknown format "${format}": known are archive, oci and aci`);
  }
}

async function checkOutput(path: string): Promise<void> {
  const failed = (why: string): ExitError => new ExitError(1, `failed to save image: ${why}`);
  if (path === "") throw failed("output path is empty");
  const folder = dirname(resolve(path));
  try {
    await stat(folder);
  } catch (error) {
    throw failed(`invalid output path: stat ${folder}: ${openFailure(error)}`);
  }
  const found = await stat(path).catch(() => undefined); // not there yet: the usual case
  if (found?.isDirectory() === true) throw failed(`invalid output path: "${path}" must be a regular file`);
  if (found !== undefined && !found.isFile() && !found.isCharacterDevice()) throw failed(`got a device`);
}

/** Writes beside the target and renames, so that a broken transfer leaves no half archive under the name. */
export async function writeWhole(body: Readable, path: string): Promise<void> {
  const target = resolve(path);
  const found = await stat(target).catch(() => undefined); // not there yet: the usual case
  if (found !== undefined && !found.isFile()) {
    await pipeline(body, createWriteStream(target));
    return;
  }
  const draft = join(dirname(target), `.tmp-${basename(target)}${randomBytes(4).toString("hex")}`);
  try {
    await pipeline(body, createWriteStream(draft, { mode: 0o600 }));
    await rename(draft, target);
  } catch (error) {
    await rm(draft, { force: true });
    throw error;
  }
}
