import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import Docker from "dockerode";
import { importBusybox, startDaemon, type TestDaemon } from "../harness/daemon.ts";
import { serveGit } from "../harness/git-server.ts";
import { run, until } from "../harness/run.ts";

let daemon: TestDaemon;
let folder: string;
beforeAll(async () => {
  daemon = await startDaemon();
  folder = await mkdtemp("/tmp/berth-build-");
  await importBusybox(daemon);
}, 60_000);
afterAll(async () => {
  await daemon[Symbol.asyncDispose]();
  await rm(folder, { recursive: true, force: true });
}, 60_000);

let count = 0;
/** A new context with these files. */
async function context(files: Record<string, string>): Promise<string> {
  const path = join(folder, String(++count));
  for (const [name, text] of Object.entries(files)) {
    await mkdir(join(path, name, ".."), { recursive: true });
    await writeFile(join(path, name), text);
  }
  return path;
}
const build = (path: string, ...more: string[]): ReturnType<TestDaemon["docker"]> =>
  daemon.docker(["build", ...more, path]);
/** What steps leave only while they run. */
const leftovers = (): string[] => [
  ...readdirSync(join(daemon.execRoot, "b")),
  ...readdirSync(join(daemon.execRoot, "c")),
  ...readdirSync(join(daemon.dataRoot, "build/spool")),
  ...readFileSync("/proc/self/mountinfo", "utf8")
    .split("\n")
    .filter((line) => line.includes(`${daemon.execRoot}/b/`) || line.includes(`${daemon.execRoot}/c/`)),
];

test("the stock docker builds, tells the steps as the classic builder does, and finds them in the cache", async () => {
  const path = await context({
    Dockerfile: "FROM busybox\nARG X=1\nENV A=b\nCOPY f /f\nRUN echo out-$X; echo err >&2\nLABEL l=1\n",
    f: "one\n",
  });
  const first = await build(path, "-t", "local/one", "--build-arg", "X=2", "--label", "m=2");
  expect(first.status).toBe(0);
  const lines = first.stdout.split("\n").map((line) => line.replace(/[0-9a-f]{12}/, "<id>"));
  expect(lines.slice(1)).toEqual([
    "Step 1/6 : FROM busybox",
    " ---> <id>",
    "Step 2/6 : ARG X=1",
    " ---> Using cache",
    " ---> <id>",
    "Step 3/6 : ENV A=b",
    " ---> Using cache",
    " ---> <id>",
    "Step 4/6 : COPY f /f",
    " ---> <id>",
    "Step 5/6 : RUN echo out-$X; echo err >&2",
    " ---> Running in <id>",
    "out-2",
    "\u001b[91merr",
    "\u001b[0mRemoving intermediate container <id>",
    " ---> <id>",
    "Step 6/6 : LABEL l=1",
    " ---> Running in <id>",
    "Removing intermediate container <id>",
    " ---> <id>",
    "Successfully built <id>",
    "Successfully tagged local/one:latest",
    "",
  ]);
  const id = await daemon.ok("image", "inspect", "-f", "{{.Id}} {{json .Config.Labels}}", "local/one");
  expect(id).toContain('{"l":"1","m":"2"}');
  const again = await build(path, "-q", "--build-arg", "X=2", "--label", "m=2");
  expect(again.stdout.trim()).toBe(id.split(" ")[0] ?? "");
  await writeFile(join(path, "f"), "two\n");
  const changed = await build(path, "--build-arg", "X=2");
  expect(changed.stdout).not.toContain("out-2\n ---> Using cache");
  expect(changed.stdout).toContain("out-2");
  expect(leftovers()).toEqual([]);
});

