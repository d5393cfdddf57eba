import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import { join } from "node:path";
import Docker from "dockerode";
import { client, clientNames } from "../harness/clients.ts";
import { importBusybox, startDaemon, type TestDaemon } from "../harness/daemon.ts";
import { startDockerRegistry } from "../harness/docker-registry.ts";
import { type ImageTools, imageTools, missingTools } from "../harness/image-tools.ts";
import { startRegistry } from "../harness/registry.ts";
import { run } from "../harness/run.ts";
import { openTerminal } from "../harness/terminal.ts";

let daemon: TestDaemon;
/** An engine that shares nothing with it. */
let fresh: TestDaemon;
let tools: ImageTools;
const hosts: Record<string, string> = {};
const open: AsyncDisposable[] = [];
beforeAll(async () => {
  const [theirs, ours] = await Promise.all([startDockerRegistry(), startRegistry()]);
  [daemon, fresh, tools] = await Promise.all([startDaemon(), startDaemon(), imageTools()]);
  open.push(daemon, fresh, theirs, ours, tools);
  Object.assign(hosts, { "docker-registry": theirs.host, "our registry": ours.address });
  await importBusybox(daemon);
  // three layers, so that there is something to share
  await daemon.ok("run", "--name", "m1", "busybox", "sh", "-c", "head -c 300000 /dev/urandom > /one");
  await daemon.ok("commit", "m1", "made:1");
  await daemon.ok("run", "--name", "m2", "made:1", "sh", "-c", "echo two > /two");
  await daemon.ok("commit", "-c", 'CMD ["cat","/two"]', "m2", "made:2");
  await daemon.ok("rm", "m1", "m2");
}, 60_000);
afterAll(async () => {
  for (const one of open) await one[Symbol.asyncDispose]();
}, 60_000);

afterEach(async () => {
  const ids = (await fresh.ok("images", "-aq")).split("\n").filter(Boolean);
  if (ids.length > 0) await fresh.ok("rmi", "-f", ...new Set(ids));
});

const id = (from: TestDaemon, name: string): Promise<string> => from.ok("image", "inspect", "-f", "{{.Id}}", name);

