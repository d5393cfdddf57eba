import { createWriteStream } from "node:fs";
import { mkdir, rm, utimes } from "node:fs/promises";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { Readable } from "node:stream";
import { EngineError } from "../../base/errors.ts";
import { newId } from "../../base/id.ts";
import type { ProxySettings } from "../../distribution/http/proxies.ts";
import { openDownload } from "../context/download.ts";
import { checkoutGit, type GitSource, parseGitUrl } from "../context/git.ts";

interface UrlSource {
  readonly url: string;
  readonly checksum: string;
}

/** A file or folder that was fetched: a folder of this host, and what to take of it. */
export interface Fetched {
  readonly root: string;
  readonly patterns: readonly string[];
}

/** Most that a download may be: more than any tool, less than a disk. */
const maxDownloadBytes = 16 * 1024 ** 3;
const downloadTimeoutMs = 30 * 60_000;

/** What ADD takes from the network. Each URL is fetched once per build. */
export class Remotes implements AsyncDisposable {
  readonly #spoolRoot: string;
  readonly #signal: AbortSignal;
  readonly #proxies: ProxySettings;
  readonly #folders: string[] = [];
  readonly #downloads = new Map<string, Promise<Fetched & { digest: string }>>();
  readonly #checkouts = new Map<string, Promise<Fetched & { commit: string }>>();

  constructor(options: { spoolRoot: string; signal: AbortSignal; proxies: ProxySettings }) {
    this.#proxies = options.proxies;
    this.#spoolRoot = options.spoolRoot;
    this.#signal = options.signal;
  }

  /** With a checksum nothing has to be fetched to know what it is. */
  async urlIdentity(source: UrlSource): Promise<string> {
    return source.checksum !== "" ? source.checksum : (await this.download(source)).digest;
  }

  async gitIdentity(source: { url: string; checksum: string; keepGitDir: boolean }): Promise<string> {
    return (await this.checkout(source)).commit;
  }

  /** Throws `invalid` for bytes that are not what the checksum says, whoever has fetched them. */
  async download({ url, checksum }: UrlSource): Promise<Fetched & { digest: string }> {
    let made = this.#downloads.get(url);
    if (!made) {
      made = this.#download(url);
      made.catch(() => {}); // told by who waits for it
      this.#downloads.set(url, made);
    }
    const file = await made;
    if (checksum !== "" && file.digest !== checksum)
      throw new EngineError("invalid", `digest mismatch ${file.digest}: ${checksum} for ${url}`, {
        url,
        digest: file.digest,
      });
    return file;
  }

  checkout(source: { url: string; checksum: string; keepGitDir: boolean }): Promise<Fetched & { commit: string }> {
    const key = `${source.url} ${source.keepGitDir} ${source.checksum}`;
    const known = this.#checkouts.get(key);
    if (known) return known;
    const made = this.#checkout(source);
    made.catch(() => {}); // told by who waits for it
    this.#checkouts.set(key, made);
    return made;
  }

  async #download(url: string): Promise<Fetched & { digest: string }> {
    const name = fileName(url);
    const root = this.#folder("url");
    await mkdir(root, { recursive: true });
    const { status, headers, body } = await openDownload(url, {
      signal: AbortSignal.any([this.#signal, AbortSignal.timeout(downloadTimeoutMs)]),
      proxies: this.#proxies,
    });
    if (status < 200 || status > 299) {
      await body.return(undefined);
      throw new EngineError("not-found", `invalid response status ${status} for ${url}`, { url });
    }
    const hash = new Bun.CryptoHasher("sha256");
    let bytes = 0;
    const counted = async function* (): AsyncGenerator<Uint8Array> {
      for await (const chunk of body) {
        bytes += chunk.length;
        if (bytes > maxDownloadBytes)
          throw new EngineError("invalid", `${url} is larger than ${maxDownloadBytes} bytes`, { url });
        hash.update(chunk);
        yield chunk;
      }
    };
    const file = join(root, name);
    await pipeline(Readable.from(counted(), { objectMode: false }), createWriteStream(file, { mode: 0o600 }));
    const digest = `sha256:${hash.digest("hex")}`;
    // moby parity: the time is the server's, or the beginning of time
    const modified = Date.parse(headers.get("last-modified") ?? "") || 0;
    await utimes(file, modified / 1000, modified / 1000);
    return { root, patterns: [`/${name.replaceAll(/[*?[\\]/g, "\\$&")}`], digest };
  }

  async #checkout(source: {
    url: string;
    checksum: string;
    keepGitDir: boolean;
  }): Promise<Fetched & { commit: string }> {
    const git: GitSource = parseGitUrl(source.url);
    const folder = this.#folder("git");
    const { commit, root } = await checkoutGit(git, {
      folder,
      keepGitDir: source.keepGitDir,
      checksum: source.checksum,
      signal: this.#signal,
      proxies: this.#proxies,
    });
    // with its own folder of git the address is part of the files
    const kept = source.keepGitDir ? `${git.remote} ${git.ref}` : "";
    return { root, patterns: ["."], commit: JSON.stringify([commit, git.subfolder, git.submodules, kept]) };
  }

  #folder(kind: string): string {
    const folder = join(this.#spoolRoot, `${kind}-${newId().slice(0, 16)}`);
    this.#folders.push(folder);
    return folder;
  }

  /** Removes what was fetched. Nothing is on its way any more: the build's signal has fired, or it has ended. */
  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.allSettled([...this.#downloads.values(), ...this.#checkouts.values()]);
    for (const folder of this.#folders) await rm(folder, { recursive: true, force: true });
  }
}

/** Name of the file in the destination: the last part of the URL's path. */
function fileName(url: string): string {
  let last = "";
  try {
    const { pathname } = new URL(url);
    last = decodeURIComponent(pathname.slice(pathname.lastIndexOf("/") + 1)).replaceAll("/", "_");
  } catch {
    // no address, or escaped as no text is: without a name
  }
  if (last === "" || last === "." || last === ".." || last.includes("\0") || Buffer.byteLength(last) > 255)
    throw new EngineError("invalid", `cannot determine filename from url: ${url}`, { url });
  return last;
}