test("a command that fails says its status, and leaves no image", async () => {
  const path = await context({ Dockerfile: "FROM busybox\nRUN echo failing; exit 7\nRUN never\n" });
  const failed = await build(path, "-t", "local/failed");
  expect(failed.status).toBe(7); // the client exits with it
  expect(failed.stdout).toContain("failing\nRemoving intermediate container");
  expect(failed.stderr).toContain("The command '/bin/sh -c echo failing; exit 7' returned a non-zero code: 7");
  expect((await daemon.docker(["image", "inspect", "local/failed"])).status).toBe(1);
  expect(leftovers()).toEqual([]);
});

describe("mistakes are told before anything runs", () => {
  for (const [name, files, wanted] of [
    [
      "unknown instruction",
      { Dockerfile: "FROM busybox\nRUNN x" },
      "line 2 of Dockerfile: unknown instruction: RUNN (did you mean RUN?)",
    ],
    ["unknown flag", { Dockerfile: "FROM busybox\nCOPY --form=x a b" }, "unknown flag: --form (did you mean --from?)"],
    [
      "cycle",
      { Dockerfile: "FROM busybox AS a\nCOPY --from=b /x /\nFROM busybox AS b\nCOPY --from=a /x /" },
      "circular dependency detected on stage: b",
    ],
    ["empty Dockerfile", { Dockerfile: "" }, "The Dockerfile (Dockerfile) cannot be empty"],
    ["missing argument", { Dockerfile: "FROM busybox\nUSER ${WHO:?who is it}" }, "WHO: who is it"],
    ["missing image", { Dockerfile: "FROM 127.0.0.1:9/nope" }, "Dockerfile:1: 127.0.0.1:9/nope:"],
  ] as const)
    test(name, async () => {
      const failed = await build(await context(files));
      expect(failed.status).toBe(1);
      expect(failed.stderr).toContain(wanted);
    });

  test("missing file, missing stage", async () => {
    const file = await build(await context({ Dockerfile: "FROM busybox\nCOPY nope /" }));
    expect(file.stderr).toContain('"/nope": not found (line 2)');
    const target = await build(await context({ Dockerfile: "FROM busybox AS base" }), "--target", "bass");
    expect(target.stderr).toContain('target stage "bass" could not be found (did you mean base?)');
  });
});

test("contexts come from standard input, as tar or as one Dockerfile, from a URL and from git", async () => {
  const path = await context({ "sub/Other": "FROM busybox\nCOPY f /f\n", f: "tar\n", "sub/f": "sub\n" });
  const tar = join(folder, "context.tgz");
  await run(["tar", "-czf", tar, "-C", path, "."]);
  const fromTar = await run(["sh", "-c", `docker build -q -f sub/Other - < ${tar}`], {
    env: { DOCKER_HOST: `unix://${daemon.socket}`, DOCKER_BUILDKIT: "0" },
  });
  expect(fromTar.status).toBe(0);
  const alone = await run(["sh", "-c", `printf 'FROM busybox\\nRUN true\\n' | docker build -q -`], {
    env: { DOCKER_HOST: `unix://${daemon.socket}`, DOCKER_BUILDKIT: "0" },
  });
  expect(alone.stdout).toMatch(/^sha256:/);
  const repository = join(folder, "repository.git");
  await run([
    "sh",
    "-c",
    `cd ${path} && git init -q -b main . && git add . && git -c user.name=a -c user.email=b commit -qm x && git clone -q --bare . ${repository}`,
  ]);
  using repositories = serveGit(folder);
  const server = Bun.serve({
    port: 0,
    fetch: (request) => new Response(Bun.file(request.url.endsWith("tgz") ? tar : join(path, "sub/Other"))),
  });
  try {
    const remote = encodeURIComponent(`http://127.0.0.1:${server.port}/context.tgz`);
    const url = await daemon.request("POST", `/build?remote=${remote}&dockerfile=sub/Other&q=1`);
    expect(await url.text()).toContain("sha256:");
    const git = await daemon.request(
      "POST",
      `/build?remote=${encodeURIComponent(`${repositories.url}/repository.git#main:sub`)}&dockerfile=Other&t=local/git`,
    );
    expect(await git.text()).toContain("Successfully tagged local/git:latest");
    expect(await daemon.ok("run", "--rm", "local/git", "cat", "/f")).toBe("sub");
  } finally {
    await server.stop(true);
  }
});

