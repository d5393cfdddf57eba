import { mkdtemp, rm } from "node:fs/promises";
import { join } from "node:path";
import { type Result, run } from "./run.ts";

export interface ImageTools extends AsyncDisposable {
  readonly folder: string;
  /** skopeo, for registries without TLS; a status other than 0 throws. */
  skopeo(...args: string[]): Promise<string>;
  umoci(...args: string[]): Promise<string>;
  /** podman with a store of its own. */
  podman(...args: string[]): Promise<string>;
  /** Digest of what a reference of skopeo's points to, and its media type: `docker://...`, `oci-archive:...`. */
  digest(reference: string): Promise<string>;
}

/** Which of the peers' programs are missing, for the names of tests that need them. */
export const missingTools = ["skopeo", "umoci", "podman"].filter((name) => Bun.which(name) === null);

/** Other people's tools for images, with folders of their own. */
export async function imageTools(): Promise<ImageTools> {
  const folder = await mkdtemp("/tmp/berth-it-");
  const ok = async (command: readonly string[]): Promise<string> => {
    const result: Result = await run(command, { timeoutMs: 120_000, env: { TMPDIR: folder } });
    if (result.status !== 0) throw new Error(`${command.join(" ")} -> ${result.status}: ${result.stderr}`);
    return result.stdout;
  };
  const store = ["--root", join(folder, "podman"), "--runroot", join(folder, "podman-run"), "--storage-driver", "vfs"];
  return {
    folder,
    skopeo: (verb, ...args) => {
      const insecure =
        verb === "copy"
          ? ["--src-tls-verify=false", "--dest-tls-verify=false"]
          : verb === "inspect" || verb === "list-tags" || verb === "delete"
            ? ["--tls-verify=false"]
            : [];
      return ok(["skopeo", "--insecure-policy", verb ?? "", ...insecure, ...args]);
    },
    umoci: (...args) => ok(["umoci", ...args]),
    podman: (...args) => ok(["podman", ...store, ...args]),
    async digest(reference) {
      const raw = await ok(["skopeo", "inspect", "--tls-verify=false", "--raw", reference]);
      return `sha256:${new Bun.CryptoHasher("sha256").update(raw).digest("hex")}`;
    },
    [Symbol.asyncDispose]: async () => {
      await rm(folder, { recursive: true, force: true });
    },
  };
}
