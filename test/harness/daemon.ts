import { existsSync } from "node:fs";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { eraseNetworks } from "../../src/networks/erase.ts";
import { type Result, run, type RunOptions, until } from "./run.ts";

const root = new URL("../..", import.meta.url).pathname;
const bun = join(root, "node_modules/.bin/bun");

/** The engine's own program: the built test binary where there is one, else the source. */
export const program: readonly string[] = process.env["BERTH_BINARY"]
  ? [process.env["BERTH_BINARY"]]
  : [bun, join(root, "src/main.ts")];

export interface TestDaemon extends AsyncDisposable {
  readonly socket: string;
  readonly folder: string;
  readonly dataRoot: string;
  readonly execRoot: string;
  readonly log: string;
  pid(): number;
  monitorPid(): Promise<number>;
  /** The stock docker CLI against this daemon. */
  docker(args: readonly string[], options?: RunOptions): Promise<Result>;
  /** Berth's own CLI against it. */
  berth(args: readonly string[], options?: RunOptions): Promise<Result>;
  /** As `docker`, but a status other than 0 throws with what it said; gives stdout without the last newline. */
  ok(...args: string[]): Promise<string>;
  /** One raw request. */
  request(method: string, path: string, body?: unknown): Promise<Response>;
  start(env?: Record<string, string>): Promise<void>;
  /** SIGKILL, and waits until it is gone. */
  kill(): Promise<void>;
  stop(): Promise<void>;
  /** Waits until it ended by itself; gives the signal, or the exit status. */
  ended(): Promise<string>;
}

/** Starts a daemon of its own folders; `await using` removes its containers, its processes and all it made. */
export async function startDaemon(
  options: { args?: readonly string[]; env?: Record<string, string> } = {},
): Promise<TestDaemon> {
  const folder = await mkdtemp("/tmp/berth-t-");
  const socket = join(folder, "d.sock");
  const dataRoot = join(folder, "data");
  const execRoot = join(folder, "exec");
  const log = join(folder, "daemon.log");
  const args = [
    ...program,
    "daemon",
    "-H",
    `unix://${socket}`,
    "--data-root",
    dataRoot,
    "--exec-root",
    execRoot,
    "--pidfile",
    join(folder, "d.pid"),
    ...(options.args ?? []),
  ];
  let child: Bun.Subprocess | undefined;

  const daemon: TestDaemon = {
    socket,
    folder,
    dataRoot,
    execRoot,
    log,
    pid: () => child?.pid ?? 0,
    monitorPid: () => findMonitor(execRoot),
    docker: (words, more) =>
      run(["docker", ...words], {
        ...more,
        env: { DOCKER_HOST: `unix://${socket}`, DOCKER_BUILDKIT: "0", ...more?.env },
      }),
    berth: (words, more) =>
      run([...program, ...words], { ...more, env: { DOCKER_HOST: `unix://${socket}`, ...more?.env } }),
    ok: async (...words) => {
      const result = await daemon.docker(words);
      if (result.status !== 0)
        throw new Error(`docker ${words.join(" ")} -> ${result.status}: ${result.stderr}${result.stdout}`);
      return result.stdout.replace(/\n$/, "");
    },
    request: (method, path, body) =>
      fetch(`http://d${path}`, {
        method,
        unix: socket,
        ...(body !== undefined && { body: JSON.stringify(body), headers: { "Content-Type": "application/json" } }),
      }),
    start: async (env = {}) => {
      child = Bun.spawn(args, {
        stdin: "ignore",
        stdout: Bun.file(`${log}.out`),
        stderr: Bun.file(`${log}.${Date.now()}`),
        env: { ...process.env, ...options.env, ...env },
      });
      const started = child;
      await until("the daemon answers", async () => {
        if (started.exitCode !== null || started.signalCode !== null)
          throw new Error(`the daemon ended: ${await readLogs(folder)}`);
        return (
          existsSync(socket) &&
          (await daemon.request("GET", "/_ping").then(
            (answer) => answer.ok,
            () => false,
          ))
        );
      });
    },
    kill: async () => {
      child?.kill("SIGKILL");
      await child?.exited;
    },
    stop: async () => {
      child?.kill("SIGTERM");
      await child?.exited;
    },
    ended: async () => {
      const gone = child;
      await until("the daemon ends", () => gone?.exitCode !== null || gone?.signalCode !== null);
      return String(gone?.signalCode ?? gone?.exitCode);
    },
    [Symbol.asyncDispose]: () => dispose(daemon),
  };
  await daemon.start();
  return daemon;
}

