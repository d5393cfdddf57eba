import { createWriteStream } from "node:fs";
import type { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { errorMessage } from "../../base/errors.ts";
import { command } from "../command.ts";
import { ExitError } from "../exit-error.ts";
import { openFailure } from "../values/env-file.ts";
import { findContext } from "./default-context.ts";

export const contextExport = command({
  path: "context export",
  args: "CONTEXT [FILE|-]",
  arity: { min: 1, max: 2 },
  summary: "Export a context to a tar archive FILE or a tar stream on STDOUT.",
  flags: {},
  async run({ args: [name = "", target = `${name}.dockercontext`], stdout, stderr, env, configDir }) {
    const { context, tls } = findContext(name, env, configDir);
    if (target === "-" && stdout.isTTY)
      throw new ExitError(1, "cowardly refusing to export to a terminal, specify a file path");
    const { pack } = await import("tar-stream");
    const tar = pack();
    const mtime = new Date(0);
    tar.entry({ name: "meta.json", mode: 0o644, mtime }, JSON.stringify(context));
    tar.entry({ name: "tls", type: "directory", mode: 0o700, mtime });
    if (Object.keys(tls).length > 0) tar.entry({ name: "tls/docker", type: "directory", mode: 0o700, mtime });
    for (const [file, text] of Object.entries(tls)) tar.entry({ name: `tls/docker/${file}`, mode: 0o600, mtime }, text);
    tar.finalize();
    // tar-stream's own Readable is streamx's; what is asked of it here is asynchronous iteration
    const body = tar as unknown as Readable;
    if (target === "-") return pipeline(body, stdout, { end: false });
    try {
      await pipeline(body, createWriteStream(target, { flags: "wx", mode: 0o600 }));
    } catch (error) {
      const exists = error instanceof Error && "code" in error && error.code === "EEXIST";
      throw new ExitError(1, `open ${target}: ${exists ? "file exists" : openFailure(error) || errorMessage(error)}`);
    }
    stderr.write(`Written file "${target}"\n`);
    return undefined;
  },
});
