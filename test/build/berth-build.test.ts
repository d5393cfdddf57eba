import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { importBusybox, startDaemon, type TestDaemon } from "../harness/daemon.ts";
import { serveGit } from "../harness/git-server.ts";
import { startDockerRegistry, type TestRegistry } from "../harness/docker-registry.ts";
import { type Result, run, until } from "../harness/run.ts";

let daemon: TestDaemon;
let registry: TestRegistry;
let folder: string;
beforeAll(async () => {
  [daemon, registry] = await Promise.all([startDaemon(), startDockerRegistry()]);
  folder = await mkdtemp("/tmp/berth-build-");
  await importBusybox(daemon);
}, 60_000);
afterAll(async () => {
  await daemon[Symbol.asyncDispose]();
  await registry[Symbol.asyncDispose]();
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
const leftovers = (of: TestDaemon): string[] => [
  ...readdirSync(join(of.execRoot, "b")),
  ...readdirSync(join(of.execRoot, "c")),
  ...readdirSync(join(of.dataRoot, "build/spool")),
  ...readFileSync("/proc/self/mountinfo", "utf8")
    .split("\n")
    .filter((line) => line.includes(`${of.execRoot}/`) && line.includes("overlay")),
];

describe("RUN --mount", () => {
  test("secrets reach the step as file and variable, and are in no layer, history or record", async () => {
    const path = await context({
      Dockerfile:
        "FROM busybox\nRUN --mount=type=secret,id=a,required=true --mount=type=secret,id=b,env=TOKEN,target=/b,mode=0440,uid=7 cat /run/secrets/a | md5sum > /sum && stat -c '%a %u' /b >> /sum && echo $TOKEN | md5sum >> /sum && ! touch /run/secrets/a\n",
      secret: "very-secret-value",
    });
    const args = [
      "-q",
      "-t",
      "local/secret",
      "--secret",
      `id=a,src=${join(path, "secret")}`,
      "--secret",
      "id=b,env=THE_TOKEN",
    ];
    const result = await daemon.berth(["build", ...args, path], { env: { THE_TOKEN: "other-secret-value" } });
    expect(result.status).toBe(0);
    const shown = await daemon.ok(
      "run",
      "--rm",
      "local/secret",
      "sh",
      "-c",
      "cat /sum; ls -d /run/secrets /b 2>&1 || true",
    );
    expect(shown).toBe(
      [
        `${md5("very-secret-value")}  -`,
        "440 7",
        `${md5("other-secret-value\n")}  -`,
        "ls: /run/secrets: No such file or directory",
        "ls: /b: No such file or directory",
      ].join("\n"),
    );
    const grep = await run([
      "grep",
      "-rlaE",
      "very-secret-value|other-secret-value",
      join(daemon.dataRoot, "snapshots/overlay/layers"),
      join(daemon.dataRoot, "build/spool"),
      join(daemon.dataRoot, "state.db"),
      join(daemon.dataRoot, "state.db-wal"),
    ]);
    expect(grep.stdout).toBe("");
    const missing = await berth("-q", "--no-cache", path);
    expect(missing.stderr).toContain("secret a: not found");
  });

  test("cache folders outlive builds and are no part of the image; bind mounts are thrown away", async () => {
    const dockerfile = (n: number): string =>
      `FROM busybox AS one\nRUN echo from-one > /x\nFROM busybox\nRUN --mount=type=cache,target=/c --mount=type=bind,from=one,target=/one,rw --mount=type=tmpfs,target=/t echo ${n} >> /c/log && cat /c/log > /log && cat /one/x && echo gone > /one/x && ls /t\nRUN --mount=target=/ctx cat /ctx/f && ! touch /ctx/y\n`;
    const path = await context({ Dockerfile: dockerfile(1), f: "of the context\n" });
    await built("-t", "local/cache", path);
    await writeFile(join(path, "Dockerfile"), dockerfile(2));
    const second = await built("-t", "local/cache", path);
    expect(second).toContain("of the context");
    expect(second).toContain("from-one");
    expect(
      await daemon.ok("run", "--rm", "local/cache", "sh", "-c", "cat /log; ls / | grep -E '^(c|one|t|ctx)$' || true"),
    ).toBe("1\n2");
  });

  test("locked caches have one step at a time", async () => {
    const step =
      "RUN --mount=type=cache,id=lock,target=/c,sharing=locked if mkdir /c/busy; then sleep 0.3; rmdir /c/busy; else exit 9; fi";
    const path = await context({
      Dockerfile: `FROM busybox AS a\n${step}\nRUN touch /a\nFROM busybox AS b\n${step} # b\nRUN touch /b\nFROM scratch\nCOPY --from=a /a /\nCOPY --from=b /b /\n`,
    });
    await built("-q", path);
  });

  test("ssh agents are reached by a socket of the step's own", async () => {
    const agent = join(folder, "agent.sock");
    const server = Bun.listen({ unix: agent, socket: { data: (socket, bytes) => void socket.write(bytes) } });
    try {
      const path = await context({
        Dockerfile:
          "FROM busybox\nRUN --mount=type=ssh,required=true,uid=7,mode=0660 stat -c '%F %a %u' $SSH_AUTH_SOCK; echo $SSH_AUTH_SOCK\n",
      });
      expect(await built("--ssh", `default=${agent}`, path)).toContain("socket 660 7");
      expect((await stat(agent)).mode & 0o777).not.toBe(0o660);
      expect((await berth("--no-cache", path)).stderr).toContain(
        "ssh agent default: not found: give it by --ssh default",
      );
    } finally {
      server.stop(true);
    }
  });

  test("network, hosts, limits and entitlements", async () => {
    const path = await context({
      Dockerfile:
        "FROM busybox\nRUN --network=none test ! -e /sys/class/net/eth0\nRUN grep '1.2.3.4.*\\sthere' /etc/hosts && test $(ulimit -n) = 99 && df -m /dev/shm | grep ' 3 '\n",
    });
    await built("-q", "--add-host", "there:1.2.3.4", "--ulimit", "nofile=99:99", "--shm-size", "3m", path);
    const host = await context({
      Dockerfile: "FROM busybox\nRUN --network=host true\nRUN --security=insecure mkdir /m && mount -t tmpfs x /m\n",
    });
    expect((await berth(host)).stderr).toContain("entitlement network.host is not allowed");
    await built("-q", "--allow", "network.host", "--allow", "security.insecure", host);
    const all = "FROM busybox\nRUN test -e /proc/sys/net/ipv4/ip_forward && ls /sys/class/net\n";
    await built("-q", "--network", "host", await context({ Dockerfile: all }));
    const unasked = await daemon.request("POST", "/berth/build", {
      Dockerfile: "FROM busybox\nRUN echo unasked\n",
      Network: "host",
    });
    expect(await unasked.text()).toContain("entitlement network.host is not allowed");
  });
});

test("here-documents are scripts, shell text and files", async () => {
  const path = await context({
    Dockerfile: `FROM busybox
ENV WHO=you
RUN <<EOF
echo one > /r
echo two >> /r
EOF
RUN <<-SCRIPT
	#!/bin/busybox sh
	echo three > /awk
SCRIPT
RUN cat <<A >> /r; cat <<B >> /r
four
A
five
B
COPY <<a.txt <<"b.txt" /files/
hello $WHO
a.txt
hello $WHO
b.txt
`,
  });
  await built("-q", "-t", "local/here", path);
  expect(await daemon.ok("run", "--rm", "local/here", "sh", "-c", "cat /r /awk /files/a.txt /files/b.txt")).toBe(
    "one\ntwo\nfour\nfive\nthree\nhello you\nhello $WHO",
  );
});

describe("outputs", () => {
  const dockerfile =
    "FROM busybox AS base\nRUN mkdir /d && echo x > /d/x && ln -s x /d/l\nFROM scratch\nCOPY --from=base /d /d\nLABEL a=b\n";
  test("a folder, a tar, archives for docker and OCI, the same bytes each time", async () => {
    const path = await context({ Dockerfile: dockerfile });
    await built("-o", join(path, "out"), path);
    expect(await readFile(join(path, "out/d/l"), "utf8")).toBe("x\n");
    for (const type of ["tar", "oci", "docker"]) {
      await built("-t", "local/out", "-o", `type=${type},dest=${join(path, `${type}.1`)}`, path);
      await built("-t", "local/out", "-o", `type=${type},dest=${join(path, `${type}.2`)}`, path);
      expect((await readFile(join(path, `${type}.1`))).equals(await readFile(join(path, `${type}.2`)))).toBe(true);
    }
    const list = await run(["tar", "-tf", join(path, "tar.1")]);
    expect(list.stdout).toBe("d/\nd/l\nd/x\n");
    for (const type of ["oci", "docker"]) {
      await daemon.docker(["rmi", "-f", "local/out"]);
      expect(await daemon.ok("load", "-i", join(path, `${type}.1`))).toContain("local/out:latest");
      expect(await daemon.ok("image", "inspect", "-f", "{{.Config.Labels.a}}", "local/out")).toBe("b");
    }
  });
  test("an image with its id and metadata written, and pushed", async () => {
    const path = await context({ Dockerfile: dockerfile });
    const name = `${registry.host}/pushed:1`;
    await built("-t", name, "--push", "--iidfile", join(path, "iid"), "--metadata-file", join(path, "meta"), path);
    const id = await daemon.ok("image", "inspect", "-f", "{{.Id}}", name);
    expect(await readFile(join(path, "iid"), "utf8")).toBe(id);
    expect(JSON.parse(await readFile(join(path, "meta"), "utf8"))).toEqual({
      "containerimage.config.digest": id,
      "image.name": name,
    });
    await daemon.ok("rmi", name);
    await daemon.ok("pull", "-q", name);
  });
});

test("the same inputs with SOURCE_DATE_EPOCH give the same digest on two engines", async () => {
  const path = await context({
    Dockerfile: "FROM scratch\nADD t.tar /t/\nCOPY f d /\nWORKDIR /w\n",
    f: "x\n",
    "d/y": "y\n",
  });
  await run(["tar", "-cf", join(path, "t.tar"), "-C", path, "d"]);
  const digests: string[] = [];
  for (const engine of [daemon, await startDaemon()]) {
    await run(["sh", "-c", `touch -d "@${Date.now() / 1000 + digests.length}" ${path}/f ${path}/d/y`]);
    const oci = join(folder, `oci-${digests.length}`);
    const result = await engine.berth([
      "build",
      "-q",
      "--no-cache",
      "--build-arg",
      "SOURCE_DATE_EPOCH=1000000000",
      "-o",
      `type=oci,dest=${oci}`,
      path,
    ]);
    expect([result.status, result.stderr]).toEqual([0, ""]);
    digests.push(new Bun.CryptoHasher("sha256").update(await readFile(oci)).digest("hex"));
    if (engine !== daemon) await engine[Symbol.asyncDispose]();
  }
  expect(digests[0]).toBe(digests[1] ?? "");
}, 60_000);

test("caches go to a folder, a registry and into the image, and come back", async () => {
  const path = await context({
    Dockerfile:
      "FROM busybox AS a\nCOPY f /f\nRUN cat /f > /g; date +%s%N >> /g\nFROM busybox\nCOPY --from=a /g /g\nRUN cat /g\n",
    f: "x",
  });
  const name = `${registry.host}/cached:1`;
  await built(
    "-t",
    name,
    "--push",
    "--cache-to",
    `type=local,dest=${path}-cache,mode=max`,
    "--cache-to",
    `type=registry,ref=${registry.host}/cache:1,mode=max`,
    "--cache-to",
    "type=inline",
    path,
  );
  const id = await daemon.ok("image", "inspect", "-f", "{{json .RootFS.Layers}}", name);
  for (const from of [`type=local,src=${path}-cache`, `${registry.host}/cache:1`, name]) {
    await daemon.docker(["rmi", "-f", name]);
    await daemon.ok("builder", "prune", "-af");
    const shown = await built("-t", name, "--cache-from", from, path);
    expect([from, shown.includes("DONE"), shown.includes("CACHED")]).toEqual([from, false, true]);
    expect(await daemon.ok("image", "inspect", "-f", "{{json .RootFS.Layers}}", name)).toBe(id);
  }
  await writeFile(join(path, "f"), "y");
  expect(await built("-q", "--cache-from", `${registry.host}/none:1`, path)).toContain(
    "WARNING: importing cache manifest",
  );
});

test("the cache goes by content: times do not count, unused arguments neither, and --explain says why", async () => {
  const path = await context({
    Dockerfile: "FROM busybox\nCOPY f /f\nRUN cat /f\nARG LATE\nRUN echo $LATE\n",
    f: "1",
    ignored: "a",
    ".dockerignore": "ignored",
  });
  await built(path);
  await run(["touch", "-d", "2001-01-01", join(path, "f")]);
  await writeFile(join(path, "ignored"), "b");
  expect(await built(path)).not.toContain("DONE");
  const late = await built("--build-arg", "LATE=1", "--explain", path);
  expect(late.match(/DONE/g)?.length).toBe(1);
  expect(late).toContain(
    "not in the cache: the same command was run before, but over other files, with other build arguments",
  );
  expect((await built("--no-cache", path)).match(/DONE/g)?.length).toBe(3);
  await writeFile(join(path, "f"), "2");
  expect(await built("--explain", path)).toContain("not in the cache: the files that it copies differ");
});

test("stages that nobody needs are not run, independent ones run at once, --link is laid over a new base", async () => {
  const stage = (name: string): string => `FROM busybox AS ${name}\nRUN sleep 1; echo ${name} > /${name}\n`;
  const path = await context({
    Dockerfile: `${stage("a")}${stage("b")}${stage("c")}FROM busybox AS never\nRUN exit 1\nFROM scratch\nCOPY --link --from=a /a /\nCOPY --from=b /b /\nCOPY --from=c /c /\n`,
  });
  await built("-o", join(path, "out"), path);
  expect((await readdir(join(path, "out"))).sort()).toEqual(["a", "b", "c"]);
  const records = (await daemon.request("GET", "/berth/builds")).json() as Promise<
    { Started: string; Completed: string }[]
  >;
  const [last] = await records;
  expect(Date.parse(last?.Completed ?? "") - Date.parse(last?.Started ?? "")).toBeLessThan(2500);
  const text = await readFile(join(path, "Dockerfile"), "utf8");
  await writeFile(join(path, "Dockerfile"), text.replace("FROM scratch", "FROM busybox"));
  expect(await built("-t", "local/linked", path)).toContain("CACHED");
  expect(await daemon.ok("run", "--rm", "local/linked", "cat", "/a", "/b", "/c")).toBe("a\nb\nc");
});

test("checks are told with their lines and links, and --check fails by them", async () => {
  const path = await context({ Dockerfile: "FROM busybox\nWORKDIR a\nCMD echo\n" });
  const warned = await built(path);
  expect(warned).toContain("2 warnings found:\n - WorkdirRelativePath: Relative workdir");
  expect(warned).toContain("(line 2)\n   https://docs.docker.com/go/dockerfile/rule/workdir-relative-path/");
  expect((await berth("--check", path)).status).toBe(1);
  await writeFile(join(path, "Dockerfile"), "# check=error=true\nFROM busybox\nWORKDIR a\n");
  expect((await berth(path)).stderr).toContain("lint violation found for rules: WorkdirRelativePath");
});

test("a failure shows the step's output, its place and its text; rawjson is BuildKit's", async () => {
  const path = await context({ "x.Dockerfile": "FROM busybox\n\nRUN echo why; exit 3\n" });
  const failed = await berth("-f", join(path, "x.Dockerfile"), path);
  expect(failed.status).toBe(1);
  expect(failed.stderr).toContain(
    "x.Dockerfile:3\n--------------------\n   1 |     FROM busybox\n   2 |     \n   3 | >>> RUN echo why; exit 3\n",
  );
  expect(failed.stderr).toContain(
    'failed to solve: process "/bin/sh -c echo why; exit 3" did not complete successfully: exit code: 3',
  );
  const raw = await berth("--progress", "rawjson", "-f", join(path, "x.Dockerfile"), path);
  const rows = raw.stderr
    .split("\n")
    .filter((line) => line.startsWith("{"))
    .map((line) => JSON.parse(line) as { logs?: { data: string }[] });
  expect(Buffer.from(rows.find(({ logs }) => logs)?.logs?.[0]?.data ?? "", "base64").toString()).toBe("why\n");
});

test("a context sends and hashes only what has changed", async () => {
  const files: Record<string, string> = { Dockerfile: "FROM scratch\nCOPY . /\n" };
  for (let at = 0; at < 300; at++) files[`d${at % 10}/f${at}`] = `${at}\n`;
  const path = await context(files);
  await built("-q", path);
  const kept = join(daemon.dataRoot, "build/folders");
  const inodes = async (): Promise<number[]> => {
    const all = (await readdir(kept)).map((name) =>
      stat(join(kept, name, "files/d1/f1")).then(
        ({ ino }) => ino,
        () => 0,
      ),
    );
    return (await Promise.all(all)).filter(Boolean);
  };
  const before = await inodes();
  await writeFile(join(path, "d2/f2"), "changed\n");
  await rm(join(path, "d3/f3"));
  const out = join(folder, "changed");
  await built("-o", out, path);
  expect(await inodes()).toEqual(before);
  expect(await readFile(join(out, "d2/f2"), "utf8")).toBe("changed\n");
  expect((await readdir(join(out, "d3"))).includes("f3")).toBe(false);
});

test("ADD takes archives, URLs by their checksum and git repositories; COPY takes of images and named contexts", async () => {
  const path = await context({
    "d/in": "packed\n",
    Dockerfile: "",
    "named/Dockerfile": "",
    "named/n": "named\n",
  });
  await run(["tar", "-czf", join(path, "t.tgz"), "-C", join(path, "d"), "in"]);
  await run(
    [
      "sh",
      "-c",
      "gzip -c d/in > single.gz && cd d && git init -q -b main . && git add in && git -c user.name=a -c user.email=b commit -qm x && git clone -q --bare . ../repo.git && rm -rf .git",
    ],
    { cwd: path },
  );
  const commit = (await run(["git", "-C", join(path, "repo.git"), "rev-parse", "HEAD"])).stdout.trim();
  using repositories = serveGit(path);
  const body = "from the net\n";
  const server = Bun.serve({
    port: 0,
    fetch: () => new Response(body, { headers: { "Last-Modified": "Sat, 01 Jan 2000 00:00:00 GMT" } }),
  });
  const digest = `sha256:${new Bun.CryptoHasher("sha256").update(body).digest("hex")}`;
  const dockerfile = (checksum: string): string => `FROM busybox
COPY --from=busybox /bin/busybox /other/sh
COPY --from=more n /n
ADD t.tgz /unpacked/
ADD --unpack=false t.tgz /whole/
ADD single.gz /single/
ADD --checksum=${checksum} http://127.0.0.1:${server.port}/file.txt /url/
ADD --keep-git-dir=true --checksum=${commit} ${repositories.url}/repo.git#main /git
RUN cat /n /unpacked/in /url/file.txt /git/in && ls /whole /single /git/.git/HEAD && stat -c '%a %Y' /url/file.txt
`;
  try {
    await writeFile(join(path, "Dockerfile"), dockerfile(digest));
    const shown = await built("--build-context", `more=${join(path, "named")}`, path);
    for (const text of ["named", "packed", "from the net", "t.tgz", "single.gz", "/git/.git/HEAD", "600 946684800"])
      expect(shown).toContain(text);
    await writeFile(join(path, "Dockerfile"), dockerfile(`sha256:${"0".repeat(64)}`));
    const wrong = await berth("--build-context", `more=${join(path, "named")}`, path);
    expect(wrong.stderr).toContain(`digest mismatch ${digest}`);
  } finally {
    await server.stop(true);
  }
});

test("ONBUILD of a base runs in its child, right after FROM, and no further", async () => {
  const base = await context({ Dockerfile: "FROM busybox\nONBUILD COPY f /f\nONBUILD RUN cat /f > /g\n", f: "" });
  await built("-q", "-t", "local/onbuild", base);
  const child = await context({ Dockerfile: "FROM local/onbuild\nRUN cat /g\n", f: "of the child\n" });
  expect(await built("-t", "local/child", child)).toContain("of the child");
  expect(await daemon.ok("image", "inspect", "-f", "{{json .Config.OnBuild}}", "local/child")).toBe("null");
});

test("a full disk in mid-step is a clear error; no half image, nothing left, the daemon lives", async () => {
  const disk = await mkdtemp("/tmp/berth-full-");
  await run(["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", disk]);
  const small = await startDaemon({ args: ["--data-root", join(disk, "data")] });
  try {
    await importBusybox(small);
    const path = await context({
      Dockerfile: "FROM busybox\nRUN dd if=/dev/zero of=/big bs=1M count=40\n",
      "copy/Dockerfile": "FROM busybox\nCOPY big /big\n",
    });
    const failed = await small.berth(["build", "-t", "local/full", path]);
    expect(failed.stderr).toContain("No space left on device");
    await run(["dd", "if=/dev/zero", `of=${join(path, "copy/big")}`, "bs=1M", "count=15"]);
    const copied = await small.berth(["build", "-t", "local/full", join(path, "copy")]);
    expect([copied.status, copied.stderr]).toEqual([1, expect.stringContaining("no space left on device")]);
    expect((await small.docker(["image", "inspect", "local/full"])).status).toBe(1);
    expect(await readdir(join(small.execRoot, "c"))).toEqual([]);
    expect((await small.docker(["run", "--rm", "busybox", "true"])).status).toBe(0);
  } finally {
    await small[Symbol.asyncDispose]();
    await run(["umount", "-l", disk]);
    await rm(disk, { recursive: true, force: true });
  }
}, 60_000);

test("a full file system in mid-step is a clear error; no image is there, nothing is left", async () => {
  const path = await context({
    Dockerfile: "FROM busybox\nRUN --mount=type=tmpfs,target=/t,size=1m dd if=/dev/zero of=/t/x bs=1M count=5\n",
  });
  const failed = await berth("-t", "local/full", path);
  expect(failed.stderr).toContain("No space left on device");
  expect((await daemon.docker(["image", "inspect", "local/full"])).status).toBe(1);
  await until("nothing is left", () => leftovers(daemon).length === 0, 5000);
});

test("the cache is brought back to its size after a build", async () => {
  const small = await startDaemon({ args: ["--build-cache-max-bytes", "1500000"] });
  try {
    await importBusybox(small);
    for (const n of [1, 2, 3]) {
      const path = await context({ Dockerfile: `FROM busybox\nRUN head -c 1000000 /dev/zero > /big${n}\n` });
      expect((await small.berth(["build", "-q", "-o", `type=tar,dest=${folder}/trimmed`, path])).status).toBe(0);
    }
    await until("only the last is kept", async () => {
      const { stdout } = await small.berth(["builder", "du", "--verbose"]);
      return stdout.includes("/big3") && !stdout.includes("/big1") && !stdout.includes("/big2");
    });
  } finally {
    await small[Symbol.asyncDispose]();
  }
}, 60_000);

test("builder prune and du, history and its removal", async () => {
  await built("-q", await context({ Dockerfile: "FROM busybox\nRUN head -c 100000 /dev/zero > /big\n" }));
  await daemon.ok("image", "prune", "-f");
  expect((await daemon.berth(["builder", "du", "--verbose"])).stdout).toContain(
    "mount / from exec /bin/sh -c head -c 100000",
  );
  const { stdout } = await daemon.berth(["builder", "prune", "-af", "--filter", "description=head -c 100000"]);
  expect(stdout).toContain("Total reclaimed space: 100kB");
  const ids = (await daemon.berth(["builder", "history", "-q"])).stdout.trim().split("\n");
  expect((await daemon.berth(["builder", "rm", ids[0] ?? ""])).status).toBe(0);
  expect((await daemon.berth(["builder", "history", "-q"])).stdout.trim().split("\n")).toEqual(ids.slice(1));
});

test("kill -9 in mid-build: the next daemon cleans up, and a build reuses what was finished", async () => {
  const engine = await startDaemon();
  try {
    await importBusybox(engine);
    const path = await context({
      Dockerfile:
        "FROM busybox\nRUN echo done > /first\nCOPY hang /hang\nRUN test -s /hang || { echo begun; sleep 1000; }\n",
      hang: "",
    });
    const going = engine.berth(["build", "-t", "local/crash", path]);
    await until("the last step is at work", async () =>
      (await engine.berth(["builder", "du", "--verbose"])).stdout.includes("COPY hang"),
    );
    await until("its process runs", () => readdirSync(join(engine.execRoot, "c")).length > 0);
    await engine.kill();
    expect((await going).status).not.toBe(0);
    await engine.start();
    await until("what the killed build left is gone", () => leftovers(engine).length === 0);
    await writeFile(join(path, "hang"), "no more");
    const { stderr, status } = await engine.berth(["build", "-t", "local/crash", path]);
    expect([status, stderr]).toEqual([0, expect.stringMatching(/RUN echo done > \/first\n#\d CACHED/)]);
  } finally {
    await engine[Symbol.asyncDispose]();
  }
}, 60_000);

const md5 = (text: string): string => new Bun.CryptoHasher("md5").update(text).digest("hex");