async function readLogs(folder: string): Promise<string> {
  const names = await Array.fromAsync(new Bun.Glob("daemon.log.*").scan(folder));
  const texts = await Promise.all(names.sort().map((name) => readFile(join(folder, name), "utf8")));
  return texts.join("\n").slice(-4000);
}

async function dispose(daemon: TestDaemon): Promise<void> {
  // A daemon that died where no test meant it to: its last words are worth more than the refused connections.
  if (!(await Bun.file(`/proc/${daemon.pid()}/cmdline`).exists())) console.error(await readLogs(daemon.folder));
  const ids = await daemon.docker(["ps", "-aq"]).then(
    ({ stdout }) => stdout.split("\n").filter(Boolean),
    () => [],
  );
  if (ids.length > 0) await daemon.docker(["rm", "-f", "-v", ...ids]);
  const monitor = await daemon.monitorPid().catch(() => 0);
  await daemon.stop();
  if (monitor > 1) {
    try {
      process.kill(monitor, "SIGKILL");
    } catch {
      // gone already
    }
  }
  // A daemon that stops leaves its bridge and rules to containers that go on.
  eraseNetworks(daemon.execRoot);
  for (const target of (await mounts(daemon.folder)).reverse()) await run(["umount", "-l", target]);
  if (process.env["BERTH_KEEP"] === undefined) await rm(daemon.folder, { recursive: true, force: true });
}

/** Mount points below a folder, parents first. */
export async function mounts(folder: string): Promise<string[]> {
  const lines = (await readFile("/proc/self/mountinfo", "utf8")).split("\n");
  return lines.map((line) => line.split(" ")[4] ?? "").filter((target) => target.startsWith(`${folder}/`));
}

/** Name of the default bridge, which the engine's nft tables have too. */
export const bridgeOf = (daemon: TestDaemon): Promise<string> =>
  daemon.ok("network", "inspect", "-f", '{{index .Options "com.docker.network.bridge.name"}}', "bridge");

/** The monitor of an exec root; throws when none runs. */
async function findMonitor(execRoot: string): Promise<number> {
  for (const name of await readdir("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    const words = (await readFile(`/proc/${name}/cmdline`, "utf8").catch(() => "")).split("\0"); // it ended meanwhile
    if (words.includes("monitor") && words.includes(execRoot)) return Number(name);
  }
  throw new Error(`no monitor serves ${execRoot}`);
}

/** Imports busybox as `busybox:latest` from the machine's static binary, the way `npm start` does. */
export async function importBusybox(daemon: TestDaemon): Promise<void> {
  const made = await daemon.berth(["image", "make-busybox", "busybox:latest"]);
  if (made.status !== 0) throw new Error(`no busybox image: ${made.stderr}${made.stdout}`);
}

/** Actions of all events so far that a filter passes, oldest first. The CLI cuts times to seconds: the next one is asked for. */
export async function eventsOf(daemon: TestDaemon, ...filters: string[]): Promise<string[]> {
  const until = String(Math.floor(Date.now() / 1000) + 1);
  const text = await daemon.ok(
    "events",
    "--since",
    "1",
    "--until",
    until,
    ...filters.flatMap((filter) => ["-f", filter]),
    "--format",
    "{{.Action}}",
  );
  return text.split("\n").filter(Boolean);
}
