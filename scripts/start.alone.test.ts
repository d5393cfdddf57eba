import { afterAll, expect, test } from "bun:test";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";

// The commands of the README, on folders of their own. Alone: it builds dist/berth.
const folder = mkdtempSync("/tmp/berth-start-");
const exec = join(folder, "exec");
const env = {
  ...process.env,
  BERTH_START_SOCKET: join(folder, "d.sock"),
  BERTH_START_DATA: join(folder, "data"),
  BERTH_START_EXEC: exec,
  BERTH_START_PIDFILE: join(folder, "d.pid"),
  BERTH_START_LOG: join(folder, "log"),
};
const name = `berth${new Bun.CryptoHasher("sha256").update(exec).digest("hex").slice(0, 8)}`;
const root = join(import.meta.dir, "..");

function node(script: string): { status: number; out: string } {
  const run = Bun.spawnSync(["node", `scripts/${script}.mjs`], { cwd: root, env, stdout: "pipe", stderr: "pipe" });
  return { status: run.exitCode, out: `${run.stdout.toString()}${run.stderr.toString()}` };
}
const berth = (...args: string[]): string =>
  Bun.spawnSync([join(root, "dist/berth"), "-H", `unix://${folder}/d.sock`, ...args], {
    stdout: "pipe",
  }).stdout.toString();
const output = (...command: string[]): string =>
  Bun.spawnSync(command, { stdout: "pipe", stderr: "ignore" }).stdout.toString();

afterAll(() => {
  if (existsSync(join(folder, "data"))) node("uninstall");
  rmSync(folder, { recursive: true, force: true });
});

test("npm start, again, npm stop, start, uninstall do what they say", async () => {
  const first = node("start");
  expect(first.out).toContain("started the daemon: pid");
  expect(first.out).toContain("made the image busybox:latest");
  expect(first.out).toContain("ran a container: it works");
  const port = /http:\/\/127\.0\.0\.1:(\d+)\//.exec(first.out)?.[1];
  expect(first.out).toContain(`fetched http://127.0.0.1:${port}/ through it: Hello from a container`);
  expect(first.status).toBe(0);

  const again = node("start");
  expect(again.out).toContain("the daemon runs already");
  expect(again.out).not.toContain("another build");
  expect([again.status, again.out.includes("made the image"), again.out.includes("started the container")]).toEqual([
    0,
    false,
    false,
  ]);

  const id = berth("ps", "-q").trim();
  const pid = berth("inspect", "--format", "{{.State.Pid}}", "berth-welcome").trim();
  expect(node("stop").out).toContain("1 container goes on without it");
  expect(await (await fetch(`http://127.0.0.1:${port}/`)).text()).toBe("Hello from a container\n");
  expect(node("stop").out).toContain("no daemon runs");
  expect(node("start").status).toBe(0);
  expect([berth("ps", "-q").trim(), berth("inspect", "--format", "{{.State.Pid}}", "berth-welcome").trim()]).toEqual([
    id,
    pid,
  ]);

  const removed = node("uninstall");
  expect(removed.out).toContain("removed containers: 1");
  expect(removed.status).toBe(0);
  expect(readdirSync(folder)).toEqual([]);
  expect(readFileSync("/proc/self/mountinfo", "utf8")).not.toContain(folder);
  expect(output("nft", "list", "tables")).not.toContain(name);
  expect(output("ip", "link", "show")).not.toContain(name);
  expect(output("ps", "-eo", "args")).not.toContain(`${exec}`);
  expect(existsSync(`/proc/${pid}`)).toBe(false);
}, 120_000);

test("uninstall where nothing is installed is harmless", () => {
  expect(node("uninstall").status).toBe(0);
});