describe.each(["docker-registry", "our registry"])("%s", (kind) => {
  describe.each(clientNames)("with %s", (name) => {
    const on = (engine: TestDaemon) => (args: string[]) => client(engine, name)(args);
    const at = (path: string): string => `${hosts[kind]}/${name}/${path}`;

    test("push and pull: by tag, by digest, all tags; what is there is not sent again", async () => {
      for (const tag of ["1", "2"]) await daemon.ok("tag", `made:${tag}`, at(`app:${tag}`));
      const first = await on(daemon)(["push", at("app:1")]);
      expect(first.stdout).toContain(`The push refers to repository [${at("app")}]`);
      const [, digest = ""] = /^1: digest: (sha256:[0-9a-f]{64}) size: \d+$/m.exec(first.stdout) ?? [];
      expect(digest).toBe(await tools.digest(`docker://${at("app:1")}`));
      const second = await on(daemon)(["push", at("app:2")]);
      expect(second.stdout.match(/Layer already exists/g)).toHaveLength(2);
      expect((await on(daemon)(["push", "-q", at("app:2")])).stdout).toBe(`${at("app:2")}\n`);
      expect((await on(daemon)(["push", "-a", at("app")])).stdout).toMatch(/1: digest: .*\n(.*\n)*2: digest: /);

      const pulled = await on(fresh)(["pull", at("app:1")]);
      expect(pulled.stdout).toContain("1: Pulling from ");
      expect(pulled.stdout.match(/Pull complete/g)).toHaveLength(2);
      expect(pulled.stdout).toContain(
        `Digest: ${digest}\nStatus: Downloaded newer image for ${at("app:1")}\n${at("app:1")}\n`,
      );
      const more = await on(fresh)(["pull", at("app:2")]);
      expect(more.stdout.match(/Already exists/g)).toHaveLength(2);
      expect((await on(fresh)(["pull", at("app:2")])).stdout).toContain(
        `Status: Image is up to date for ${at("app:2")}`,
      );
      expect(await fresh.ok("run", "--rm", at("app:2"))).toBe("two");
      expect(await id(fresh, at("app:2"))).toBe(await id(daemon, "made:2"));
      expect(await fresh.ok("images", "--digests", "--format", "{{.Digest}}", at("app:1"))).toBe(digest);

      await fresh.ok("rmi", at("app:1"), at("app:2"));
      expect((await on(fresh)(["pull", `${at("app")}@${digest}`])).stdout).toContain(`${at("app")}@${digest}\n`);
      expect((await on(fresh)(["images", "-q", "--no-trunc", at("app")])).stdout.trim()).toBe(
        await id(daemon, "made:1"),
      );
      expect((await on(fresh)(["rmi", `${at("app")}@${digest}`])).stdout).toContain(`Untagged: ${at("app")}@${digest}`);
      expect((await on(fresh)(["pull", "-a", at("app")])).status).toBe(0);
      expect((await fresh.ok("images", "--format", "{{.Tag}}", at("app"))).split("\n").sort()).toEqual(["1", "2"]);
    });

    test("what is not there, and names that are none, in Docker's words", async () => {
      const said = async (...args: string[]): Promise<string> => {
        const { status, stderr } = await on(fresh)(args);
        expect(status).toBe(1);
        return stderr;
      };
      expect(await said("pull", at("nosuch:1"))).toMatch(
        /manifest for .*nosuch:1 not found|repository name not known|name unknown|not found/,
      );
      expect(await said("push", at("nosuch:1"))).toMatch(/tag does not exist|does not exist locally/);
      expect(await said("pull", "BAD/Name")).toContain("invalid reference format");
      expect(await said("pull", "-a", `${at("app")}:1`)).toContain("tag can't be used with --all-tags/-a");
      expect(await said("pull", `${at("app")}@sha256:short`)).toContain("invalid");
      expect(await fresh.ok("images", "-aq")).toBe("");
    });
  });

  test("bars on a terminal end with every layer complete", async () => {
    await daemon.ok("tag", "made:2", `${hosts[kind]}/bars:1`);
    await using push = openTerminal(daemon, "berth", ["push", `${hosts[kind]}/bars:1`], { rows: 24, columns: 150 });
    expect(await push.exited()).toBe(0);
    expect(push.text()).toMatch(/: (Pushed|Layer already exists|Mounted from)/);
    await using pull = openTerminal(fresh, "berth", ["pull", `${hosts[kind]}/bars:1`], { rows: 24, columns: 150 });
    expect(await pull.exited()).toBe(0);
    expect(pull.text().match(/Pull complete/g)?.length).toBeGreaterThanOrEqual(3);
    expect(pull.text()).toContain("Status: Downloaded newer image for");
  });

  test("both clients write, show and push the same manifest list", async () => {
    await daemon.ok("tag", "made:1", `${hosts[kind]}/multi:one`);
    await daemon.ok("tag", "made:2", `${hosts[kind]}/multi:two`);
    for (const tag of ["one", "two"]) await daemon.ok("push", "-q", `${hosts[kind]}/multi:${tag}`);
    const lists: Record<string, string[]> = {};
    for (const name of clientNames) {
      const env = { DOCKER_CONFIG: join(tools.folder, `lists-${kind}-${name}`.replaceAll(" ", "-")) };
      const list = `${hosts[kind]}/multi:list`;
      const told: string[] = [];
      for (const step of [
        ["create", "--insecure", list, `${hosts[kind]}/multi:one`, `${hosts[kind]}/multi:two`],
        ["create", "--insecure", list, `${hosts[kind]}/multi:one`],
        ["annotate", list, `${hosts[kind]}/multi:two`, "--arch", "arm64", "--variant", "v8"],
        ["annotate", list, `${hosts[kind]}/multi:two`, "--arch", "bogus"],
        ["annotate", list, `${hosts[kind]}/multi:none`, "--arch", "arm64"],
        ["inspect", list],
        ["inspect", "-v", list, `${hosts[kind]}/multi:two`],
        ["push", "--insecure", "-p", list],
        ["inspect", "--insecure", list],
        ["inspect", "--insecure", `${hosts[kind]}/multi:one`],
        ["inspect", "--insecure", `${hosts[kind]}/multi:nosuch`],
        ["rm", list],
      ]) {
        const { status, stdout, stderr } = await client(daemon, name)(["manifest", ...step], { env });
        told.push(`${step.join(" ")} -> ${status}\n${stdout}${stderr}`);
      }
      lists[name] = told;
    }
    expect(lists["berth"]).toEqual(lists["docker"] ?? []);
    expect(lists["berth"]?.[7]).toContain(await tools.digest(`docker://${hosts[kind]}/multi:list`));
    expect((await fresh.docker(["pull", "-q", "--platform", "linux/arm64", `${hosts[kind]}/multi:list`])).status).toBe(
      0,
    );
    expect(await id(fresh, `${hosts[kind]}/multi:list`)).toBe(await id(daemon, "made:2"));
    expect((await fresh.docker(["pull", "--platform", "linux/s390x", `${hosts[kind]}/multi:list`])).stderr).toContain(
      "no matching manifest for linux/s390x in the manifest list entries",
    );
  });

  test("search finds repositories by the registry's catalog", async () => {
    await daemon.ok("tag", "made:1", `${hosts[kind]}/findme/needle:1`);
    await daemon.ok("push", "-q", `${hosts[kind]}/findme/needle:1`);
    for (const name of clientNames) {
      const found = await client(daemon, name)(["search", "--format", "{{.Name}}", `${hosts[kind]}/needle`]);
      expect(found.stdout).toBe("findme/needle\n");
      const table = await client(daemon, name)(["search", "--limit", "1", `${hosts[kind]}/needle`]);
      expect(table.stdout).toMatch(/^NAME +DESCRIPTION +STARS +OFFICIAL/);
      const none = await client(
        daemon,
        name,
      )(["search", "-f", "stars=3", "--format", "{{.Name}}", `${hosts[kind]}/needle`]);
      expect(none.stdout).toBe("");
    }
  });

  test("dockerode pulls and pushes, with progress it understands", async () => {
    const api = new Docker({ socketPath: daemon.socket });
    const followed = (stream: NodeJS.ReadableStream): Promise<{ status?: string; aux?: { Digest: string } }[]> =>
      new Promise((done, failed) =>
        api.modem.followProgress(
          stream,
          (error: Error | null, lines: { status?: string; aux?: { Digest: string } }[]) =>
            error ? failed(error) : done(lines),
        ),
      );
    const reference = `${hosts[kind]}/ode:1`;
    await api.getImage("made:2").tag({ repo: `${hosts[kind]}/ode`, tag: "1" });
    const pushed = await followed(
      await api.getImage(reference).push({ authconfig: { username: "", password: "", serveraddress: "" } }),
    );
    const digest = pushed.find(({ aux }) => aux)?.aux?.Digest;
    expect(digest).toBe(await tools.digest(`docker://${reference}`));
    const pulled = await followed(await new Docker({ socketPath: fresh.socket }).pull(reference));
    expect(pulled.map(({ status }) => status)).toContain(`Digest: ${digest}`);
  });

  test.skipIf(missingTools.length > 0)(
    `skopeo and podman give to and take from us by it, with equal digests${missingTools.length > 0 ? ` (not run: without ${missingTools.join(", ")})` : ""}`,
    async () => {
      const host = hosts[kind] ?? "";
      await daemon.ok("tag", "made:2", `${host}/shared:1`);
      await daemon.ok("push", "-q", `${host}/shared:1`);
      await tools.skopeo(
        "copy",
        "--preserve-digests",
        `docker://${host}/shared:1`,
        `docker://${host}/copied/by:skopeo`,
      );
      expect(await tools.digest(`docker://${host}/copied/by:skopeo`)).toBe(
        await tools.digest(`docker://${host}/shared:1`),
      );
      await fresh.ok("pull", "-q", `${host}/copied/by:skopeo`);
      expect(await id(fresh, `${host}/copied/by:skopeo`)).toBe(await id(daemon, "made:2"));

      await tools.podman("pull", "-q", "--tls-verify=false", `${host}/shared:1`);
      expect((await tools.podman("image", "inspect", "--format", "{{.Id}}", `${host}/shared:1`)).trim()).toBe(
        (await id(daemon, "made:2")).slice("sha256:".length),
      );
      await tools.podman(
        "push",
        "-q",
        "--tls-verify=false",
        "--format",
        "oci",
        `${host}/shared:1`,
        `docker://${host}/podman:oci`,
      );
      await fresh.ok("pull", "-q", `${host}/podman:oci`);
      expect(await fresh.ok("run", "--rm", `${host}/podman:oci`)).toBe("two");
      const digest = await tools.digest(`docker://${host}/podman:oci`);
      expect(await fresh.ok("images", "--digests", "--format", "{{.Digest}}", `${host}/podman:oci`)).toBe(digest);
      await fresh.ok("tag", `${host}/podman:oci`, `${host}/back:1`);
      await fresh.ok("push", "-q", `${host}/back:1`);
      expect(await tools.digest(`docker://${host}/back:1`)).toBe(digest);
      await tools.podman("rmi", "-af");
    },
  );
});

