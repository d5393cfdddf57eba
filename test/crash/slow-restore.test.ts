import { afterAll, beforeAll, expect, test } from "bun:test";
import { chmod, mkdtemp, rm } from "node:fs/promises";
import { join } from "node:path";
import { importBusybox, startDaemon, type TestDaemon } from "../harness/daemon.ts";

let daemon: TestDaemon;
let folder: string;
beforeAll(async () => {
  folder = await mkdtemp("/tmp/berth-odd-");
  // a runtime whose delete takes as long as a file is there
  await Bun.write(
    join(folder, "slow"),
    `#!/bin/sh
if [ "$1" = --version ]; then echo "odd version 1.0.0"; exit 0; fi
case " $* " in *" delete "*) while [ -e ${folder}/wait ]; do sleep 0.05; done;; esac
exec crun "$@"
`,
  );
  await chmod(join(folder, "slow"), 0o755);
  daemon = await startDaemon({ args: ["--add-runtime", `slow=${folder}/slow`] });
  await importBusybox(daemon);
}, 60_000);
afterAll(async () => {
  await daemon[Symbol.asyncDispose]();
  await rm(folder, { recursive: true, force: true });
}, 60_000);

test("what a daemon still finishes of the last one's runs does not touch a container that was started since", async () => {
  // `fresh` is looked at after `slow`: rows are finished newest first, or side by side
  await daemon.ok("create", "--name", "fresh", "-p", "80", "busybox", "sh", "-c", "echo hello > /said; exec sleep 600");
  await daemon.ok("start", "fresh");
  await daemon.ok("kill", "fresh");
  for (const n of [1, 2, 3, 4, 5, 6, 7, 8, 9])
    await daemon.ok("create", "--name", `slow${n}`, "--runtime", "slow", "busybox", "true");
  // cut in mid-start: their bundles are there
  await Bun.write(join(folder, "wait"), "");
  await daemon.stop();
  await daemon.start({ BERTH_FAULT: "start.after-bundle=kill" });
  await Promise.all([1, 2, 3, 4, 5, 6, 7, 8, 9].map((n) => daemon.docker(["start", `slow${n}`])));
  expect(await daemon.ended()).toBe("SIGKILL");
  await daemon.start();
  await daemon.ok("start", "fresh");
  await rm(join(folder, "wait"));
  // each start waits for what is finished of its container
  for (const n of [1, 2, 3, 4, 5, 6, 7, 8, 9]) await daemon.docker(["start", `slow${n}`]);
  for (const n of [1, 2, 3, 4, 5, 6, 7, 8, 9]) await daemon.docker(["wait", `slow${n}`]);
  expect(await daemon.ok("exec", "fresh", "cat", "/said")).toBe("hello");
  expect((await daemon.ok("exec", "fresh", "ip", "-4", "addr", "show", "eth0")).includes("inet ")).toBe(true);
  expect(await daemon.ok("port", "fresh", "80")).toMatch(/:\d+$/m);
  expect(await daemon.ok("inspect", "-f", "{{.State.Status}}", "fresh")).toBe("running");
}, 60_000);
