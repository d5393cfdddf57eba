import { afterAll, beforeAll, expect, test } from "bun:test";
import { chmod, mkdtemp, rm } from "node:fs/promises";
import { join } from "node:path";
import { importBusybox, startDaemon, type TestDaemon } from "../harness/daemon.ts";
import { leftovers } from "../harness/leftovers.ts";
import { run, until } from "../harness/run.ts";

/** A runtime that does at each verb what a file of that verb's name says: hang, garbage, no-pid, fail. Else it is crun. */
const script = (folder: string): string => `#!/bin/sh
if [ "$1" = --version ]; then echo "odd version 1.0.0"; exit 0; fi
verb=
for word in "$@"; do case "$word" in create|start|kill|delete|exec|state) verb=$word; break;; esac; done
mode=$(cat ${folder}/$verb 2>/dev/null)
case "$mode" in
  hang) exec sleep 86391 ;;
  child-hang) sleep 86391 & wait ;;
  garbage) echo '{{{ not json'; echo '\\000\\377' >&2; exit 7 ;;
  no-pid) exit 0 ;;
  odd-pid) while [ "$1" != --pid-file ]; do shift; done; echo "12x" > "$2"; exit 0 ;;
esac
exec crun "$@"
`;

let folder: string;
let daemon: TestDaemon;
const mode = (verb: string, what: string): Promise<unknown> =>
  what === "" ? rm(join(folder, verb), { force: true }) : Bun.write(join(folder, verb), what);

beforeAll(async () => {
  folder = await mkdtemp("/tmp/berth-odd-");
  await Bun.write(join(folder, "odd"), script(folder));
  await chmod(join(folder, "odd"), 0o755);
  daemon = await startDaemon({ args: ["--add-runtime", `odd=${folder}/odd`] });
  await importBusybox(daemon);
}, 60_000);
afterAll(async () => {
  for (const verb of ["create", "start", "kill", "delete", "exec"]) await mode(verb, "");
  await daemon[Symbol.asyncDispose]();
  await rm(folder, { recursive: true, force: true });
}, 60_000);

const state = (c: string): Promise<string> => daemon.ok("inspect", "-f", "{{.State.Status}}", c);

/** Programs of the odd runtime that are about. */
async function programs(): Promise<string[]> {
  const { stdout } = await run(["ps", "-eo", "pid,ppid,stat,args"]);
  return stdout
    .split("\n")
    .filter(
      (line) =>
        (line.includes(`${daemon.execRoot}/`) && / (create|delete|kill|exec) /.test(line)) ||
        line.endsWith(" sleep 86391"),
    );
}

async function nothingLeft(clean: unknown): Promise<void> {
  await until("nothing is left", async () => JSON.stringify(await leftovers(daemon)) === JSON.stringify(clean)).catch(
    async () => {
      expect(await leftovers(daemon)).toEqual(clean as never);
    },
  );
  expect(await programs()).toEqual([]);
}

test.each(["hang", "child-hang"])(
  "a runtime that hangs in create (%s) stops nobody else, and rm -f ends it",
  async (how) => {
    const clean = await leftovers(daemon);
    await mode("create", how);
    const running = daemon.docker(["run", "-d", "--name", "stuck", "--runtime", "odd", "busybox", "sleep", "600"]);
    await until("the runtime hangs", async () => (await programs()).length > 0);
    expect(await daemon.ok("ps", "-a", "--format", "{{.Names}} {{.State}}")).toBe("stuck created");
    expect(await daemon.ok("run", "--rm", "busybox", "echo", "on")).toBe("on");
    expect(await state("stuck")).toBe("created");
    const begun = performance.now();
    expect((await daemon.docker(["rm", "-f", "stuck"])).status).toBe(0);
    expect(performance.now() - begun).toBeLessThan(10_000);
    expect((await running).status).not.toBe(0);
    await mode("create", "");
    await nothingLeft(clean);
  },
  60_000,
);

