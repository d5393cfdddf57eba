import { createHash } from "node:crypto";
import { mkdir, open, readdir, readFile, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { newId } from "../../base/id.ts";
import type { OciSeccomp } from "./resolve.ts";

const digestBytes = 32; // SHA-256 in front of each kept filter
const instructionBytes = 8; // struct sock_filter
const maximumBytes = 4096 * instructionBytes; // BPF_MAXINSNS: the kernel takes no longer filter

/**
 * Filters that a runtime compiled, so that the next container of the same profile need not wait for it (8 ms of each
 * create with crun). A filter is kept under everything that it was made from; another kernel or another runtime
 * build never sees it. Files lie in a folder that only the engine can write.
 */
export class SeccompCache {
  readonly #folder: string;
  readonly #known = new Map<string, string>();
  readonly #keys = new WeakMap<OciSeccomp, string>();
  readonly #underWay = new Map<string, Promise<void>>();

  constructor(folder: string) {
    this.#folder = folder;
  }

  /** Reads what earlier daemons kept. What is damaged is left out. */
  async load(): Promise<void> {
    await mkdir(this.#folder, { recursive: true, mode: 0o700 });
    for (const file of await readdir(this.#folder)) {
      const path = join(this.#folder, file);
      const [, key] = /^([0-9a-f]{64})\.bpf$/.exec(file) ?? [];
      if (!key) {
        if (file.endsWith(".tmp")) await rm(path, { force: true }); // cut short by a crash
        continue;
      }
      const bytes = await readFile(path);
      const filter = bytes.subarray(digestBytes);
      if (isFilter(filter) && digest(filter).equals(bytes.subarray(0, digestBytes)))
        this.#known.set(key, filter.toString("base64"));
      else await rm(path, { force: true });
    }
  }

  /** Base64 for the annotation `run.oci.seccomp_bpf_data`, or undefined. Memory only. */
  get(seccomp: OciSeccomp, runtime: SeccompRuntime): string | undefined {
    return this.#known.get(this.#key(seccomp, runtime));
  }

  /**
   * Keeps the filter that the runtime left at `path` (crun: `<root>/<id>/seccomp.bpf`) when it made a container from
   * the plain section. A missing or strange file is not kept. Safe to call for each create.
   */
  async keep(seccomp: OciSeccomp, runtime: SeccompRuntime, path: string): Promise<void> {
    const key = this.#key(seccomp, runtime);
    if (this.#known.has(key)) return;
    const work = this.#underWay.get(key) ?? this.#store(key, path).finally(() => this.#underWay.delete(key));
    this.#underWay.set(key, work);
    await work;
  }

  async #store(key: string, path: string): Promise<void> {
    const bytes = await readFile(path).catch((error: NodeJS.ErrnoException) => {
      if (error.code === "ENOENT") return undefined; // this runtime leaves none
      throw error;
    });
    if (!bytes || !isFilter(bytes)) return;
    const temporary = join(this.#folder, `${newId()}.tmp`);
    const file = await open(temporary, "wx", 0o600);
    try {
      await file.writeFile(Buffer.concat([digest(bytes), bytes]));
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, join(this.#folder, `${key}.bpf`));
    this.#known.set(key, bytes.toString("base64"));
  }

  /** The resolved section holds what capabilities, kernel and architecture decided; the rest is named beside it. */
  #key(seccomp: OciSeccomp, runtime: SeccompRuntime): string {
    const profile = this.#keys.get(seccomp) ?? digest(Buffer.from(JSON.stringify(seccomp))).toString("hex");
    this.#keys.set(seccomp, profile);
    return createHash("sha256")
      .update(JSON.stringify([profile, runtime.version, runtime.kernel, runtime.arch]))
      .digest("hex");
  }
}

export interface SeccompRuntime {
  /** The runtime's own `--version` text: it and its libseccomp decide what is compiled. */
  readonly version: string;
  readonly kernel: string;
  readonly arch: string;
}

const digest = (bytes: Uint8Array): Buffer => createHash("sha256").update(bytes).digest();
const isFilter = (bytes: Uint8Array): boolean =>
  bytes.length > 0 && bytes.length <= maximumBytes && bytes.length % instructionBytes === 0;
