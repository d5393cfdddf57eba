// npm run uninstall: removes every container, image, volume and network of the engine, and all it put on this host.
// Debian packages stay: others may use them by now.
import { spawn, spawnSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync, rmdirSync, rmSync } from "node:fs";
import { ask, berth, daemonArgs, daemonPid, engine, stopDaemon, stopMonitor, until } from "./engine.mjs";
import { bun, installModules, run, unmountLeftControllers } from "./setup.mjs";

const say = (text) => console.log(`- ${text}`);
const lines = ({ out }) => out.split("\n").filter(Boolean);
/** Mount points at or below a folder, deepest first. */
const mountsBelow = (folder) =>
  readFileSync("/proc/self/mountinfo", "utf8")
    .split("\n")
    .map((line) => line.split(" ")[4] ?? "")
    .filter((target) => target === folder || target.startsWith(`${folder}/`))
    .reverse();

async function removeObjects() {
  if (!existsSync(engine.dataRoot)) return;
  if (!existsSync(bun)) installModules(say);
  if (!existsSync(engine.program)) run(bun, ["scripts/build.ts"], { stdio: ["ignore", "ignore", "inherit"] });
  if (daemonPid() === undefined) {
    // only a daemon knows what its containers hold
    spawn(engine.program, daemonArgs, { detached: true, stdio: "ignore", cwd: "/" }).unref();
    await until("the daemon's answer", async () => (await ask("/_ping")) === "OK");
  }
  const containers = lines(berth("ps", "-aq"));
  if (containers.length > 0) berth("rm", "-f", "-v", ...containers);
  const networks = lines(berth("network", "ls", "-q", "--filter", "type=custom"));
  if (networks.length > 0) berth("network", "rm", ...networks);
  say(`removed containers: ${containers.length}, networks: ${networks.length}`);
}

/** Bridges, tables and rules that a daemon that was killed left behind. */
function removeNetwork() {
  if (!existsSync(bun)) installModules(say);
  run(bun, ["scripts/erase-networks.ts", engine.execRoot], { stdio: ["ignore", "ignore", "inherit"] });
}

/** Whether another engine lives on this machine: a cgroup that goes while its container starts in it would fail the start. */
function othersRun() {
  return readdirSync("/proc").some((pid) => {
    try {
      const name = readFileSync(`/proc/${pid}/comm`, "utf8").trim();
      return /^berth-(daemon|monitor)$/.test(name) && readFileSync(`/proc/${pid}/cmdline`, "utf8") !== ""; // empty: a zombie
    } catch {
      return false; // not a process, or one that ended meanwhile
    }
  });
}

/** The cgroup that holds containers of all engines. */
function removeCgroups() {
  if (othersRun()) return;
  for (const root of ["/sys/fs/cgroup", ...readdirSync("/sys/fs/cgroup").map((name) => `/sys/fs/cgroup/${name}`)]) {
    try {
      rmdirSync(`${root}/berth`);
    } catch {
      // not there, or containers are left in it
    }
  }
  unmountLeftControllers();
}

function removeFiles() {
  for (const folder of [engine.execRoot, engine.dataRoot]) {
    for (const target of mountsBelow(folder)) spawnSync("umount", ["-l", target]);
    const left = mountsBelow(folder);
    if (left.length > 0) throw new Error(`still mounted: ${left.join(", ")}; nothing below it was deleted`);
    rmSync(folder, { recursive: true, force: true });
  }
  for (const file of [engine.socket, engine.pidfile, engine.log, `${engine.log}.1`]) rmSync(file, { force: true });
  say(`removed ${engine.dataRoot}, ${engine.execRoot}, ${engine.socket}, ${engine.pidfile}, ${engine.log}`);
}

try {
  await removeObjects();
  const pid = daemonPid();
  if (pid !== undefined) await stopDaemon(pid);
  await stopMonitor();
  removeNetwork();
  removeCgroups();
  removeFiles();
  say(
    "the engine is gone; Debian packages and the kernel's forwarding switch (net.ipv4.ip_forward) stay, dist/ and node_modules/ are yours to delete",
  );
} catch (error) {
  console.error(`npm run uninstall: ${error.message}`);
  process.exitCode = 1;
}