test("a daemon that starts anew ends a create that hangs, and is not held up by it", async () => {
  const clean = await leftovers(daemon);
  await mode("create", "hang");
  void daemon.docker(["run", "-d", "--name", "stuck", "--runtime", "odd", "busybox", "sleep", "600"]);
  await until("the runtime hangs", async () => (await programs()).length > 0);
  await daemon.kill();
  await mode("create", "");
  const begun = performance.now();
  await daemon.start();
  expect(performance.now() - begun).toBeLessThan(5000);
  await until("the start was made good", async () => (await state("stuck")) === "running");
  await daemon.ok("rm", "-f", "stuck");
  await nothingLeft(clean);
}, 60_000);

test.each([
  ["garbage", "exited with 7"],
  ["no-pid", "wrote no pid"],
  ["odd-pid", "wrote no pid"],
])(
  "a runtime whose create gives %s fails the start alone",
  async (how, text) => {
    const clean = await leftovers(daemon);
    await mode("create", how);
    const failed = await daemon.docker(["run", "--name", "odd", "--runtime", "odd", "busybox", "true"]);
    expect(failed.status).toBe(125);
    expect(failed.stderr).toContain(text);
    expect(await daemon.ok("inspect", "-f", "{{.State.Status}} {{.State.ExitCode}}", "odd")).toBe("created 128");
    await mode("create", "");
    expect((await daemon.docker(["start", "-a", "odd"])).status).toBe(0);
    await daemon.ok("rm", "odd");
    await nothingLeft(clean);
  },
  60_000,
);

test("a runtime that hangs in delete holds up neither the exit nor others, and rm -f gets by", async () => {
  const clean = await leftovers(daemon);
  await mode("delete", "hang");
  expect(
    (await daemon.docker(["run", "--name", "stuck", "--runtime", "odd", "busybox", "sh", "-c", "exit 3"])).status,
  ).toBe(3);
  expect(await state("stuck")).toBe("exited");
  expect(await daemon.ok("run", "--rm", "busybox", "echo", "on")).toBe("on");
  expect((await daemon.docker(["rm", "-f", "stuck"], { timeoutMs: 30_000 })).status).toBe(0);
  await mode("delete", "");
  await until("the runtime's programs are gone", async () => (await programs()).length === 0);
  expect(await daemon.ok("ps", "-aq")).toBe("");
  // What the runtime keeps of it is its own; the engine's is gone.
  expect({ ...(await leftovers(daemon)), cgroups: [] }).toEqual({ ...clean, cgroups: [] });
}, 60_000);

test("a runtime whose kill hangs does not save its container from rm -f", async () => {
  await daemon.ok("run", "-d", "--name", "held", "--runtime", "odd", "busybox", "sleep", "600");
  await mode("kill", "hang");
  expect((await daemon.docker(["rm", "-f", "held"], { timeoutMs: 30_000 })).status).toBe(0);
  await mode("kill", "");
  expect(await daemon.ok("ps", "-aq")).toBe("");
}, 60_000);

test("a runtime that hangs in exec fails a health check and nothing else", async () => {
  await daemon.ok("run", "-d", "--name", "sick", "--runtime", "odd", "busybox", "sleep", "600");
  await mode("exec", "hang");
  const hanging = daemon.docker(["exec", "sick", "true"]);
  await until("the runtime hangs", async () => (await programs()).length > 0);
  expect((await daemon.docker(["rm", "-f", "sick"], { timeoutMs: 20_000 })).status).toBe(0);
  expect((await hanging).status).not.toBe(0);
  await mode("exec", "");
  await until("the runtime's programs are gone", async () => (await programs()).length === 0);
}, 60_000);

test("a runtime that is no longer configured keeps no daemon from starting", async () => {
  await daemon.ok("run", "-d", "--name", "orphan", "--runtime", "odd", "busybox", "sleep", "600");
  await daemon.kill();
  await rm(join(folder, "odd"));
  await daemon.start();
  expect(await state("orphan")).toBe("running");
  expect((await daemon.docker(["rm", "-f", "orphan"])).status).toBe(0);
  expect(await daemon.ok("ps", "-aq")).toBe("");
}, 60_000);
