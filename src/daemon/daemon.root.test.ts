import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import net from "node:net";
import { join } from "node:path";
import { unmountAll } from "../kernel/mount.ts";

// A daemon of its own folders: no containers, only its life.
let root = "";
const children: Bun.Subprocess[] = [];
beforeEach(() => void (root = mkdtempSync("/tmp/berth-d-")));
afterEach(async () => {
  for (const child of children.splice(0)) {
    child.kill("SIGKILL");
    await child.exited;
  }
  await endMonitor();
  for (const link of Bun.spawnSync(["ip", "-j", "link", "show", "type", "bridge"])
    .stdout.toString()
    .matchAll(/"ifname":"(berth[0-9a-f]{8})"/g)) {
    if (link[1] === engineName()) Bun.spawnSync(["ip", "link", "del", engineName()]);
  }
  Bun.spawnSync(["nft", "delete", "table", "inet", engineName()]);
  for (const family of ["ip", "ip6"]) Bun.spawnSync(["nft", "delete", "table", family, engineName()]);
  unmountAll(root);
  rmSync(root, { recursive: true, force: true });
});

const engineName = (): string =>
  `berth${new Bun.CryptoHasher("sha256").update(join(root, "exec")).digest("hex").slice(0, 8)}`;
// the built test binary where there is one
const program = process.env["BERTH_BINARY"]
  ? [process.env["BERTH_BINARY"]]
  : [process.execPath, join(import.meta.dir, "../main.ts")];
const socket = (): string => join(root, "d.sock");
const args = (...more: string[]): string[] => [
  ...program,
  "daemon",
  "-H",
  `unix://${socket()}`,
  "--data-root",
  join(root, "data"),
  "--exec-root",
  join(root, "exec"),
  "--pidfile",
  join(root, "d.pid"),
  ...(more.includes("--config-file") ? [] : ["--config-file", noFile()]),
  ...more,
];
const noFile = (): string => {
  const path = join(root, "empty.json");
  writeFileSync(path, "{}");
  return path;
};

interface Started {
  readonly child: Bun.Subprocess;
  readonly log: () => string;
}
function spawn(...more: string[]): Started {
  const path = join(root, `log.${children.length}`);
  const child = Bun.spawn(args(...more), { stdio: ["ignore", "ignore", Bun.file(path)] });
  children.push(child);
  return { child, log: () => (existsSync(path) ? readFileSync(path, "utf8") : "") };
}
async function start(...more: string[]): Promise<Started> {
  const started = spawn(...more);
  await until(() => started.log().includes("daemon ready") || started.child.exitCode !== null, started.log);
  if (started.child.exitCode !== null) throw new Error(`the daemon ended: ${started.log()}`);
  return started;
}
const get = (path: string): Promise<Response> => fetch(`http://d${path}`, { unix: socket() });

async function until(condition: () => boolean, describe: () => string = () => ""): Promise<void> {
  const deadline = Date.now() + 15_000;
  while (!condition()) {
    if (Date.now() > deadline) throw new Error(`did not happen in 15 s ${describe()}`);
    await Bun.sleep(10);
  }
}

function endMonitor(): Promise<void> {
  return new Promise((resolve) => {
    const control = net.connect(join(root, "exec/monitor/control.sock"), () =>
      control.write(`${JSON.stringify({ n: 1, op: "shutdown", args: {} })}\n`),
    );
    control
      .on("error", () => resolve())
      .on("close", () => resolve())
      .resume();
  });
}