test("a pull goes on after the daemon was killed in the middle of it; the client says what happened", async () => {
  await using victim = await startDaemon();
  const reference = `${hosts["docker-registry"]}/cut:1`;
  await daemon.ok("run", "--name", "big", "busybox", "sh", "-c", "head -c 40000000 /dev/urandom > /big");
  await daemon.ok("commit", "big", reference);
  await daemon.ok("rm", "big");
  await daemon.ok("push", "-q", reference);
  await victim.kill();
  await victim.start({ BERTH_FAULT: "image.pull.mid-layer=kill" });
  const cut = await victim.docker(["pull", reference]);
  expect(cut.status).toBe(1);
  expect(cut.stderr).toMatch(/EOF|Cannot connect to the Docker daemon|connection reset/i);
  expect(await victim.ended()).toBe("SIGKILL");
  await victim.start();
  expect(await victim.ok("images", "-aq")).toBe("");
  expect(await victim.ok("pull", reference)).toContain(`Status: Downloaded newer image for ${reference}`);
  expect(await id(victim, reference)).toBe(await id(daemon, reference));
  expect(await victim.ok("run", "--rm", reference, "sh", "-c", "wc -c < /big")).toBe("40000000");
  const checked = await victim.berth(["system", "check"]);
  expect(checked).toMatchObject({ status: 0 });
  expect(checked.stdout).toContain("Nothing is damaged");
});

