import { readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, expect, test } from "bun:test";
import { $ } from "bun";
import { SeccompCache } from "../../security/seccomp/cache.ts";
import { testContainer } from "../create/request.fixture.ts";
import { readSpecHost } from "./host.ts";
import { buildExecProcess } from "./process.ts";
import { openBench, statusRow, untilRunning } from "./runtime.fixture.ts";
import { buildSeccomp } from "./spec.ts";

const bench = await openBench("crun");
afterAll(() => bench[Symbol.asyncDispose]());

const version = await $`crun --version`.text();
const { kernel, arch } = readSpecHost();
const runtime = { version, kernel, arch };
const folder = join(bench.folder, "seccomp");
const { plan } = testContainer({});
const seccomp = buildSeccomp(plan, readSpecHost());
if (!seccomp) throw new Error("the default plan has no filter");
const filter = seccomp;

const script = "cat /proc/self/status; unshare -U true && echo ESCAPED; echo; read line < /gate";
const root = { uid: 0, gid: 0, additionalGids: [0], home: "/" };

/** Runs a container that tries to get out, execs the same into it, and looks at both. */
async function tryToEscape(bpf: string | undefined, keepIn?: SeccompCache): Promise<{ own: string; exec: string }> {
  let exec = "";
  await $`rm -f ${bench.rootfs}/gate; mkfifo ${bench.rootfs}/gate`.quiet();
  const own = await bench.run(
    { Cmd: ["sh", "-c", script] },
    {
      ...(bpf === undefined ? {} : { compiledSeccomp: () => bpf }),
      whileRunning: async (id, state) => {
        await untilRunning(id, state, "crun");
        const request = {
          args: [
            "sh",
            "-c",
            "cat /proc/self/status; unshare -U true && echo ESCAPED; mount -t tmpfs x /mnt && echo ESCAPED; true",
          ],
          env: [],
          user: "",
          workingDir: "/",
          tty: false,
          privileged: false,
          attachStdin: false,
          attachStdout: true,
          attachStderr: true,
          detachKeys: "",
        };
        const file = join(bench.folder, "process.json");
        await writeFile(
          file,
          JSON.stringify(buildExecProcess(testContainer({}), request, { user: root, host: readSpecHost() })),
        );
        exec = await $`crun --root ${state} exec -p ${file} ${id}`.text();
        await keepIn?.keep(filter, runtime, join(state, id, "seccomp.bpf"));
        await writeFile(join(bench.rootfs, "gate"), "go\n");
      },
    },
  );
  return { own: own.stdout, exec };
}

function expectConfined({ own, exec }: { own: string; exec: string }): void {
  for (const text of [own, exec]) {
    expect(statusRow(text, "Seccomp")).toBe("2");
    expect(statusRow(text, "Seccomp_filters")).toBe("1");
    expect(text).not.toContain("ESCAPED");
  }
  expect(statusRow(exec, "CapInh")).toBe("0000000000000000");
  expect(statusRow(exec, "CapBnd")).toBe("00000000a80425fb");
}

test("a compiled filter confines container and exec as the plain one does", async () => {
  const cache = new SeccompCache(folder);
  await cache.load();
  expect(cache.get(seccomp, runtime)).toBeUndefined();
  expectConfined(await tryToEscape(undefined, cache));
  const compiled = cache.get(seccomp, runtime);
  expect(compiled).toBeString();
  expectConfined(await tryToEscape(compiled));
});

test("the compiled filter is really used: one that allows all lets escape, so the annotation is not ignored", async () => {
  // BPF_RET|BPF_K with SECCOMP_RET_ALLOW
  const allowAll = Buffer.alloc(8);
  allowAll.writeUInt16LE(0x06, 0);
  allowAll.writeUInt32LE(0x7fff0000, 4);
  expect((await tryToEscape(allowAll.toString("base64"))).own).toContain("ESCAPED");
});

test("a filter survives the daemon, not another kernel, runtime, capability or a damaged file", async () => {
  const again = new SeccompCache(folder);
  await again.load();
  expect(again.get(seccomp, runtime)).toBeString();
  expect(again.get({ ...seccomp }, runtime)).toBeString();
  expect(again.get(seccomp, { ...runtime, kernel: "6.19" })).toBeUndefined();
  expect(again.get(seccomp, { ...runtime, version: "crun 2" })).toBeUndefined();
  const wider = buildSeccomp(testContainer({ HostConfig: { CapAdd: ["SYS_PTRACE"] } }).plan, readSpecHost());
  expect(wider && again.get(wider, runtime)).toBeUndefined();

  const [file = ""] = await readdir(folder);
  const path = join(folder, file);
  const bytes = Buffer.from(await Bun.file(path).arrayBuffer());
  bytes[40] = (bytes[40] ?? 0) ^ 1;
  await writeFile(path, bytes);
  await writeFile(join(folder, "half.tmp"), "x");
  const damaged = new SeccompCache(folder);
  await damaged.load();
  expect(damaged.get(seccomp, runtime)).toBeUndefined();
  expect(await readdir(folder)).toEqual([]);
});

test("keep() takes no file that is missing or no filter", async () => {
  const cache = new SeccompCache(folder);
  await cache.load();
  await cache.keep(seccomp, runtime, join(bench.folder, "missing"));
  await writeFile(join(bench.folder, "odd"), "123");
  await cache.keep(seccomp, runtime, join(bench.folder, "odd"));
  expect(cache.get(seccomp, runtime)).toBeUndefined();
});