describe("a daemon", () => {
  test("answers on a socket only root and its group may open, and leaves no files of its life behind at SIGTERM", async () => {
    const { child, log } = await start();
    expect(await (await get("/_ping")).text()).toBe("OK");
    expect(statSync(socket()).mode & 0o777).toBe(0o660);
    expect(readFileSync(join(root, "d.pid"), "utf8").trim()).toBe(String(child.pid));
    child.kill("SIGTERM");
    expect(await child.exited).toBe(0);
    expect([existsSync(socket()), existsSync(join(root, "d.pid")), existsSync(join(root, "data/daemon.lock"))]).toEqual(
      [false, false, false],
    );
    expect(log()).toContain("daemon stops, containers go on");
  });

  test("starts again after a kill, with the same id", async () => {
    const first = await start();
    const { ID } = (await (await get("/info")).json()) as { ID: string };
    first.child.kill("SIGKILL");
    await first.child.exited;
    const second = await start();
    expect(((await (await get("/info")).json()) as { ID: string }).ID).toBe(ID);
    expect(second.log()).toContain("the last daemon did not end in order");
  });

  test.each([
    ["data root", ["--exec-root", "other-exec", "--pidfile", "other.pid", "-H", "other.sock"]],
    ["exec root", ["--data-root", "other-data", "--pidfile", "other.pid", "-H", "other.sock"]],
    ["pidfile", ["--data-root", "other-data", "--exec-root", "other-exec", "-H", "other.sock"]],
  ])("refuses to share the %s with one that runs, naming its pid", async (what, changed) => {
    const first = await start();
    const words = changed
      .map((word) => (word.startsWith("other") ? join(root, word) : word))
      .map((word) => (word.endsWith(".sock") ? `unix://${word}` : word));
    const second = spawn(...words);
    expect(await second.child.exited).toBe(1);
    expect(second.log()).toContain(what);
    expect(second.log()).toContain(`(pid ${first.child.pid})`);
    expect((await get("/_ping")).status).toBe(200);
  });

  test("takes new settings at SIGHUP, and tells it as an event", async () => {
    const file = join(root, "daemon.json");
    writeFileSync(file, JSON.stringify({ labels: ["a=1"] }));
    const { child, log } = await start("--config-file", file);
    writeFileSync(file, JSON.stringify({ labels: ["a=2"], "data-root": "/elsewhere" }));
    child.kill("SIGHUP");
    await until(() => log().includes("settings reloaded") || log().includes("reload failed"), log);
    // the data root is a flag of this daemon: both set is an error, and the settings stay
    expect(log()).toContain(
      "the following directives are specified both as a flag and in the configuration file: data-root",
    );
    writeFileSync(file, JSON.stringify({ labels: ["a=2"], mtu: 1400 }));
    child.kill("SIGHUP");
    await until(() => log().includes("settings reloaded"), log);
    expect(log()).toContain("mtu changes with the next start of the daemon");
    expect(((await (await get("/info")).json()) as { Labels: string[] }).Labels).toEqual(["a=2"]);
    const events = await (await get(`/events?since=0&until=${Math.ceil(Date.now() / 1000) + 1}`)).text();
    expect(events).toContain('"Action":"reload"');
  });

  test("listens on several places at once", async () => {
    const { log } = await start("-H", "tcp://127.0.0.1:0");
    const port = /tcp:\/\/127\.0\.0\.1:(\d+)/.exec(log())?.[1];
    expect(await (await fetch(`http://127.0.0.1:${port}/_ping`)).text()).toBe("OK");
    expect((await get("/_ping")).status).toBe(200);
  });

  test("with --tlsverify lets in who shows a certificate of its authority, and nobody else", async () => {
    const pem = (name: string): string => join(import.meta.dir, "../api/fixtures/tls", name);
    const text = (name: string): string => readFileSync(pem(name), "utf8");
    const { log } = await start(
      "-H",
      "tcp://127.0.0.1:0",
      "--tlsverify",
      "--tlscacert",
      pem("ca.pem"),
      "--tlscert",
      pem("server.pem"),
      "--tlskey",
      pem("server.key"),
    );
    const url = `https://127.0.0.1:${/tcp:\/\/127\.0\.0\.1:(\d+)/.exec(log())?.[1]}/_ping`;
    const ping = (tls: Record<string, string>) =>
      fetch(url, { tls: { ca: text("ca.pem"), ...tls }, keepalive: false }).then(
        (answer) => answer.text(),
        (error: Error) => `refused: ${error.name}`,
      );
    expect(await ping({ cert: text("client.pem"), key: text("client.key") })).toBe("OK");
    expect(await ping({ cert: text("stranger.pem"), key: text("stranger.key") })).toStartWith("refused");
    expect(await ping({})).toStartWith("refused");
    expect((await get("/_ping")).status).toBe(200);
  });

  test("tells the service manager when it is ready", async () => {
    const path = join(root, "notify.sock");
    const listener = Bun.spawn(
      [
        "python3",
        "-c",
        "import socket,sys\ns=socket.socket(socket.AF_UNIX,socket.SOCK_DGRAM);s.bind(sys.argv[1]);print('bound',flush=True);print(s.recv(99).decode(),flush=True)",
        path,
      ],
      { stdio: ["ignore", "pipe", "ignore"] },
    );
    children.push(listener);
    await until(() => existsSync(path));
    children.push(
      Bun.spawn(args(), { stdio: ["ignore", "ignore", "ignore"], env: { ...process.env, NOTIFY_SOCKET: path } }),
    );
    expect(await new Response(listener.stdout).text()).toContain("READY=1");
  });
});