test("a client that leaves ends its build within a second, and nothing is left", async () => {
  const path = await context({ Dockerfile: "FROM busybox\nRUN echo begun; sleep 1000\n" });
  const tar = join(folder, "hang.tar");
  await run(["tar", "-cf", tar, "-C", path, "."]);
  const abort = new AbortController();
  const answer = await fetch("http://x/build", {
    unix: daemon.socket,
    method: "POST",
    body: Bun.file(tar),
    signal: abort.signal,
  });
  const reader = answer.body?.getReader();
  for (let text = ""; !text.includes("begun\\n");) {
    const next = await reader?.read();
    if (!next || next.done) throw new Error(`the build ended: ${text}`);
    text += Buffer.from(next.value as Uint8Array).toString("utf8");
  }
  expect(leftovers()).not.toEqual([]);
  const left = performance.now();
  abort.abort();
  await until("nothing is left", () => leftovers().length === 0, 5000);
  expect(performance.now() - left).toBeLessThan(1500);
  expect(await daemon.ok("ps", "-aq")).toBe("");
});

describe("hostile contexts", () => {
  const post = async (body: Uint8Array | string): Promise<{ status: number; text: string }> => {
    const answer = await fetch("http://x/build?q=1", {
      unix: daemon.socket,
      method: "POST",
      body: new Blob([body as BlobPart]),
    });
    return { status: answer.status, text: await answer.text() };
  };
  test("what is no tar is refused", async () => {
    const { status, text } = await post(Buffer.from("this is not an archive".repeat(100)));
    expect(status).toBe(400);
    expect(text).toContain("invalid build context");
  });
  test("a member that leads out is refused", async () => {
    const tar = join(folder, "out.tar");
    await run([
      "sh",
      "-c",
      `cd ${await context({ "a/evil": "x" })} && tar -cf ${tar} --transform 's,a/evil,../../evil,' -P a/evil`,
    ]);
    expect(await post(await Bun.file(tar).bytes())).toMatchObject({ status: 400 });
  });
  test("links and .. of the context lead nowhere outside", async () => {
    const path = await context({ Dockerfile: "FROM busybox\nCOPY link /a\n" });
    await symlink("/etc/hostname", join(path, "link"));
    expect((await build(path)).stderr).toContain('"/link": not found');
    const up = await context({ Dockerfile: "FROM busybox\nCOPY ../../../../../etc/hostname /a\n" });
    expect((await build(up)).stderr).toContain("not found");
  });
  test("a context without a Dockerfile", async () => {
    const tar = join(folder, "none.tar");
    await run(["tar", "-cf", tar, "-C", await context({ other: "x" }), "."]);
    expect(await post(await Bun.file(tar).bytes())).toMatchObject({
      status: 400,
      text: expect.stringContaining("Cannot locate specified Dockerfile: Dockerfile"),
    });
    await until("nothing is left", () => leftovers().length === 0, 5000);
  });
});

test("dockerode builds an image", async () => {
  const path = await context({ Dockerfile: "FROM busybox\nCOPY f /f\nRUN cat /f\n", f: "from dockerode\n" });
  const docker = new Docker({ socketPath: daemon.socket });
  const stream = await docker.buildImage(
    { context: path, src: ["Dockerfile", "f"] },
    { t: "local/dockerode", labels: { a: "b" } },
  );
  const lines = await new Promise<{ stream?: string; aux?: { ID: string } }[]>((resolve, reject) => {
    docker.modem.followProgress(stream, (error, rows) => (error ? reject(error) : resolve(rows)));
  });
  expect(lines.map(({ stream: text = "" }) => text).join("")).toContain("from dockerode\n");
  const { Id, Config } = await docker.getImage("local/dockerode").inspect();
  expect(lines.find(({ aux }) => aux)?.aux?.ID).toBe(Id);
  expect(Config.Labels).toEqual({ a: "b" });
});

