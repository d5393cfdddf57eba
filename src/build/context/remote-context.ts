import { mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { EngineError } from "../../base/errors.ts";
import { newId } from "../../base/id.ts";
import type { ProxySettings } from "../../distribution/http/proxies.ts";
import type { Appliers } from "../../snapshots/apply/appliers.ts";
import { isGit } from "../frontend/dispatch-files.ts";
import type { BuildContext } from "./build-context.ts";
import { folderContext } from "./folder-context.ts";
import { openDownload } from "./download.ts";
import { checkoutGit, parseGitUrl } from "./git.ts";
import { tarContext } from "./tar-context.ts";

/** A Dockerfile alone that a URL gave is this long at most. */
const maxTextBytes = 2 * 1024 * 1024;

/**
 * A context at an address: a git repository, a tar, or one Dockerfile alone (told by its first bytes). With
 * `fileName` a single file gets that name.
 */
export async function remoteContext(
  url: string,
  options: {
    spoolRoot: string;
    appliers: Appliers;
    proxies: ProxySettings;
    signal: AbortSignal;
    fileName: string;
    keepGitDir: boolean;
  },
): Promise<BuildContext> {
  const folder = join(options.spoolRoot, `remote-${newId().slice(0, 16)}`);
  if (isGit(url)) {
    try {
      const { root } = await checkoutGit(parseGitUrl(url), { ...options, folder });
      return folderContext(root, { remove: [folder] });
    } catch (error) {
      await rm(folder, { recursive: true, force: true });
      throw error;
    }
  }
  if (!/^https?:\/\//i.test(url))
    throw new EngineError(
      "invalid",
      `invalid build context ${JSON.stringify(url)}: it is no URL and no git repository`,
    );
  const { status, body } = await openDownload(url, options);
  if (status < 200 || status > 299) {
    await body.return(undefined);
    throw new EngineError("invalid", `error downloading remote context ${url}: status ${status}`, { url });
  }
  let head = Buffer.alloc(0);
  while (head.length < 1024) {
    const next = await body.next();
    if (next.done) break;
    head = Buffer.concat([head, next.value]);
  }
  const whole = async function* (): AsyncGenerator<Uint8Array> {
    yield head;
    for (let next = await body.next(); !next.done; next = await body.next()) yield next.value;
  };
  if (!isText(head)) return tarContext(whole(), options);
  const parts: Uint8Array[] = [];
  let bytes = 0;
  for await (const part of whole()) {
    bytes += part.length;
    if (bytes > maxTextBytes)
      throw new EngineError("invalid", `the Dockerfile at ${url} is longer than ${maxTextBytes} bytes`);
    parts.push(part);
  }
  await mkdir(folder, { recursive: true, mode: 0o755 });
  await writeFile(join(folder, options.fileName), Buffer.concat(parts));
  return folderContext(folder, { remove: [folder] });
}

/** No tar and nothing packed has only printable bytes at its beginning. */
const isText = (head: Buffer): boolean => {
  for (const byte of head) if (byte < 9 || (byte > 13 && byte < 32)) return false;
  return head.length > 0;
};
