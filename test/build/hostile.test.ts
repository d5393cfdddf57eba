import { afterAll, beforeAll, expect, test } from "bun:test";
import { createHash } from "node:crypto";
import { readdirSync } from "node:fs";
import { chmod, mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { importBusybox, startDaemon, type TestDaemon } from "../harness/daemon.ts";
import { serveGit } from "../harness/git-server.ts";
import { type Result, run } from "../harness/run.ts";

// Dockerfiles and contexts of strangers: an error or a right image, in a bounded time, and nothing left behind.

let daemon: TestDaemon;
let folder: string;
beforeAll(async () => {
  daemon = await startDaemon();
  folder = await mkdtemp("/tmp/berth-hostile-");
  await importBusybox(daemon);
}, 60_000);
afterAll(async () => {
  await daemon[Symbol.asyncDispose]();
  await rm(folder, { recursive: true, force: true });
}, 60_000);

let count = 0;
async function context(files: Record<string, string>): Promise<string> {
  const path = join(folder, String(++count));
  await mkdir(path);
  for (const [name, text] of Object.entries(files)) {
    await mkdir(join(path, name, ".."), { recursive: true });
    await writeFile(join(path, name), text);
  }
  return path;
}
const berth = (...args: string[]): Promise<Result> => daemon.berth(["build", ...args]);
async function built(...args: string[]): Promise<string> {
  const result = await berth(...args);
  if (result.status !== 0) throw new Error(result.stderr);
  return result.stderr;
}
const spool = (): string[] => readdirSync(join(daemon.dataRoot, "build/spool"));
const sha256 = (text: string): string => `sha256:${createHash("sha256").update(text).digest("hex")}`;

test("a passwd file that is a device or has numbers out of range is an error, not a hang", async () => {
  const device = await context({
    Dockerfile: "FROM busybox\nRUN rm /etc/passwd && mknod /etc/passwd c 1 3\nCOPY --chown=nobody f /f\n",
    f: "f",
  });
  expect((await berth(device)).stderr).toContain("/etc/passwd is no file");
  const large = await context({ Dockerfile: "FROM busybox\nCOPY --chown=4294967296 f /f\n", f: "f" });
  expect((await berth(large)).stderr).toContain("4294967296 is no user or group id");
});

test("stages that need each other many times over are walked once each", async () => {
  let text = "FROM busybox AS s0\n";
  for (let stage = 1; stage <= 40; stage++)
    text += `FROM s${stage - 1} AS s${stage}\nCOPY --from=s${stage - 1} /f* /x/\n`;
  await built("-q", await context({ Dockerfile: text }));
}, 40_000);

test("a download is what its checksum says wherever it is named, and is gone after the build", async () => {
  using server = Bun.serve({ port: 0, fetch: () => new Response("other") });
  const url = `http://127.0.0.1:${server.port}/file`;
  const path = await context({
    Dockerfile: `FROM busybox\nADD ${url} /a\nADD --checksum=${sha256("wanted")} ${url} /b\n`,
  });
  expect((await berth(path)).stderr).toContain("digest mismatch");
  await built(
    "-q",
    await context({ Dockerfile: `FROM busybox\nADD ${url} /a\nADD --checksum=${sha256("other")} ${url} /b\n` }),
  );
  expect(spool()).toEqual([]);
});

test("a download that leads to a file of the host is refused", async () => {
  using server = Bun.serve({ port: 0, fetch: () => Response.redirect("file:///etc/hostname", 302) });
  const path = await context({ Dockerfile: `FROM busybox\nADD http://127.0.0.1:${server.port}/file /a\n` });
  expect((await berth(path)).status).toBe(1);
  const git = await context({ Dockerfile: "FROM busybox\nADD file:///tmp/x.git /a\n" });
  expect((await berth(git)).stderr).toContain("not found");
});

test("a repository leads to no file of the host by its submodules, and is checked wherever it is named", async () => {
  const path = await context({ "secret/f": "of the host\n", "main/f": "f\n" });
  const git = "git -c user.name=a -c user.email=b -c protocol.file.allow=always";
  await run(
    [
      "sh",
      "-ec",
      `for r in secret main; do (cd $r && git init -q -b main . && git add . && ${git} commit -qm x); done
    cd main && ${git} submodule add -q ${path}/secret sub && ${git} commit -qm y && cd .. && git clone -q --bare main repo.git`,
    ],
    { cwd: path },
  );
  using repositories = serveGit(path);
  const url = `${repositories.url}/repo.git`;
  const submodules = await context({ Dockerfile: `FROM busybox\nADD ${url} /a\n` });
  expect((await berth(submodules)).stderr).toContain("transport 'file' not allowed");
  const wrong = "1".repeat(40);
  const checked = await context({
    Dockerfile: `FROM busybox\nADD ${url}?submodules=0 /a\nADD --checksum=${wrong} ${url}?submodules=0 /b\n`,
  });
  expect((await berth(checked)).stderr).toContain("expected checksum to match");
  expect(spool()).toEqual([]);
});

test("a folder's own mode is part of what is copied", async () => {
  const path = await context({ Dockerfile: "FROM busybox\nCOPY d /d\n", "d/f": "f" });
  await chmod(join(path, "d"), 0o755);
  await built("-q", "-t", "local/mode", path);
  await chmod(join(path, "d"), 0o700);
  await built("-q", "-t", "local/mode", path);
  expect(await daemon.ok("run", "--rm", "local/mode", "stat", "-c", "%a", "/d")).toBe("700");
});

test("two names of one file are not the same as two files", async () => {
  const tell = "RUN stat -c %h /d/b";
  const text = (make: string): string =>
    `FROM busybox AS made\nRUN mkdir /d && echo f > /d/a && ${make}\nFROM busybox\nCOPY --from=made /d /d\n${tell}\n`;
  expect(await built(await context({ Dockerfile: text("cp /d/a /d/b") }))).toMatch(/ 1\n/);
  expect(await built(await context({ Dockerfile: text("ln /d/a /d/b") }))).toMatch(/ 2\n/);
});

test("links in circles and patterns of many stars end soon", async () => {
  const path = await context({
    Dockerfile: `FROM busybox\nCOPY **/f /d/\nCOPY --exclude=${"*a".repeat(30)}b . /e/\n`,
    f: "f",
    ["a".repeat(200)]: "",
  });
  for (const name of ["x", "y", "z"]) await symlink(".", join(path, name));
  await built("-q", path);
}, 30_000);

test("two writable bind mounts of a step are two, and nothing of them stays", async () => {
  const path = await context({
    Dockerfile:
      "FROM busybox\nRUN --mount=type=bind,target=/a,rw --mount=type=bind,target=/b,rw echo n > /a/f && test $(cat /b/f) = f && echo m > /b/g && test ! -e /a/g\nCOPY f /f\n",
    f: "f",
  });
  await built("-q", "-t", "local/writable", path);
  expect(await daemon.ok("run", "--rm", "local/writable", "cat", "/f")).toBe("f");
  expect(spool()).toEqual([]);
});

test("a step that fails ends a build whose other step tells more than anybody reads", async () => {
  const path = await context({
    Dockerfile: `FROM busybox AS one
RUN sleep 1; false
FROM busybox AS two
RUN yes; true
FROM busybox
COPY --from=one /x /
COPY --from=two /x /
`,
  });
  const tar = join(path, "context.tar");
  await run(["tar", "-cf", tar, "-C", path, "Dockerfile"]);
  const answer = await fetch("http://x/build", { unix: daemon.socket, method: "POST", body: Bun.file(tar) });
  expect(await answer.text()).toContain("returned a non-zero code: 1");
  expect(readdirSync(join(daemon.execRoot, "c"))).toEqual([]);
}, 20_000);

test("a step may lock a cache twice, and two steps the same caches in two orders", async () => {
  const lock = (id: string, at: string): string => `--mount=type=cache,id=${id},target=/${at},sharing=locked`;
  const path = await context({
    Dockerfile: `FROM busybox AS one
RUN ${lock("p", "p")} ${lock("p", "q")} echo 1 > /p/f && test $(cat /q/f) = 1
FROM busybox AS two
RUN ${lock("p", "p")} ${lock("q", "q")} sleep 0.2; touch /2
FROM busybox AS three
RUN ${lock("q", "q")} ${lock("p", "p")} sleep 0.2; touch /3
FROM busybox
COPY --from=one /etc/passwd /1
COPY --from=two /2 /
COPY --from=three /3 /
`,
  });
  await built("-q", path);
}, 30_000);
