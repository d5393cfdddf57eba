import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { client, clientNames } from "../harness/clients.ts";
import { importBusybox, startDaemon, type TestDaemon } from "../harness/daemon.ts";

let daemon: TestDaemon;
let folder: string;
beforeAll(async () => {
  daemon = await startDaemon();
  await importBusybox(daemon);
  folder = await mkdtemp("/tmp/berth-cp-");
}, 60_000);
afterAll(async () => {
  await daemon[Symbol.asyncDispose]();
  await rm(folder, { recursive: true, force: true });
}, 60_000);

describe.each(clientNames)("%s cp", (name) => {
  const cli = (args: string[], options = {}) => client(daemon, name)(args, options);

  test("copies files and folders in and out of a running and a stopped container, volumes included", async () => {
    const here = join(folder, name);
    await mkdir(join(here, "tree/sub"), { recursive: true });
    await writeFile(join(here, "tree/sub/file"), "content\n", { mode: 0o640 });
    await writeFile(join(here, "odd"), "x".repeat(1000)); // not a multiple of the tar block
    const c = `${name}-cp`;
    await cli(["run", "-d", "--name", c, "-v", "/vol", "busybox", "sleep", "600"]);
    for (const state of ["running", "stopped"]) {
      expect((await cli(["cp", `${here}/tree`, `${c}:/tmp`])).stderr).not.toContain("rror");
      expect((await cli(["cp", `${here}/odd`, `${c}:/vol/odd-${state}`])).status).toBe(0);
      expect((await cli(["cp", `${c}:/tmp/tree`, join(here, `back-${state}`)])).status).toBe(0);
      expect(await readFile(join(here, `back-${state}`, "sub/file"), "utf8")).toBe("content\n");
      expect((await cli(["cp", `${c}:/vol/odd-${state}`, join(here, `odd-${state}`)])).status).toBe(0);
      expect((await readFile(join(here, `odd-${state}`), "utf8")).length).toBe(1000);
      const missing = await cli(["cp", `${c}:/nope`, here]);
      expect(missing.status).toBe(1);
      expect(missing.stderr).toContain(`Could not find the file /nope in container ${c}`);
      if (state === "running") await cli(["stop", "-t", "0", c]);
    }
    await cli(["start", c]);
    expect((await cli(["exec", c, "stat", "-c", "%a %s", "/tmp/tree/sub/file", "/vol/odd-stopped"])).stdout).toBe(
      "640 8\n644 1000\n",
    );
    await cli(["rm", "-f", "-v", c]);
  });

  test("passes archives by standard input and output, plain and compressed", async () => {
    const c = `${name}-pipe`;
    await cli(["create", "--name", c, "busybox", "true"]);
    for (const flag of ["", "z"]) {
      const tar = new Uint8Array(await Bun.$`tar -C /etc -c${flag}f - hostname`.arrayBuffer());
      expect((await cli(["cp", "-", `${c}:/root`], { stdin: tar })).status).toBe(0);
    }
    const out = await cli(["cp", `${c}:/root/hostname`, "-"]);
    expect(out.stdout).toContain(await readFile("/etc/hostname", "utf8"));
    expect((await cli(["cp", "-", `${c}:/etc/passwd`], { stdin: "" })).status).toBe(1);
    await cli(["rm", c]);
  });
});

test("a link in the container leads nowhere outside, in either direction", async () => {
  const canary = join(folder, "canary");
  await mkdir(canary);
  await writeFile(join(canary, "secret"), "host\n");
  await daemon.ok(
    "run",
    "-d",
    "--name",
    "linker",
    "busybox",
    "sh",
    "-c",
    `ln -s ${canary} /out; ln -s / /root/up; while :; do ln -sfn ${canary} /flip; rm -f /flip; mkdir /flip; rmdir /flip; done`,
  );
  const from = await daemon.docker(["cp", "linker:/out/secret", join(folder, "stolen")]);
  expect(from.status).toBe(1);
  await writeFile(join(folder, "evil"), "evil\n");
  await daemon.docker(["cp", join(folder, "evil"), "linker:/out/evil"]);
  // CVE-2018-15664: the path flips between a folder and a link to the host's while we copy
  for (let round = 0; round < 30; round++) {
    await daemon.docker(["cp", join(folder, "evil"), "linker:/flip/evil"]);
    await daemon.docker(["cp", "linker:/flip/secret", join(folder, `stolen-${round}`)]);
  }
  expect(await readdir(canary)).toEqual(["secret"]);
  expect((await readdir(folder)).filter((name) => name.startsWith("stolen"))).toEqual([]);
  await daemon.ok("rm", "-f", "linker");
}, 60_000);

test("an archive with links, .. and devices unpacks inside the container only", async () => {
  await daemon.ok("create", "--name", "target", "busybox", "true");
  const stage = join(folder, "stage");
  await mkdir(stage);
  await symlink("/etc", join(stage, "link"));
  const first = new Uint8Array(await Bun.$`tar -C ${stage} -cf - link`.arrayBuffer());
  expect((await daemon.docker(["cp", "-", "target:/tmp"], { stdin: first })).status).toBe(0);
  // then a file through the link: in the container's /etc, never in the host's
  await rm(join(stage, "link"));
  await mkdir(join(stage, "link"));
  await writeFile(join(stage, "link/berth-was-here"), "x");
  const second = new Uint8Array(await Bun.$`tar -C ${stage} -cf - link/berth-was-here`.arrayBuffer());
  await daemon.docker(["cp", "-", "target:/tmp"], { stdin: second });
  const dots = new Uint8Array(
    await Bun.$`tar -C ${stage} -P --transform=s,^link,../../../../../tmp/berth-escaped, -cf - link`.arrayBuffer(),
  );
  expect((await daemon.docker(["cp", "-", "target:/tmp"], { stdin: dots })).status).toBe(1);
  expect(await Bun.file("/etc/berth-was-here").exists()).toBe(false);
  expect(await Bun.file("/tmp/berth-escaped/berth-was-here").exists()).toBe(false);
  await daemon.ok("rm", "target");
});

test("a decompressor of the image is never run on the host", async () => {
  // CVE-2026-41567: PUT archive ran the container's xz
  await daemon.ok(
    "run",
    "--name",
    "xz",
    "busybox",
    "sh",
    "-c",
    "printf '#!/bin/sh\\ntouch /tmp/berth-xz-ran\\n' > /bin/xz; chmod +x /bin/xz",
  );
  const packed = new Uint8Array(await Bun.$`tar -C /etc -cJf - hostname`.arrayBuffer());
  expect((await daemon.docker(["cp", "-", "xz:/root"], { stdin: packed })).status).toBe(0);
  expect(await Bun.file("/tmp/berth-xz-ran").exists()).toBe(false);
  await daemon.ok("rm", "xz");
});
