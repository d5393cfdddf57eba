import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { importBusybox, startDaemon, type TestDaemon } from "../harness/daemon.ts";
import { needsNewerClients, newerClients } from "../harness/newer-clients.ts";
import { type Result, type RunOptions, until } from "../harness/run.ts";

// buildx, `docker build` with it, bake and compose's builds, unchanged, against this engine.
let daemon: TestDaemon;
let folder: string;
let count = 0;
const it = newerClients === "" ? test.skip : test;

beforeAll(async () => {
  daemon = await startDaemon();
  folder = await mkdtemp("/tmp/berth-buildx-");
  await importBusybox(daemon);
}, 60_000);
afterAll(async () => {
  await daemon[Symbol.asyncDispose]();
  await rm(folder, { recursive: true });
}, 60_000);

const env = { DOCKER_CONFIG: newerClients, DOCKER_BUILDKIT: "1", BUILDKIT_PROGRESS: "plain" };
const docker = (args: readonly string[], options: RunOptions = {}): Promise<Result> =>
  daemon.docker(args, { ...options, env: { ...env, ...options.env } });

/** A folder with these files. */
async function context(files: Record<string, string>): Promise<string> {
  const root = join(folder, `c${++count}`);
  await mkdir(root);
  for (const [name, text] of Object.entries(files)) {
    await mkdir(dirname(join(root, name)), { recursive: true });
    await writeFile(join(root, name), text);
  }
  return root;
}

async function build(files: Record<string, string>, ...args: string[]): Promise<Result> {
  return docker(["build", ...args, await context(files)]);
}

async function output(image: string, ...command: string[]): Promise<string> {
  const result = await docker(["run", "--rm", image, ...command]);
  expect([result.status, result.stderr]).toEqual([0, ""]);
  return result.stdout;
}

const good = (result: Result): void =>
  expect([result.status, result.status === 0 ? "" : result.stderr]).toEqual([0, ""]);

