// npm start: sets up what is missing, builds, starts the daemon if none runs, and shows that containers work.
import { spawn } from "node:child_process";
import { existsSync, mkdirSync, openSync, renameSync, statSync } from "node:fs";
import net from "node:net";
import { dirname, join } from "node:path";
import { ask, berth, daemonArgs, daemonPid, engine, must, until } from "./engine.mjs";
import { bun, enginePackages, installModules, installPackages, mountLeftControllers, root, run } from "./setup.mjs";

const maxLogBytes = 10 * 1024 * 1024; // two files of it at most
const say = (text) => console.log(`- ${text}`);

async function startDaemon() {
  const running = daemonPid();
  if (running && (await ask("/_ping")) === "OK") {
    const { BuildTime, GitCommit } = JSON.parse(await ask("/version"));
    const same = must("version", "--format", "{{.Client.BuildTime}}") === BuildTime;
    say(
      `the daemon runs already: pid ${running}${same ? "" : ` of another build (${GitCommit}); npm stop && npm start takes the new one, containers go on`}`,
    );
    return;
  }
  mkdirSync(dirname(engine.log), { recursive: true });
  if (statSync(engine.log, { throwIfNoEntry: false })?.size > maxLogBytes) renameSync(engine.log, `${engine.log}.1`);
  const log = openSync(engine.log, "a");
  const child = spawn(engine.program, daemonArgs, { detached: true, stdio: ["ignore", log, log], cwd: "/" });
  child.unref();
  let ended;
  child.on("exit", (status) => (ended = status));
  await until("the daemon's answer", async () => {
    if (ended !== undefined) throw new Error(`the daemon ended with status ${ended}, see ${engine.log}`);
    return (await ask("/_ping")) === "OK";
  });
  say(
    `started the daemon: pid ${child.pid}, socket ${engine.socket}, data in ${engine.dataRoot}, log in ${engine.log}`,
  );
}

/** Whether nobody listens at the port. */
const isFree = (port) =>
  new Promise((resolve) => {
    const probe = net
      .createServer()
      .once("error", () => resolve(false))
      .listen(port, () => probe.close(() => resolve(true)));
  });

async function welcome() {
  const name = "berth-welcome";
  const state = berth("inspect", "--format", "{{.State.Running}}", name);
  if (state.out !== "true") {
    if (state.status === 0) must("rm", "-f", name);
    const port = (await isFree(8080)) ? "8080:80" : "80"; // 80: any free port of the host
    const page = "mkdir -p /www; echo 'Hello from a container' > /www/index.html; exec httpd -f -p 80 -h /www";
    must("run", "-d", "--name", name, "-p", port, "busybox", "sh", "-c", page);
    say(`started the container ${name}: busybox httpd on a published port`);
  }
  const port = must("port", name, "80").split("\n")[0].split(":").at(-1);
  const text = await until("the page", () =>
    fetch(`http://127.0.0.1:${port}/`).then(
      (answer) => answer.text(),
      () => undefined,
    ),
  );
  say(`fetched http://127.0.0.1:${port}/ through it: ${text.trim()}`);
}

async function main() {
  if (process.platform !== "linux" || process.getuid() !== 0)
    throw new Error("npm start sets up a container engine: it needs Linux and root");
  process.chdir(root);
  installPackages(enginePackages, say);
  installModules(say);
  run(bun, ["scripts/build.ts"], { stdio: ["ignore", "ignore", "inherit"] });
  say("dist/berth is built");
  mountLeftControllers(say);
  await startDaemon();
  if (berth("image", "inspect", "busybox").status !== 0) {
    must("image", "make-busybox", "busybox:latest");
    say("made the image busybox:latest of this machine's busybox-static");
  }
  say(`ran a container: ${must("run", "--rm", "busybox", "echo", "it works")}`);
  await welcome();
  const program = existsSync("/usr/local/bin/berth") ? "berth" : join(root, "dist/berth");
  console.log(
    `\nTry:\n  ${program} run -it --rm busybox sh\n  ${program} ps\n  ${program} logs -f berth-welcome\nDocker's own client works too: DOCKER_HOST=unix://${engine.socket} docker ps\nnpm stop ends the daemon (containers go on), npm run uninstall leaves no trace.`,
  );
}

main().catch((error) => {
  console.error(`npm start: ${error.message}`);
  process.exitCode = 1;
});
