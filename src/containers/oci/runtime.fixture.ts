import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { tmpdir } from "node:os";
import { randomBytes } from "node:crypto";
import { buffer } from "node:stream/consumers";
import { $ } from "bun";
import { errorMessage } from "../../base/errors.ts";
import { busyboxRootfs } from "../../../test/fixtures/busybox-tar.ts";
import type { CreateRequest } from "../containers.ts";
import { readCreateHost } from "../create/read-host.ts";
import { testContainer, testImage } from "../create/request.fixture.ts";
import type { OciRunConfig } from "../../spec/oci/image.ts";
import { containerSpec, type ContainerSpecInput } from "./container-spec.ts";
import { hostnameFile } from "./etc-files.ts";

/** A rootfs of busybox in a folder of its own, removed with the fixture. */
export async function openBench(runtime = "crun"): Promise<Bench> {
  const folder = await mkdtemp(join(tmpdir(), "berth-oci-"));
  const rootfs = join(folder, "rootfs");
  await mkdir(rootfs);
  const tar = Bun.spawn(["tar", "x", "-C", rootfs], {
    stdin: await buffer(await busyboxRootfs()),
  });
  if ((await tar.exited) !== 0) throw new Error("no root file system was made");
  return new Bench(folder, rootfs, runtime);
}

export interface RunResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
  readonly warnings: readonly string[];
}

export interface BenchOptions extends Partial<ContainerSpecInput> {
  readonly image?: OciRunConfig;
  /** Acts on the container while it runs. */
  readonly whileRunning?: (id: string, root: string, runtime: string) => Promise<void>;
}

/** Runs containers made by this feature's specs with a real runtime, without any of the engine. */
export class Bench {
  readonly folder: string;
  readonly rootfs: string;
  readonly runtime: string;

  constructor(folder: string, rootfs: string, runtime: string) {
    this.folder = folder;
    this.rootfs = rootfs;
    this.runtime = runtime;
  }

  async run(request: CreateRequest, options: BenchOptions = {}): Promise<RunResult> {
    const id = randomBytes(32).toString("hex");
    const bundle = join(this.folder, id.slice(0, 8));
    await mkdir(bundle);
    const image = testImage({ Env: ["PATH=/bin:/usr/bin"], ...options.image });
    const container = testContainer(request, {
      id,
      image,
      host: readCreateHost(),
      rootfs: this.rootfs,
      folder: bundle,
    });
    await writeFile(container.paths.hosts, "127.0.0.1\tlocalhost\n");
    await writeFile(container.paths.hostname, hostnameFile(container.plan.hostname));
    await writeFile(container.paths.resolv, "nameserver 10.0.0.1\n");
    // an own network namespace, as the engine makes one beforehand
    await using netns = await Netns.open();
    const network = container.plan.network.mode === "host" ? "" : netns.path;
    const sources = new Map(
      container.plan.mounts.flatMap((mount) => (mount.type === "bind" ? [[mount.target, mount.source] as const] : [])),
    );
    const { spec, warnings } = await containerSpec(container, {
      namespacePaths: { network },
      sources,
      shmPath: "",
      initPath: "",
      linkEnv: [],
      dataRoot: this.folder,
      ...options,
    });
    await writeFile(join(bundle, "config.json"), JSON.stringify(spec));
    const root = join(this.folder, "state");
    const process = Bun.spawn([this.runtime, "--root", root, "run", "--bundle", bundle, id], {
      stdout: "pipe",
      stderr: "pipe",
      stdin: "ignore",
    });
    try {
      await options.whileRunning?.(id, root, this.runtime);
      const [stdout, stderr, code] = await Promise.all([
        new Response(process.stdout).text(),
        new Response(process.stderr).text(),
        process.exited,
      ]);
      return { code, stdout, stderr, warnings };
    } finally {
      await $`${this.runtime} --root ${root} delete --force ${id}`.quiet().nothrow();
    }
  }

  /** Output of a shell command in a container; fails with the error text. */
  async sh(command: string, request: CreateRequest = {}, options: BenchOptions = {}): Promise<string> {
    const result = await this.run({ Cmd: ["sh", "-c", command], ...request }, options);
    if (result.code !== 0) throw new Error(`exit ${result.code}: ${result.stderr}${result.stdout}`);
    return result.stdout;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.folder, { recursive: true, force: true });
  }
}

/** A network namespace kept by a sleeping process. */
class Netns {
  readonly path: string;
  readonly stop: () => Promise<void>;

  constructor(path: string, stop: () => Promise<void>) {
    this.path = path;
    this.stop = stop;
  }

  static async open(): Promise<Netns> {
    const holder = Bun.spawn(["unshare", "--net", "sh", "-c", "echo ready; exec sleep 60"], {
      stdout: "pipe",
      stdin: "ignore",
    });
    await holder.stdout.getReader().read();
    return new Netns(`/proc/${holder.pid}/ns/net`, async () => {
      holder.kill(9);
      await holder.exited;
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }
}

/** Waits until a container runs. */
export async function untilRunning(id: string, root: string, runtime: string): Promise<void> {
  for (const deadline = Date.now() + 5000; Date.now() < deadline; await Bun.sleep(5)) {
    const found = await $`${runtime} --root ${root} state ${id}`.quiet().nothrow();
    if (found.exitCode === 0 && found.json().status === "running") return;
  }
  throw new Error(`container ${id} does not run`);
}

/** Value of a row of /proc/PID/status. */
export const statusRow = (status: string, name: string): string =>
  new RegExp(`^${name}:\\s*(.*)$`, "m").exec(status)?.[1]?.trim() ?? "";

/** What a promise fails with. */
export const failure = (promise: Promise<unknown>): Promise<string> =>
  promise.then(() => "it did not fail", errorMessage);
