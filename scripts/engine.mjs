// The engine that `npm start` runs: where it lives, and how to ask it. Folders can be moved for tests by the environment.
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import http from "node:http";
import net from "node:net";
import { join } from "node:path";
import { root } from "./setup.mjs";

const env = (name, initial) => process.env[name] || initial;
export const engine = {
  program: join(root, "dist/berth"),
  socket: env("BERTH_START_SOCKET", "/var/run/berth.sock"),
  dataRoot: env("BERTH_START_DATA", "/var/lib/berth"),
  execRoot: env("BERTH_START_EXEC", "/run/berth"),
  pidfile: env("BERTH_START_PIDFILE", "/var/run/berth.pid"),
  log: env("BERTH_START_LOG", "/var/log/berth.log"),
};
export const daemonArgs = [
  "daemon",
  "-H",
  `unix://${engine.socket}`,
  "--data-root",
  engine.dataRoot,
  "--exec-root",
  engine.execRoot,
  "--pidfile",
  engine.pidfile,
];

/** GET from the daemon's socket; undefined when nobody answers. */
export function ask(path) {
  return new Promise((resolve) => {
    const request = http.get({ socketPath: engine.socket, path, timeout: 5000 }, (answer) => {
      let text = "";
      answer
        .setEncoding("utf8")
        .on("data", (part) => (text += part))
        .on("end", () => resolve(text));
    });
    request.on("timeout", () => request.destroy()).on("error", () => resolve(undefined));
  });
}

/** Polls until `look` gives something, or throws with what it waited for. */
export async function until(what, look, seconds = 20) {
  for (const deadline = Date.now() + seconds * 1000; ;) {
    const found = await look();
    if (found) return found;
    if (Date.now() > deadline) throw new Error(`${what} did not happen within ${seconds}s, see ${engine.log}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** Runs `berth` against the engine; gives status and what it said. */
export function berth(...args) {
  const { status, stdout, stderr } = spawnSync(engine.program, ["-H", `unix://${engine.socket}`, ...args], {
    encoding: "utf8",
  });
  return { status, out: (stdout ?? "").trim(), said: `${stdout ?? ""}${stderr ?? ""}`.trim() };
}

/** As `berth`, but a failure ends the script with what it said. */
export function must(...args) {
  const { status, out, said } = berth(...args);
  if (status !== 0) throw new Error(`berth ${args.join(" ")} failed: ${said}`);
  return out;
}

/** Pid of the daemon, when it lives. */
export function daemonPid() {
  if (!existsSync(engine.pidfile)) return undefined;
  const pid = Number(readFileSync(engine.pidfile, "utf8"));
  return pid > 1 && existsSync(`/proc/${pid}`) && readFileSync(`/proc/${pid}/cmdline`, "utf8").includes("daemon")
    ? pid
    : undefined;
}

/** SIGTERM, and waits for its end. */
export async function stopDaemon(pid) {
  process.kill(pid, "SIGTERM");
  await until("the end of the daemon", () => !existsSync(`/proc/${pid}`), 30);
}

/** Asks the monitor to end; it does when nothing runs under it. */
export function stopMonitor() {
  return new Promise((resolve) => {
    const control = net.connect(join(engine.execRoot, "monitor/control.sock"), () =>
      control.write('{"n":1,"op":"shutdown","args":{}}\n'),
    );
    control
      .setTimeout(5000, () => control.destroy())
      .on("error", () => {})
      .on("close", resolve)
      .resume();
  });
}