describe("docker build", () => {
  it(
    needsNewerClients("builds stages, tags the image, and takes every step from the cache the second time"),
    async () => {
      const files = {
        Dockerfile: `FROM busybox AS made
ARG WORD=none
RUN echo "word $WORD" > /word
FROM busybox
LABEL kind=test
WORKDIR /work
COPY --from=made /word .
COPY page.txt data/
ENV A=b
CMD ["cat", "word", "data/page.txt"]
`,
        "page.txt": "a page\n",
        "left.md": "not sent",
        ".dockerignore": "*.md\n",
      };
      const first = await build(files, "-t", "app:one", "-t", "app:also", "--build-arg", "WORD=given");
      good(first);
      expect(first.stderr).toContain('RUN echo "word $WORD" > /word');
      expect(await output("app:one")).toBe("word given\na page\n");
      expect(await output("app:also")).toBe("word given\na page\n");
      const again = await build(files, "-t", "app:two", "--build-arg", "WORD=given");
      good(again);
      expect(again.stderr.match(/^#\d+ CACHED$/gm)?.length).toBeGreaterThanOrEqual(4);
      const id = (name: string): Promise<string> => daemon.ok("inspect", "-f", "{{.Id}} {{.Config.Labels.kind}}", name);
      expect(await id("app:two")).toBe(await id("app:one"));
      const other = await build(files, "-q", "--build-arg", "WORD=other");
      good(other);
      expect(other.stdout).toMatch(/^sha256:[0-9a-f]{64}\n$/);
      expect(await output(other.stdout.trim())).toBe("word other\na page\n");
    },
  );

  it(needsNewerClients("shows the output of a step that fails, its line, and its status"), async () => {
    const failed = await build({ Dockerfile: "FROM busybox\nRUN echo before; echo to-err >&2; exit 7\n" });
    expect(failed.status).toBe(1);
    for (const text of ["before", "to-err", "exit code: 7", "Dockerfile:2", ">>> RUN echo before"])
      expect(failed.stderr).toContain(text);
    expect(await daemon.ok("ps", "-aq")).toBe("");
  });

  it(needsNewerClients("names the fault of a Dockerfile"), async () => {
    const cases: [string, RegExp][] = [
      ["FROM busybox\nRNU true\n", /unknown instruction: RNU/],
      ["FROM busybox\nCOPY nothing /x\n", /"\/nothing": not found/],
      ["FROM busybox\nCOPY --from=gone /a /b\n", /gone/],
      ["", /the Dockerfile cannot be empty|file with no instructions/],
    ];
    for (const [Dockerfile, reason] of cases) {
      const failed = await build({ Dockerfile });
      expect([Dockerfile, failed.status, failed.stderr]).toEqual([Dockerfile, 1, expect.stringMatching(reason)]);
    }
    const missing = await docker(["build", await context({ a: "b" })]);
    expect([missing.status, missing.stderr]).toEqual([1, expect.stringContaining("failed to read dockerfile")]);
  });

  it(needsNewerClients("mounts secrets, caches, binds and tmpfs, of which nothing stays"), async () => {
    const files = {
      Dockerfile: `# syntax=docker/dockerfile:1
FROM busybox
RUN --mount=type=secret,id=word,required cat /run/secrets/word | tr a-z A-Z > /upper
RUN --mount=type=secret,id=token,env=TOKEN test "\${#TOKEN}" = 8
RUN --mount=type=cache,target=/cache cat /cache/n 2>/dev/null; echo x >> /cache/n; wc -l < /cache/n > /count
RUN --mount=type=bind,target=/ctx cat /ctx/sub/file > /bound
RUN --mount=type=tmpfs,target=/t touch /t/x
RUN <<EOF
echo one
echo two > /heredoc
EOF
`,
      "sub/file": "bound\n",
      secret: "word",
    };
    const root = await context(files);
    const made = await docker(
      [
        "build",
        "-t",
        "mounts",
        "--secret",
        `id=word,src=${join(root, "secret")}`,
        "--secret",
        "id=token,env=TOKEN",
        root,
      ],
      { env: { TOKEN: "from-env" } },
    );
    good(made);
    expect(
      await output(
        "mounts",
        "sh",
        "-c",
        "cat /upper /bound /heredoc /count; ls /run/secrets /t /cache 2>&1 | grep -c .",
      ),
    ).toMatch(/^WORDbound\ntwo\n1\n/);
    expect((await daemon.ok("history", "--no-trunc", "mounts")).includes("from-env")).toBe(false);
    const denied = await docker(["build", "--no-cache", root]);
    expect([denied.status, denied.stderr]).toEqual([1, expect.stringMatching(/secret word: not found/)]);
  });

  it(
    needsNewerClients("reads the Dockerfile or the whole context from standard input, and named contexts"),
    async () => {
      const root = await context({ "a.txt": "from a\n" });
      const piped = await docker(["build", "-t", "piped", "-f", "-", root], {
        stdin: "FROM busybox\nCOPY a.txt /\nCMD cat /a.txt\n",
      });
      good(piped);
      expect(await output("piped")).toBe("from a\n");
      const alone = await docker(["build", "-t", "alone", "-"], { stdin: "FROM busybox\nCMD echo alone\n" });
      good(alone);
      expect(await output("alone")).toBe("alone\n");
      const other = await context({ "b.txt": "from b\n" });
      const named = await docker(["build", "-t", "named", "--build-context", `other=${other}`, "-f", "-", root], {
        stdin: "FROM busybox\nCOPY --from=other b.txt /\nCMD cat /b.txt\n",
      });
      good(named);
      expect(await output("named")).toBe("from b\n");
      const tar = Bun.spawnSync([
        "tar",
        "-C",
        await context({ Dockerfile: "FROM busybox\nCOPY f /\nCMD cat /f\n", f: "in a tar\n" }),
        "-c",
        ".",
      ]);
      const sent = await docker(["build", "-t", "tarred", "-"], { stdin: tar.stdout });
      good(sent);
      expect(await output("tarred")).toBe("in a tar\n");
    },
  );

  it(
    needsNewerClients("sends only what changed of a context, keeps modes and links, and never follows a link out"),
    async () => {
      const root = await context({ Dockerfile: "FROM busybox\nCOPY . /ctx/\n", "dir/run.sh": "#!/bin/sh\necho ran\n" });
      await symlink("dir/run.sh", join(root, "link"));
      await symlink("/etc/hostname", join(root, "out"));
      Bun.spawnSync(["chmod", "0755", join(root, "dir/run.sh")]);
      const big = Buffer.alloc(8 * 1024 * 1024, 7);
      await writeFile(join(root, "big"), big);
      good(await docker(["build", "-t", "sent", root]));
      expect(await output("sent", "sh", "-c", "/ctx/link; readlink /ctx/out; stat -c %a /ctx/dir/run.sh")).toBe(
        "ran\n/etc/hostname\n755\n",
      );
      await writeFile(join(root, "dir/run.sh"), "#!/bin/sh\necho changed\n");
      const again = await docker(["build", "-t", "sent", root]);
      good(again);
      expect(again.stderr).toMatch(/transferring context: [\d.]+k?B/);
      expect(again.stderr).not.toMatch(/transferring context: [\d.]+MB/);
      expect(await output("sent", "/ctx/link")).toBe("changed\n");
    },
  );

  it(needsNewerClients("writes the result to a folder and to a tar"), async () => {
    const files = {
      Dockerfile:
        "FROM busybox AS all\nRUN mkdir /out && echo made > /out/file && ln -s file /out/link\nFROM scratch\nCOPY --from=all /out /\n",
    };
    const target = join(folder, "local");
    good(await build(files, "--output", target));
    expect([await readFile(join(target, "file"), "utf8"), await readdir(target)]).toEqual(["made\n", ["file", "link"]]);
    const tar = join(folder, "out.tar");
    good(await build(files, "--output", `type=tar,dest=${tar}`));
    expect(Bun.spawnSync(["tar", "-tf", tar]).stdout.toString().split("\n")).toContain("file");
  });

  it(needsNewerClients("ends a step at once when its client is interrupted, and leaves nothing"), async () => {
    const root = await context({ Dockerfile: "FROM busybox\nRUN echo started; sleep 600\n" });
    const child = Bun.spawn(["docker", "build", root], {
      env: { ...process.env, ...env, DOCKER_HOST: `unix://${daemon.socket}` },
      stdout: "ignore",
      stderr: "pipe",
    });
    let text = "";
    const reading = (async () => {
      for await (const piece of child.stderr) text += new TextDecoder().decode(piece);
    })();
    await until("the step runs", () => /^#\d+ [\d.]+ started/m.test(text));
    const sleepers = (): number => Number(Bun.spawnSync(["pgrep", "-fc", "^sleep 600$"]).stdout.toString());
    const before = sleepers();
    child.kill("SIGINT");
    await child.exited;
    await reading;
    await until("the process of the step is gone", () => sleepers() < before || before === 0, 5000);
    expect((await build({ Dockerfile: "FROM busybox\nRUN true\n" })).status).toBe(0);
  });
});

describe("buildx", () => {
  it(needsNewerClients("lists the builder, its use of disk, prunes, and checks a Dockerfile"), async () => {
    expect((await docker(["buildx", "ls"])).stdout).toMatch(/default\s+running/);
    expect((await docker(["buildx", "inspect"])).stdout).toContain("linux/amd64");
    good(await build({ Dockerfile: "FROM busybox\nRUN echo some > /file\n" }));
    expect((await docker(["buildx", "du"])).stdout).toMatch(/Total:\s+\S+/);
    const check = await build({ Dockerfile: "from busybox\nRUN true\n" }, "--check");
    expect(check.stdout + check.stderr).toContain("ConsistentInstructionCasing");
    const outline = await build(
      { Dockerfile: "ARG V=1\nFROM busybox AS x\n# a word\nARG WORD=none\n" },
      "--call=outline",
    );
    expect([outline.status, outline.stdout]).toEqual([0, expect.stringContaining("WORD")]);
    const targets = await build({ Dockerfile: "FROM busybox AS one\nFROM busybox AS two\n" }, "--call=targets");
    expect(targets.stdout).toContain("one");
    good(await docker(["buildx", "prune", "-af"]));
    expect((await docker(["buildx", "du"])).stdout).toMatch(/Total:\s+0B/);
  });

  it(needsNewerClients("history lists builds, those that failed too, and forgets them"), async () => {
    good(await build({ Dockerfile: "FROM busybox\nRUN true\n" }));
    expect((await build({ Dockerfile: "FROM busybox\nRUN false\n" })).status).toBe(1);
    const listed = (await docker(["buildx", "history", "ls", "--format", "{{.Ref}} {{.Status}}"])).stdout.split("\n");
    const [failed, done] = [
      listed.find((line) => line.endsWith("Error")),
      listed.find((line) => line.endsWith("Completed")),
    ];
    expect([failed, done]).toEqual([expect.stringMatching(/\w/), expect.stringMatching(/\w/)]);
    const id = failed?.split(" ")[0]?.replace(/^.*\//, "") ?? "";
    good(await docker(["buildx", "history", "rm", id]));
    expect((await docker(["buildx", "history", "ls", "--format", "{{.Ref}}"])).stdout).not.toContain(id);
  });

  it(needsNewerClients("bake builds several targets of one file"), async () => {
    const root = await context({
      "docker-bake.hcl": `group "default" { targets = ["one", "two"] }
target "one" {
  tags = ["baked:one"]
  args = { W = "1" }
}
target "two" {
  tags = ["baked:two"]
  args = { W = "2" }
}
`,
      Dockerfile: "FROM busybox\nARG W\nRUN echo $W > /w\nCMD cat /w\n",
    });
    good(await docker(["buildx", "bake"], { cwd: root }));
    expect([await output("baked:one"), await output("baked:two")]).toEqual(["1\n", "2\n"]);
  });

  it(needsNewerClients("compose builds and runs what it built"), async () => {
    const root = await context({
      "compose.yaml": "services:\n  app:\n    build: { context: ., args: { W: composed } }\n    image: composed:1\n",
      Dockerfile: "FROM busybox\nARG W\nRUN echo $W > /w\nCMD cat /w\n",
    });
    good(await docker(["compose", "-p", "built", "build"], { cwd: root }));
    const run = await docker(["compose", "-p", "built", "run", "--rm", "-T", "app"], { cwd: root });
    expect(run.stdout).toBe("composed\n");
    good(await docker(["compose", "-p", "built", "down"], { cwd: root }));
    expect(existsSync(root)).toBe(true);
  });
});
