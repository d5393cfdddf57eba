import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { client, clientNames } from "../harness/clients.ts";
import { importBusybox, startDaemon, type TestDaemon } from "../harness/daemon.ts";

let daemon: TestDaemon;
let folder: string;
beforeAll(async () => {
  daemon = await startDaemon();
  await importBusybox(daemon);
  folder = await mkdtemp("/tmp/berth-f-");
}, 60_000);
afterAll(async () => {
  await daemon[Symbol.asyncDispose]();
  await rm(folder, { recursive: true, force: true });
}, 60_000);

describe.each(clientNames)("%s run", (name) => {
  const cli = (args: string[], options = {}) => client(daemon, name)(args, options);
  /** Output of a shell line in a fresh container made with these flags. */
  const sh = async (flags: string[], line: string): Promise<string> => {
    const result = await cli(["run", "--rm", ...flags, "busybox", "sh", "-c", line]);
    return result.status === 0 ? result.stdout.trimEnd() : `status ${result.status}: ${result.stderr}${result.stdout}`;
  };

  test("-e, --env-file, -w, -u, --group-add, --hostname and --domainname reach the process", async () => {
    const file = join(folder, `${name}.env`);
    await writeFile(file, "# comment\nFROM_FILE=1\nHOME\n");
    expect(await sh(["-e", "A=b c", "--env-file", file], "echo $A-$FROM_FILE")).toBe("b c-1");
    expect(await sh(["-w", "/some/new/folder"], "pwd")).toBe("/some/new/folder");
    expect(await sh(["-u", "1234:55", "--group-add", "77"], "id -u; id -g; id -G")).toBe("1234\n55\n55 77");
    expect(await sh(["-u", "www-data"], "id -un; echo $HOME")).toBe("www-data\n/var/www");
    expect(await sh(["--hostname", "box", "--domainname", "example.test"], "hostname; hostname -f")).toContain("box");
  });

  test("--entrypoint, labels, --label-file, --cidfile, --annotation and --name are kept", async () => {
    expect((await cli(["run", "--rm", "--entrypoint", "echo", "busybox", "a", "b"])).stdout).toBe("a b\n");
    const labels = join(folder, `${name}.labels`);
    await writeFile(labels, "from.file=yes\n");
    const cid = join(folder, `${name}.cid`);
    await cli([
      "create",
      "--name",
      `${name}-kept`,
      "-l",
      "a=1",
      "--label-file",
      labels,
      "--cidfile",
      cid,
      "--annotation",
      "x.y=z",
      "busybox",
      "true",
    ]);
    expect(
      await daemon.ok("inspect", "-f", "{{json .Config.Labels}} {{json .HostConfig.Annotations}}", `${name}-kept`),
    ).toBe('{"a":"1","from.file":"yes"} {"x.y":"z"}');
    expect(await readFile(cid, "utf8")).toBe(await daemon.ok("inspect", "-f", "{{.Id}}", `${name}-kept`));
    await cli(["rm", `${name}-kept`]);
  });

  test("--read-only, --tmpfs, -v and --mount shape the file system", async () => {
    expect(await sh(["--read-only"], "touch /x 2>&1 || echo refused")).toContain("refused");
    expect(
      await sh(
        ["--read-only", "--tmpfs", "/scratch:size=1m"],
        "touch /scratch/x && df -k /scratch | tail -1 | awk '{print $2}'",
      ),
    ).toBe("1024");
    await writeFile(join(folder, "shared"), "from the host\n");
    expect(await sh(["-v", `${folder}:/data:ro`], "cat /data/shared; touch /data/x 2>&1 || echo refused")).toMatch(
      /^from the host\n[\s\S]*refused$/,
    );
    expect(await sh(["--mount", `type=bind,src=${folder},dst=/data`], "echo new > /data/made; cat /data/made")).toBe(
      "new",
    );
    const missing = await cli(["run", "--rm", "--mount", "type=bind,src=/nonexist,dst=/data", "busybox", "true"]);
    expect(missing.status).toBe(125);
    expect(missing.stderr).toContain(
      'invalid mount config for type "bind": bind source path does not exist: /nonexist',
    );
  });

  test("named and anonymous volumes keep and lose their data as they should", async () => {
    const volume = `${name}-vol`;
    await sh(["-v", `${volume}:/data`], "echo kept > /data/file");
    expect(await sh(["-v", `${volume}:/data`], "cat /data/file")).toBe("kept");
    const busy = await cli(["create", "--name", `${name}-user`, "-v", `${volume}:/data`, "busybox", "true"]);
    const refused = await cli(["volume", "rm", volume]);
    expect(refused.stderr).toContain(`remove ${volume}: volume is in use - [${busy.stdout.trim()}]`);
    expect(await sh(["--volumes-from", `${name}-user`], "cat /data/file")).toBe("kept");
    await cli(["rm", `${name}-user`]);
    expect((await cli(["volume", "rm", volume])).stdout).toBe(`${volume}\n`);
    await sh(["-v", "/anonymous"], "true");
    expect(await daemon.ok("volume", "ls", "-q", "-f", "dangling=true")).toBe("");
  });

  test("a new volume gets what the image has at its place, with owners and modes", async () => {
    const volume = `${name}-copy`;
    expect(await sh(["-v", `${volume}:/etc`], "cat /etc/passwd | head -1; stat -c %a /etc/passwd")).toBe(
      "root:x:0:0:root:/root:/bin/sh\n644",
    );
    await cli(["volume", "rm", volume]);
  });

  test("capabilities, privileges and security options are Docker's", async () => {
    const effective = (flags: string[]): Promise<string> =>
      sh(flags, "grep CapEff /proc/self/status | awk '{print $2}'");
    expect(await effective([])).toBe("00000000a80425fb");
    expect(await effective(["--cap-drop", "ALL", "--cap-add", "NET_ADMIN"])).toBe("0000000000001000");
    expect(await sh(["--privileged"], "grep -c . /proc/keys > /dev/null && echo open")).toBe("open");
    expect(
      await sh([], "grep Seccomp: /proc/self/status | awk '{print $2}'; unshare -U true 2>&1 || echo refused"),
    ).toMatch(/^2\n[\s\S]*refused$/);
    expect(
      await sh(["--security-opt", "seccomp=unconfined"], "grep Seccomp: /proc/self/status | awk '{print $2}'"),
    ).toBe("0");
    expect(
      await sh(["--security-opt", "no-new-privileges"], "grep NoNewPrivs /proc/self/status | awk '{print $2}'"),
    ).toBe("1");
    expect(
      await sh(
        [],
        "cat /proc/kcore 2>&1 | head -c 1; ls /proc/acpi 2>/dev/null | wc -l; grep CapInh /proc/self/status",
      ),
    ).toContain("CapInh:\t0000000000000000");
  });

  test("limits are enforced, and an OOM kill is told", async () => {
    const c = `${name}-oom`;
    const result = await cli([
      "run",
      "--name",
      c,
      "-m",
      "16m",
      "--memory-swap",
      "16m",
      "busybox",
      "sh",
      "-c",
      "head -c 200m /dev/zero | tail",
    ]);
    expect(result.status).not.toBe(0);
    const big = `${name}-oom2`;
    const killed = await cli([
      "run",
      "--name",
      big,
      "-m",
      "8m",
      "--memory-swap",
      "8m",
      "busybox",
      "dd",
      "if=/dev/zero",
      "of=/dev/null",
      "bs=64M",
      "count=1",
    ]);
    expect(killed.status).toBe(137);
    expect(await daemon.ok("inspect", "-f", "{{.State.OOMKilled}} {{.State.ExitCode}}", big)).toBe("true 137");
    await cli(["rm", c, big]);
    expect(await sh(["--pids-limit", "5"], "for i in 1 2 3 4 5 6 7; do sleep 1 & done 2>&1; wait; echo end")).toContain(
      "fork",
    );
    expect(
      await sh(["--cpus", "0.5"], "cat /sys/fs/cgroup/cpu/cpu.cfs_quota_us 2>/dev/null || cat /sys/fs/cgroup/cpu.max"),
    ).toMatch(/^50000/);
    expect(
      await sh(
        ["--cpu-shares", "512"],
        "cat /sys/fs/cgroup/cpu/cpu.shares 2>/dev/null || cat /sys/fs/cgroup/cpu.weight",
      ),
    ).toMatch(/^(512|20|5\d)$/);
    expect(await sh(["--cpuset-cpus", "0"], "grep Cpus_allowed_list /proc/self/status | awk '{print $2}'")).toBe("0");
    expect(await sh(["--ulimit", "nofile=100:200"], "ulimit -n; ulimit -Hn")).toBe("100\n200");
    expect(await sh(["--shm-size", "1m"], "df -k /dev/shm | tail -1 | awk '{print $2}'")).toBe("1024");
    const small = await cli(["run", "--rm", "-m", "4m", "busybox", "true"]);
    expect(small.status).toBe(125);
    expect(small.stderr).toContain("Minimum memory limit allowed is 6MB");
  });

  test("namespaces are private unless they are shared by a flag", async () => {
    const host = (await readFile("/proc/sys/kernel/hostname", "utf8")).trim();
    expect(await sh(["--uts", "host"], "hostname")).toBe(host);
    expect(await sh([], "echo $$")).toBe("1");
    expect(Number(await sh(["--pid", "host"], "echo $$"))).toBeGreaterThan(1);
    const c = `${name}-ns`;
    await cli(["run", "-d", "--name", c, "--ipc", "shareable", "busybox", "sleep", "600"]);
    expect(await sh(["--pid", `container:${c}`], "ps | grep -c '[s]leep 600'")).toBe("1");
    expect(
      await sh(["--network", `container:${c}`], "hostname -i 2>/dev/null; ip -4 addr show eth0 | grep -c inet"),
    ).toContain("1");
    const own = await cli(["exec", c, "readlink", "/proc/1/ns/ipc"]);
    expect(await sh(["--ipc", `container:${c}`], "readlink /proc/self/ns/ipc")).toBe(own.stdout.trim());
    await cli(["rm", "-f", c]);
  });

  test("--sysctl, --device, --init, --add-host, --dns and --oom-score-adj do what they say", async () => {
    expect(await sh(["--sysctl", "net.ipv4.ip_forward=0"], "cat /proc/sys/net/ipv4/ip_forward")).toBe("0");
    expect(await sh(["--device", "/dev/fuse:/dev/f"], "test -c /dev/f && echo there")).toBe("there");
    expect(await sh(["--init"], "ps | head -2 | tail -1")).toContain("docker-init");
    expect(await sh(["--add-host", "database:10.1.2.3"], "grep database /etc/hosts")).toBe("10.1.2.3\tdatabase");
    expect(await sh(["--dns", "10.9.9.9", "--dns-search", "corp.test"], "cat /etc/resolv.conf")).toMatch(
      /nameserver 10\.9\.9\.9[\s\S]*search corp\.test|search corp\.test[\s\S]*nameserver 10\.9\.9\.9/,
    );
    expect(await sh(["--oom-score-adj", "500"], "cat /proc/self/oom_score_adj")).toBe("500");
  });

  test("networks none and host are what they say", async () => {
    expect(await sh(["--network", "none"], "ip -o link | grep -vc lo:")).toContain("0");
    expect(await sh(["--network", "host"], "ip -o link | wc -l")).not.toBe("1");
  });

  test("flags that contradict each other are refused with Docker's words", async () => {
    const refused = async (...args: string[]): Promise<string> => {
      const result = await cli(["run", "--rm", ...args, "busybox", "true"]);
      expect(result.status).toBe(125);
      return result.stderr;
    };
    expect(await refused("--restart", "always")).toContain(
      "conflicting options: cannot specify both --restart and --rm",
    );
    expect(await refused("--cap-add", "NOPE")).toContain('unknown capability: "CAP_NOPE"');
    expect(await refused("-v", "/a:/x", "-v", "/b:/x")).toContain("Duplicate mount point: /x");
    expect(await refused("-w", "rel")).toContain(
      "the working directory 'rel' is invalid, it needs to be an absolute path",
    );
    expect(await refused("-p", "99999:80")).toContain("99999");
    expect(await refused("--runtime", "nosuch")).toContain("unknown or invalid runtime name: nosuch");
    expect(await refused("--log-driver", "nosuch")).toContain("nosuch");
  });
});