test("prune with a look before, df and its parts", async () => {
  await using own = await startDaemon();
  await importBusybox(own);
  await own.ok("tag", "busybox", "kept:1");
  await own.ok("run", "--name", "user", "kept:1", "true");
  await own.ok("rmi", "busybox");
  await own.ok("commit", "-c", "LABEL gone=1", "user", "gone:1");
  const plan = await own.berth(["image", "prune", "-a", "--dry-run"]);
  expect(plan.stdout).toMatch(/^WOULD REMOVE +ID +NAME +SIZE\nimage +[0-9a-f]{12} +gone:1 /);
  expect(plan.stdout).not.toContain("kept:1");
  expect((await own.berth(["image", "prune", "-a", "--dry-run", "--filter", "label=gone=2"])).stdout).toBe(
    "Total reclaimable space: 0B\n",
  );
  expect((await own.ok("images", "-q")).split("\n")).toHaveLength(2);
  expect((await own.berth(["system", "prune", "-a", "--volumes", "--dry-run"])).stdout).toMatch(
    /^container +[0-9a-f]{12} +user/m,
  );
  expect((await own.berth(["system", "df"])).stdout).toMatch(/^Images +2 +1 /m);
  expect((await own.berth(["system", "df", "-v"])).stdout).toMatch(/^gone +1 /m);
  expect((await own.berth(["image", "prune", "-af"])).stdout).toContain("untagged: gone:1");
  expect((await run(["docker", "-H", `unix://${own.socket}`, "images", "--format", "{{.Repository}}"])).stdout).toBe(
    "kept\n",
  );
});
