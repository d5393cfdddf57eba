import { readdirSync, readFileSync } from "node:fs";
import { resolverPaths } from "./dns/protocol.ts";
import { engineName } from "./engine-name.ts";
import { planDockerUser } from "./publish/docker-user.ts";
import { dropNetns } from "./sandbox/open-sandbox.ts";

/**
 * Takes away everything that a dead engine left in the kernel: its table, the bridges in it, its rules beside
 * dockerd's, its namespaces. For uninstalling and for tests that kill daemons; never while the engine runs.
 */
export function eraseNetworks(execRoot: string): void {
  const table = engineName(execRoot);
  endResolver(execRoot);
  const bridges = run("nft", "list", "set", "inet", table, "bridges").match(/"[^"]+"/g) ?? [];
  run("nft", "delete", "table", "inet", table);
  for (const bridge of new Set([table, ...bridges.map((text) => text.slice(1, -1))]))
    run("ip", "link", "delete", bridge);
  for (const program of ["iptables", "ip6tables"]) {
    if (Bun.which(program) === null) continue;
    const { script } = planDockerUser(run(program, "-w", "5", "-S"), table, { wanted: false, exists: () => true });
    if (script !== "") Bun.spawnSync([`${program}-restore`, "-w", "5", "--noflush"], { stdin: Buffer.from(script) });
  }
  for (const name of namespaces(execRoot)) dropNetns(`${execRoot}/netns/${name}`);
}

function endResolver(execRoot: string): void {
  try {
    const pid = Number(readFileSync(resolverPaths(execRoot).lock, "utf8"));
    const words = readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0");
    if (words.includes("dns") && words.includes(execRoot)) process.kill(pid, "SIGKILL");
  } catch {
    // none runs
  }
}

/** What is not there cannot be deleted: failures are no news here. */
const run = (...command: string[]): string => Bun.spawnSync(command, { stderr: "ignore" }).stdout.toString();

function namespaces(execRoot: string): string[] {
  try {
    return readdirSync(`${execRoot}/netns`);
  } catch {
    return []; // the engine never started
  }
}
