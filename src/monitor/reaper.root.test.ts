import { expect, test } from "bun:test";
import { processIdentity } from "../kernel/process/pidfd.ts";
import { Reaper } from "./reaper.ts";

/** Runs in a pid namespace of its own, where the next pid can be chosen without disturbing anybody. */
const program = `
import { writeFileSync } from "node:fs";
import { becomeSubreaper } from "${import.meta.dir}/../kernel/process/prctl.ts";
import { Reaper } from "${import.meta.dir}/reaper.ts";
import { runtimePids } from "${import.meta.dir}/../runtime/invoke.ts";

becomeSubreaper();
const reaper = new Reaper();
const spawn = (script) => {
  const child = Bun.spawn(["sh", "-c", script], { stdin: "ignore", stdout: "pipe" });
  runtimePids.add(child.pid); // Bun's own to reap
  return child;
};

// an orphan that nobody has asked for ends with 7
const first = spawn("(sleep 0.1; exit 7) >/dev/null & echo $!");
const pid = Number(await new Response(first.stdout).text());
await first.exited;
while (await Bun.file("/proc/" + pid + "/stat").exists()) await Bun.sleep(1);

// another process gets its pid
let second;
do {
  second?.kill("SIGKILL");
  writeFileSync("/proc/sys/kernel/ns_last_pid", String(pid - 1));
  second = spawn("sleep 60");
} while (second.pid !== pid);
let told = "nothing";
reaper.watch(pid, (code) => { told = "exit " + code; });
await new Promise((resolve) => setImmediate(resolve));
await new Promise((resolve) => setImmediate(resolve));
console.log(told);
process.exit(0);
`;

test("a process that has the pid of one that ended unasked is not taken for ended", async () => {
  const child = Bun.spawn(
    ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child", process.execPath, "-e", program],
    {
      stdin: "ignore",
      stdout: "pipe",
      stderr: "pipe",
      timeout: 20_000,
      killSignal: "SIGKILL",
    },
  );
  const [said, errors] = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text()]);
  expect(errors).toBe("");
  expect(said).toBe("nothing\n");
}, 30_000);

test.each([true, false])(
  "the code of a process that somebody else reaps is known, by pidfd (%p) or by the kernel's news",
  async (pidfdsTell) => {
    // the grandchild waits for a file, and its parent reaps it
    const file = `/tmp/berth-reap-${process.pid}-${pidfdsTell}`;
    const script = `sh -c 'while [ ! -f ${file} ]; do sleep 0.01; done; exit 23' & echo $!; wait`;
    const parent = Bun.spawn(["sh", "-c", script], { stdin: "ignore", stdout: "pipe" });
    const reader = parent.stdout.getReader();
    const pid = Number(new TextDecoder().decode((await reader.read()).value));
    const { promise, resolve } = Promise.withResolvers<number | undefined>();
    const reaper = new Reaper({ pidfdsTell });
    expect(reaper.watchForeign(pid, processIdentity(pid), resolve)).toEqual({ alive: true });
    await Bun.write(file, "");
    await parent.exited;
    expect(await promise).toBe(23);
    await Bun.file(file).delete();
  },
);
