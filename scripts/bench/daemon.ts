import { closeSync, openSync, readdirSync, readFileSync } from "node:fs";
import net from "node:net";
import { join } from "node:path";

/** A daemon of its own folders, of the built binary. */
export interface BenchDaemon {
  readonly socket: string;
  /** Pids of daemon and monitor. */
  pids(): number[];
  /** SIGTERM and start again; milliseconds from the start until the API answers. */
  restart(): Promise<number>;
  docker(...args: string[]): Promise<string>;
  end(): Promise<void>;
}

const bridgeName = '{{index .Options "com.docker.network.bridge.name"}}';

export async function startDaemon(folder: string): Promise<BenchDaemon> {
  const socket = join(folder, "d.sock");
  const execRoot = join(folder, "exec");
  const command = [
    "dist/berth",
    "daemon",
    "-H",
    `unix://${socket}`,
    "--data-root",
    join(folder, "data"),
    "--exec-root",
    execRoot,
    "--pidfile",
    join(folder, "d.pid"),
  ];
  let child: Bun.Subprocess;
  const start = async (): Promise<number> => {
    const startedAt = performance.now();
    const log = openSync(join(folder, "log"), "a");
    child = Bun.spawn(command, { stdio: ["ignore", log, log] });
    closeSync(log);
    while (
      !(await fetch("http://d/_ping", { unix: socket }).then(
        (answer) => answer.ok,
        () => false,
      ))
    ) {
      if (child.exitCode !== null) throw new Error(`the daemon ended, see ${folder}/log`);
      await Bun.sleep(2);
    }
    return performance.now() - startedAt;
  };
  const docker = async (...args: string[]): Promise<string> => {
    const run = Bun.spawn(["docker", ...args], {
      env: { ...process.env, DOCKER_HOST: `unix://${socket}` },
      stdio: ["ignore", "pipe", "pipe"],
    });
    const [out, err, status] = await Promise.all([
      new Response(run.stdout).text(),
      new Response(run.stderr).text(),
      run.exited,
    ]);
    if (status !== 0) throw new Error(`docker ${args.join(" ")}: ${err}`);
    return out.trim();
  };
  const stop = async (): Promise<void> => {
    child.kill("SIGTERM");
    await child.exited;
  };
  await start();
  return {
    socket,
    pids: () =>
      readdirSync("/proc")
        .filter((name) => /^\d+$/.test(name))
        .map(Number)
        .filter((pid) => commandLine(pid).includes(execRoot)),
    restart: async () => {
      await stop();
      return start();
    },
    docker,
    end: async () => {
      const ids = (await docker("ps", "-aq")).split("\n").filter(Boolean);
      for (let at = 0; at < ids.length; at += 50) await docker("rm", "-f", ...ids.slice(at, at + 50));
      const bridge = await docker("network", "inspect", "-f", bridgeName, "bridge");
      await stop();
      await new Promise((resolve) => {
        const control = net.connect(join(execRoot, "monitor/control.sock"), () =>
          control.write('{"n":1,"op":"shutdown","args":{}}\n'),
        );
        control
          .on("error", () => {})
          .on("close", resolve)
          .resume();
      });
      Bun.spawnSync(["nft", "delete", "table", "inet", bridge]);
      Bun.spawnSync(["ip", "link", "delete", bridge]);
    },
  };
}

/** Of the engine's own processes: containers' have other programs. */
function commandLine(pid: number): string {
  try {
    const text = readFileSync(`/proc/${pid}/cmdline`, "utf8");
    return /\0(daemon|monitor)\0/.test(text) ? text : "";
  } catch {
    return ""; // ended meanwhile
  }
}
