// The registry inside of the daemon, by one setting; and our own client against it.
import { expect, test } from "bun:test";
import { importBusybox, startDaemon } from "../harness/daemon.ts";
import { until } from "../harness/run.ts";

test("a daemon with the setting serves a registry that it can push to and pull from itself", async () => {
  await using daemon = await startDaemon({
    args: ["--registry", "listen=127.0.0.1:0", "--registry", "anonymous=pull,push"],
  });
  const log = async (): Promise<string> => {
    const names = await Array.fromAsync(new Bun.Glob("daemon.log.*").scan(daemon.folder));
    return (await Promise.all(names.map((name) => Bun.file(`${daemon.folder}/${name}`).text()))).join("");
  };
  const address = await until(
    "the registry serves",
    async () => /msg="the registry serves" address=([\d.:]+)/.exec(await log())?.[1],
  );
  await importBusybox(daemon);
  await daemon.ok("tag", "busybox:latest", `${address}/own/busybox:one`);
  expect(await daemon.ok("push", `${address}/own/busybox:one`)).toContain("digest: sha256:");
  await daemon.ok("rmi", `${address}/own/busybox:one`, "busybox:latest");
  await daemon.ok("pull", "-q", `${address}/own/busybox:one`);
  expect(
    await daemon.ok("run", "--rm", "--network", "none", `${address}/own/busybox:one`, "echo", "from the own registry"),
  ).toBe("from the own registry");
  const listed = await daemon.berth(["registry", "ls", "--root", `${daemon.dataRoot}/registry`]);
  expect(listed.stdout).toMatch(/^own\/busybox +1 +1 /m);
});

test("a daemon whose registry cannot be does not start, and says why", async () => {
  const message = await startDaemon({ args: ["--registry", "anonymous=fly"] }).then(
    async (daemon) => {
      await daemon[Symbol.asyncDispose]();
      return "it started";
    },
    (error: unknown) => String(error),
  );
  expect(message).toContain("the registry cannot start: invalid value");
});
