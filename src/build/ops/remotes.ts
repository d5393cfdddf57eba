import { createWriteStream } from "node:fs";
import { mkdir, utimes } from "node:fs/promises";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { Readable } from "node:stream";
import { EngineError } from "../../base/errors.ts";
import { newId } from "../../base/id.ts";
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
export class Remotes {
  readonly #spoolRoot: string;
  readonly #signal: AbortSignal;
  readonly #downloads = new Map<string, Promise<Fetched & { digest: string }>>();
  readonly #checkouts = new Map<string, Promise<Fetched & { commit: string }>>();

  constructor(options: { spoolRoot: string; signal: AbortSignal }) {
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

  download(source: UrlSource): Promise<Fetched & { digest: string }> {
    const known = this.#downloads.get(source.url);
    if (known) return known;
    const made = this.#download(source);
    made.catch(() => {}); // told by who waits for it
    this.#downloads.set(source.url, made);
    return made;
  }

  checkout(source: { url: string; checksum: string; keepGitDir: boolean }): Promise<Fetched & { commit: string }> {
    const key = `${source.url} ${source.keepGitDir}`;
    const known = this.#checkouts.get(key);
    if (known) return known;
    const made = this.#checkout(source);
    made.catch(() => {}); // told by who waits for it
    this.#checkouts.set(key, made);
    return made;
  }

  async #download({ url, checksum }: UrlSource): Promise<Fetched & { digest: string }> {
    const root = join(this.#spoolRoot, `url-${newId().slice(0, 16)}`);
    await mkdir(root, { recursive: true });
    const name = fileName(url);
    const response = await fetch(url, {
      signal: AbortSignal.any([this.#signal, AbortSignal.timeout(downloadTimeoutMs)]),
      redirect: "follow",
    }).catch((error: unknown) => {
      this.#signal.throwIfAborted();
      throw new EngineError(
        "unavailable",
        `failed to load ${url}: ${error instanceof Error ? error.message : String(error)}`,
        { url },
      );
    });
    if (!response.ok || !response.body)
      throw new EngineError("not-found", `invalid response status ${response.status} for ${url}`, { url });
    const hash = new Bun.CryptoHasher("sha256");
    let bytes = 0;
    const counted = async function* (body: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
      for await (const chunk of body) {
        bytes += chunk.length;
        if (bytes > maxDownloadBytes)
          throw new EngineError("invalid", `${url} is larger than ${maxDownloadBytes} bytes`, { url });
        hash.update(chunk);
        yield chunk;
      }
    };
    const file = join(root, name);
    await pipeline(
      Readable.from(counted(response.body), { objectMode: false }),
      createWriteStream(file, { mode: 0o600 }),
    );
    const digest = `sha256:${hash.digest("hex")}`;
    if (checksum !== "" && digest !== checksum)
      throw new EngineError("invalid", `digest mismatch ${digest}: ${checksum} for ${url}`, { url, digest });
    // moby parity: the time is the server's, or the beginning of time
    const modified = Date.parse(response.headers.get("last-modified") ?? "") || 0;
    await utimes(file, modified / 1000, modified / 1000);
    return { root, patterns: [`/${name.replaceAll(/[*?[\\]/g, "\\$&")}`], digest };
  }

  async #checkout(source: {
    url: string;
    checksum: string;
    keepGitDir: boolean;
  }): Promise<Fetched & { commit: string }> {
    const git: GitSource = parseGitUrl(source.url);
    const folder = join(this.#spoolRoot, `git-${newId().slice(0, 16)}`);
    const { commit, root } = await checkoutGit(git, {
      folder,
      keepGitDir: source.keepGitDir,
      checksum: source.checksum,
      signal: this.#signal,
    });
    return { root, patterns: ["."], commit: `${commit} ${git.subfolder}` };
  }
}

/** Name of the file in the destination: the last part of the URL's path. */
function fileName(url: string): string {
  const { pathname } = new URL(url);
  const last = decodeURIComponent(pathname.slice(pathname.lastIndexOf("/") + 1)).replaceAll("/", "_");
  if (last === "" || last === "." || last === "..")
    throw new EngineError("invalid", `cannot determine filename from url: ${url}`, { url });
  return last;
}