const compose = existsSync("/usr/bin/docker-compose") ? test : test.skip;
compose(
  "docker-compose v1 builds and runs",
  async () => {
    const path = await context({
      Dockerfile: 'FROM busybox\nARG WHO\nRUN echo hello $WHO > /hello\nCMD ["cat", "/hello"]\n',
      "docker-compose.yml":
        "version: '3'\nservices:\n  web:\n    build:\n      context: .\n      args:\n        WHO: compose\n    image: local/composed\n    network_mode: none\n",
    });
    const env = { DOCKER_HOST: `unix://${daemon.socket}`, DOCKER_BUILDKIT: "0", COMPOSE_DOCKER_CLI_BUILD: "0" };
    const built = await run(["/usr/bin/docker-compose", "-f", join(path, "docker-compose.yml"), "build"], { env });
    expect([built.status, built.stdout + built.stderr]).toMatchObject([
      0,
      expect.stringContaining("Successfully tagged local/composed:latest"),
    ]);
    expect(await daemon.ok("run", "--rm", "--network", "none", "local/composed")).toBe("hello compose");
  },
  60_000,
);

test("configuration and history are dockerd's for 22 Dockerfiles", async () => {
  interface Golden {
    readonly dockerfile: string;
    readonly history: string[];
    readonly author: string;
    readonly layers: number;
    readonly config: Record<string, unknown>;
  }
  // recorded by dockerd 20.10's classic builder; health checks and --chown in the words of 28.5
  const recorded = JSON.parse(
    readFileSync(new URL("../fixtures/build/dockerd-histories.json", import.meta.url), "utf8"),
  ) as Record<string, Golden>;
  const rootfs = join(folder, "base.tar");
  await daemon.ok("create", "--name", "base", "busybox");
  await daemon.ok("export", "-o", rootfs, "base");
  await daemon.ok("rm", "base");
  await daemon.ok("import", "-c", 'CMD ["sh"]', "-c", "ENV PATH=/usr/sbin:/usr/bin:/sbin:/bin BASE=1", rootfs, "base");
  const path = await context({ "a.txt": "a\n", "d/x": "x\n" });
  await run(["tar", "-czf", join(path, "t.tgz"), "-C", path, "d"]);
  const names = Object.keys(recorded);
  expect(names.length).toBe(22);
  for (const name of names) {
    const golden = recorded[name];
    if (!golden) continue;
    await writeFile(join(path, "Dockerfile"), golden.dockerfile);
    const built = await build(path, "-q", "-t", "golden");
    expect([name, built.status, built.stderr]).toEqual([name, 0, expect.anything()]);
    const [image] = JSON.parse(await daemon.ok("image", "inspect", "golden")) as [
      { Config: Record<string, unknown>; Author: string; RootFS: { Layers: string[] | null } },
    ];
    const history = (await daemon.ok("history", "--no-trunc", "--format", "{{.CreatedBy}}\t{{.Size}}", "golden"))
      .split("\n")
      .filter((line) => !line.startsWith("\t"))
      .map((line) => line.replace(/(file|dir|multi):[0-9a-f]{64}/, "$1:<digest>"))
      .map((line) => (line.includes("/etc/passwd") ? line.replace(/\t.*/, "") : line)); // as long as the base's
    const config = Object.fromEntries(Object.keys(golden.config).map((key) => [key, image.Config[key]]));
    expect({ name, history, author: image.Author, layers: image.RootFS.Layers?.length ?? 0, config }).toEqual({
      name,
      history: golden.history,
      author: golden.author,
      layers: golden.layers,
      config: golden.config,
    });
  }
}, 60_000);
