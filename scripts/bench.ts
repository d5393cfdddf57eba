// Side by side with dockerd: the shared benchmark, then what only we need to know. Prints the tables of docs/performance.md.
// usage: npm run bench [-- --runs 7 --only 'exec,run --rm' --skip-peer]; PEER = the peer's socket, REGISTRY = a registry for both (default: the shared peer.sh's)
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { startDaemon } from "./bench/daemon.ts";
import { idleMemory, memoryPerContainer, psSpeed, restartTime } from "./bench/measures.ts";

const shared = join(import.meta.dir, "../../shared/bench");
const peer = process.env["PEER"] ?? "/tmp/peer/docker.sock";
const [skipPeer, rest] = [
  process.argv.includes("--skip-peer"),
  process.argv.slice(2).filter((word) => word !== "--skip-peer"),
];

const built = Bun.spawnSync([process.execPath, "scripts/build.ts"], { stdio: ["ignore", "inherit", "inherit"] });
if (built.exitCode !== 0) process.exit(1);
const folder = mkdtempSync("/tmp/berth-bench-");
const daemon = await startDaemon(folder);
try {
  if (!skipPeer && existsSync(shared) && existsSync(peer)) {
    // pushes and pulls need the registry that peer.sh starts beside its dockerd
    const registry = process.env["REGISTRY"] ?? "127.0.0.1:5000";
    const hasRegistry = await fetch(`http://${registry}/v2/`).then(
      (answer) => answer.ok,
      () => false,
    );
    if (!hasRegistry)
      console.log(`pushes and pulls: not run, no registry answers at ${registry} (REGISTRY=<host:port>)`);
    const words = [...(hasRegistry ? ["--registry", registry] : []), ...rest];
    const run = Bun.spawn(["python3", join(shared, "bench.py"), daemon.socket, peer, ...words], {
      stdio: ["ignore", "inherit", "inherit"],
    });
    await run.exited;
  } else {
    console.log("side by side: not run, it needs ../shared/bench and a peer dockerd (PEER=<socket>)");
  }
  console.log("\n| what | measured |\n| --- | --- |");
  console.log(`| all the engine's processes, idle (PSS) | ${await idleMemory(daemon)} |`);
  console.log(`| \`berth ps\` / \`docker ps\`, whole process | ${await psSpeed(daemon)} |`);
  console.log(`| memory per running container beside its own processes | ${await memoryPerContainer(daemon, 300)} |`);
  console.log(
    `| 300 containers running, daemon restarted: until the API answers | ${await restartTime(daemon, 300)} |`,
  );
} finally {
  await daemon.end();
  rmSync(folder, { recursive: true, force: true });
}