describe("a start that cannot be", () => {
  test.each([
    [["--bogus"], "unknown flag: --bogus"],
    [["--log-driver", "nope"], "logger: no log driver named 'nope' is registered"],
    [["--group", "no-such-group"], "group no-such-group not found"],
    [["--tlsverify", "-H", "tcp://127.0.0.1:0", "--tlscert", "/no/cert.pem"], "--tlscert: "],
    [["--seccomp-profile", "/no/profile.json"], "--seccomp-profile /no/profile.json"],
    [["-H", "unix:///proc/x/d.sock"], "/proc/x"],
  ])("with %j says why and ends with status 1", async (more, message) => {
    const { child, log } = spawn(...more);
    expect(await child.exited).toBe(1);
    expect(log()).toContain(message);
    expect(existsSync(join(root, "d.pid"))).toBe(false);
  });

  test("over a damaged database names the file", async () => {
    const { child } = await start();
    child.kill("SIGTERM");
    await child.exited;
    writeFileSync(join(root, "data/state.db"), "not a database".repeat(1000));
    const second = spawn();
    expect(await second.child.exited).toBe(1);
    expect(second.log()).toContain(join(root, "data/state.db"));
  });

  test("does not remove a file at the socket's path that is none", async () => {
    writeFileSync(socket(), "precious");
    const { child, log } = spawn();
    expect(await child.exited).toBe(1);
    expect(log()).toContain("is not a socket");
    expect(readFileSync(socket(), "utf8")).toBe("precious");
  });
});

test("--validate, --help and --version answer and end, without a daemon", () => {
  const run = (...words: string[]) =>
    Bun.spawnSync([...program, "daemon", ...words], { stdout: "pipe", stderr: "pipe" });
  writeFileSync(join(root, "good.json"), '{"debug":true}');
  writeFileSync(join(root, "bad.json"), '{"debugg":true}');
  chmodSync(join(root, "good.json"), 0o600);
  const good = run("--validate", "--config-file", join(root, "good.json"));
  expect([good.exitCode, good.stdout.toString()]).toEqual([0, "configuration OK\n"]);
  const bad = run("--validate", "--config-file", join(root, "bad.json"));
  expect(bad.exitCode).toBe(1);
  expect(bad.stderr.toString()).toContain("the following directives don't match any configuration option: debugg");
  expect(run("--help").stdout.toString()).toContain("--default-address-pool");
  expect(run("--version").stdout.toString()).toMatch(/^Berth version \d+\.\d+\.\d+, build /);
});
