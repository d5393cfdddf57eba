import { closeSync, existsSync, openSync, rmSync, writeFileSync } from "node:fs";
import { ApiError, type EngineClient } from "../../client/engine-client.ts";
import { ExitError } from "../exit-error.ts";
import { openFailure } from "../values/env-file.ts";
import { parseShortReference } from "../values/reference.ts";
import type { CreateValues } from "./create-flags.ts";
import type { CreateBody } from "./create-request.ts";

export interface CreateOptions {
  readonly engine: EngineClient;
  readonly flags: CreateValues;
  readonly body: CreateBody;
  readonly stderr: NodeJS.WriteStream;
  readonly configDir: string;
}

/** Creates the container, pulling its image as --pull says; gives the id and writes --cidfile and warnings. */
export async function createContainer({ engine, flags, body, stderr, configDir }: CreateOptions): Promise<string> {
  const image = body.Image ?? "";
  const platform = flags.platform === undefined ? {} : { platform: flags.platform };
  // an id is no reference that could be pulled, but a fine name of an image
  if (!/^(sha256:)?[a-f0-9]{64}$/.test(image)) parseShortReference(image);
  using idFile = openIdFile(flags.cidfile);
  const pull = async (): Promise<void> => {
    const { pullImage } = await import("../image/pull.ts");
    await pullImage({ engine, image, output: stderr, configDir, quiet: flags.quiet, ...platform });
  };
  const create = () =>
    engine.call("ContainerCreate", { ...(flags.name === undefined ? {} : { name: flags.name }), ...platform }, body);
  if (flags.pull === "always") await pull();
  const created = await create().catch(async (error: unknown) => {
    // 404 of a create means that the image is missing (engine-api.md 0.6)
    if (!(error instanceof ApiError) || error.status !== 404 || flags.pull !== "missing") throw error;
    if (!flags.quiet) stderr.write(`Unable to find image '${withTag(image)}' locally\n`);
    await pull();
    return create();
  });
  if (body.HostConfig?.Dns?.some((address) => /^(127\.|::1$)/.test(address)) === true) {
    stderr.write(
      `WARNING: Localhost DNS (${body.HostConfig.Dns.find((address) => /^(127\.|::1$)/.test(address))}) may fail in containers.\n`,
    );
  }
  for (const warning of created.Warnings ?? []) stderr.write(`WARNING: ${warning}\n`);
  idFile.write(created.Id);
  return created.Id;
}

/** Judges --pull before anything is asked of the daemon. */
export function checkPull(pull: string): void {
  if (!/^(always|missing|never)$/.test(pull))
    throw new ExitError(125, `invalid pull option: '${pull}': must be one of "always", "missing" or "never"`);
}

/** `busybox` is `busybox:latest`; digests and ids stay. */
export function withTag(image: string): string {
  return image.includes("@") || /:[^/]*$/.test(image) ? image : `${image}:latest`;
}

function openIdFile(path: string | undefined): Disposable & { write(id: string): void } {
  if (path === undefined || path === "") return { write() {}, [Symbol.dispose]() {} };
  if (existsSync(path))
    throw new Error(`container ID file found, make sure the other container isn't running or delete ${path}`);
  let written = false;
  try {
    closeSync(openSync(path, "wx"));
  } catch (error) {
    throw new Error(`failed to create the container ID file: open ${path}: ${openFailure(error)}`, { cause: error });
  }
  return {
    write(id) {
      writeFileSync(path, id);
      written = true;
    },
    [Symbol.dispose]() {
      if (!written) rmSync(path, { force: true });
    },
  };
}
