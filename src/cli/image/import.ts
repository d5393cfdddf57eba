import { createReadStream } from "node:fs";
import { open } from "node:fs/promises";
import type { Readable } from "node:stream";
import { command } from "../command.ts";
import { ExitError } from "../exit-error.ts";
import { renderProgress } from "../render/progress.ts";
import { openFailure } from "../values/env-file.ts";
import { parseShortReference } from "../values/reference.ts";

export const imageImport = command({
  path: "image import",
  aliases: ["import"],
  args: "file|URL|- [REPOSITORY[:TAG]]",
  arity: { min: 1, max: Infinity },
  summary: "Import the contents from a tarball to create a filesystem image",
  complete: "file",
  flags: {
    change: { type: "list", short: "c", help: "Apply Dockerfile instruction to the created image" },
    message: { type: "string", short: "m", help: "Set commit message for imported image" },
    platform: { type: "string", help: "Set platform if server is multi-platform capable" },
  },
  async run({ flags, args: [source = "", reference], engine, stdin, stdout }) {
    const input = await openSource(source, stdin);
    const target = reference === undefined ? undefined : parseShortReference(reference);
    const query = {
      fromSrc: input.fromSrc,
      ...(target === undefined
        ? {}
        : { repo: target.tag === undefined ? target.name : `${target.name}:${target.tag}` }),
      ...(flags.message === undefined ? {} : { message: flags.message }),
      ...(flags.platform === undefined ? {} : { platform: flags.platform.toLowerCase() }),
      ...(flags.change.length === 0 ? {} : { changes: flags.change }),
    };
    const { body } = await engine.stream(
      "ImageCreate",
      query,
      input.upload === undefined ? {} : { upload: input.upload },
    );
    await renderProgress(body, stdout);
  },
});

/** The body to send, or the address that the daemon is to read. */
async function openSource(source: string, stdin: Readable): Promise<{ fromSrc: string; upload?: Readable }> {
  if (source === "-") return { fromSrc: "-", upload: stdin };
  if (/^https?:\/\//.test(source)) return { fromSrc: source };
  return { fromSrc: "-", upload: await openInput(source) };
}

/** A file to send; docker's text if it cannot be opened. */
export async function openInput(path: string): Promise<Readable> {
  try {
    const file = await open(path);
    // createReadStream on the handle: what was opened is what is read.
    return createReadStream(path, { fd: file });
  } catch (error) {
    throw new ExitError(1, `open ${path}: ${openFailure(error)}`);
  }
}
